/** Act 1: the file is there, and rcm-node says what it would do. */
import { check } from '../disproved.ts';
import { differences, takeSnapshot } from '../stage/snapshot.ts';
import { type Stage, show } from '../stage/stage.ts';
import { shimFilePath, shimFileText } from '../stage/shim-files.ts';

/** Returns when the file was dropped, on the clock of `performance.now()`. */
export const actPlan = async (stage: Stage): Promise<number> => {
  const { screen, node } = stage;
  screen.title('1/9  The plan: what one TOML file would change, told before anything is touched');
  const dropped = performance.now();
  await node.writeFile(shimFilePath, shimFileText(stage.bundles[0], 1));
  await show(stage, ['cat', shimFilePath]);
  // Exit code 4: there is work to do.
  const { stdout } = await show(stage, ['rcm-node', 'plan'], 4);
  const restarts = stdout.split('\n').filter((line) => /^ *\d+\. restart /.test(line));
  check(
    restarts.length === 1 && restarts[0]?.endsWith('restart containerd.service') === true,
    'one restart, of containerd.service, in the plan',
    restarts,
  );
  const changed = differences(stage.before, await takeSnapshot(node, '/etc', '/etc/rcm-node'));
  check(changed.length === 0, 'nothing below /etc changed by planning', changed);
  screen.proven('One restart is planned, and planning changed no file below /etc.');
  return dropped;
};
