/** Act 7: a change that every check lets through, and that the runtime does not start with. */
import { importImage } from '../../testbed/artifacts/oci.ts';
import { isRunning, removePod } from '../../testbed/node/pods.ts';
import { check } from '../disproved.ts';
import { duration } from '../fit.ts';
import { measureOutage } from '../outage.ts';
import { differences, takeSnapshot } from '../stage/snapshot.ts';
import { readReport, type Stage, servedHandlers, show, until } from '../stage/stage.ts';
import { tickingImage } from '../ticking.ts';
import { linesOf, startTicking } from '../ticking-pod.ts';
import { secondHandler, secondShimFilePath, secondShimFileText } from '../stage/shim-files.ts';

const folder = '/etc/systemd/system/containerd.service.d';
const site = `${folder}/site.conf`;

/** What no parser of a configuration can know: why a host does not let its runtime start. */
const siteText = `# A rule of this site, which only a start of containerd comes to.
[Service]
ExecStartPre=/bin/sh -c "! grep -rqs ${secondHandler} /etc/containerd"
`;

const isUndone = (stage: Stage): boolean => {
  const outcome = readReport(stage)?.outcome;
  return outcome?.kind === 'failed' && outcome.undone;
};

export const actRollback = async (stage: Stage): Promise<void> => {
  const { screen, node } = stage;
  screen.title(
    '7/9  The rollback: containerd does not start with a change; it is undone, and nothing else suffers',
  );
  await node.writeFile(site, siteText);
  await show(stage, ['cat', site]);
  await node.run(['systemctl', 'daemon-reload']);
  const former = {
    etc: await takeSnapshot(node, '/etc', '/etc/rcm-node'),
    handlers: await servedHandlers(stage),
  };
  const pod = await startTicking(stage, await importImage(node, await tickingImage()));
  const first = await linesOf(stage, pod);

  const meter = measureOutage(() => node.criSocket);
  const asked = performance.now();
  await node.writeFile(secondShimFilePath, secondShimFileText(stage.breaking));
  await show(stage, ['cat', secondShimFilePath]);
  await screen.during('fetch, check, switch, restart, see it fail, undo, restart, prove', () =>
    until(
      'the change undone',
      240,
      () => isUndone(stage),
      () => readReport(stage),
    ),
  );
  const took = performance.now() - asked;
  const { outageMs } = await meter.stop();
  await show(stage, ['rcm-node', 'status'], 1);

  const handlers = await servedHandlers(stage);
  check(
    JSON.stringify([...handlers].sort()) === JSON.stringify([...former.handlers].sort()),
    'CRI to serve what it served before',
    handlers,
  );
  const changed = differences(former.etc, await takeSnapshot(node, '/etc', '/etc/rcm-node'));
  check(changed.length === 0, 'everything below /etc as before the change', changed);
  check(await isRunning(node, pod.pod.containerId), 'the Pod still running', 'it ended');
  const last = await linesOf(stage, pod);
  check(last > first, 'more lines of the Pod', last);
  screen.proven(
    `containerd did not start with it; the old configuration is back, byte for byte, and proven, after ${duration(took)}.`,
  );
  screen.proven(
    `CRI was away for ${duration(outageMs)}. A Pod ran on meanwhile (${first} lines before, ${last} now), and the change is not tried again.`,
  );
  stage.figures.push(
    ['from a change that breaks containerd to the old state, proven', duration(took)],
    ['CRI away for that, at most', `${Math.round(outageMs)} ms`],
  );
  await removePod(node, pod.pod.id);
  await node.run(['rm', secondShimFilePath, site]);
  await node.run(['rmdir', folder]);
  await node.run(['systemctl', 'daemon-reload']);
  await screen.during('the file that asked for it is gone', () =>
    until(
      'nothing left to do',
      60,
      () => readReport(stage)?.outcome.kind === 'converged',
      () => readReport(stage),
    ),
  );
};
