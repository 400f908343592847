/** Acts 4 and 5: what an administrator on this node sees. */
import { check } from '../disproved.ts';
import { type Stage, show } from '../stage/stage.ts';
import { handler } from '../stage/shim-files.ts';

export const actServiceStatus = async (stage: Stage): Promise<void> => {
  stage.screen.title('4/9  systemctl status: one line says what this node serves');
  const { stdout } = await show(stage, ['systemctl', 'status', 'rcm-node', '--no-pager', '--lines=4']);
  check(/Serving 1 of 1 \(wasmedge\)/.test(stdout), '"Serving 1 of 1 (wasmedge)" in the Status line', stdout);
  stage.screen.proven('The unit is active, and its Status line names the handler.');
};

export const actOwnStatus = async (stage: Stage): Promise<void> => {
  stage.screen.title(
    '5/9  rcm-node status: each handler, the digest of its artifact, and the file or the Shim that asks for it',
  );
  const { stdout } = await show(stage, ['rcm-node', 'status']);
  check(
    new RegExp(`${handler} +served +[0-9a-f]{12}`).test(stdout),
    `a row for ${handler}, served, with a digest`,
    stdout,
  );
  stage.screen.proven('Exit code 0: everything that is asked for is served.');
};
