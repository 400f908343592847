/**
 * The stand-in for MicroK8s writes what its wrapper does (run-containerd-with-args at 02c467bd; of later versions only names of
 * variables are known). Every stop: it compiles a Go program.
 */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Said } from '../../../testbed/machine/command.ts';
import { call, furnish, skip } from './rendered.ts';

const render = (t: Test, template: Readonly<Record<string, string>>): Promise<Said> => {
  const root = t.testdir({ snap: { microk8s: { 7: {} } }, var: { snap: { microk8s: { 7: { args: {} } } } } });
  furnish(join(root, 'var/snap/microk8s/7/args'), template);
  for (const folder of ['snap/microk8s', 'var/snap/microk8s'])
    symlinkSync('7', join(root, folder, 'current'));
  return call(root, '', ['snap', 'render', 'microk8s.daemon-containerd'], { STAND_IN_ROOT: root });
};

t.test('variables of the template are filled in, with the folders of the revision', { skip }, async (t) => {
  const names = ['SNAP', 'SNAP_DATA', 'SNAPSHOTTER', 'RUNTIME', 'RUNTIME_TYPE', 'SNAP_COMMON', 'HOME'];
  const template = names.map((name) => `${name} = "\${${name}}/x" # $${name}\n`).join('');
  t.match(await render(t, { 'containerd-template.toml': template }), {
    code: 0,
    stdout: `SNAP = "/snap/microk8s/7/x" # $SNAP
SNAP_DATA = "/var/snap/microk8s/7/x" # $SNAP_DATA
SNAPSHOTTER = "overlayfs/x" # $SNAPSHOTTER
RUNTIME = "runc/x" # $RUNTIME
RUNTIME_TYPE = "io.containerd.runc.v2/x" # $RUNTIME_TYPE
SNAP_COMMON = "\${SNAP_COMMON}/x" # $SNAP_COMMON
HOME = "\${HOME}/x" # $HOME
`,
  });
});

t.test('without a template it does not start', { skip }, async (t) => {
  t.match(await render(t, {}), { code: 1, stdout: '', stderr: /containerd-template\.toml/ });
});
