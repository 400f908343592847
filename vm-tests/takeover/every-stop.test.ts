/**
 * Nodes on which the newest of all earlier installers were, with Pods on their programs: taken over by the command, and by the
 * setting. Every stop: a minute for each node.
 */
import t from 'tap';
import { keyOf } from '../../test/runtimes/predecessors/written.ts';
import { deployer, kwasm03, rcm02, spinInstaller, withoutDeployer } from './installers.ts';
import { skip, takeoverOf } from './life.ts';

t.test('containerd 1.7: knawd, runtime-class-manager v0.2.0 and kwasm v0.3.1', { skip }, (t) =>
  takeoverOf(t, {
    suite: 'trixie',
    installers: [deployer, rcm02(2, { 'spin-v2': {} }), kwasm03],
    pods: ['crun', 'spin-v2', 'wasmtime'],
    asked: { 'spin-v2': 'spin-v2', 'wasmtime-v1': 'wasmtime' },
    uninstalled: withoutDeployer,
  }),
);

// Of "slight-v1" and "lunatic-v1" an uninstall left the text: its options had changed since, or came in another order.
const shims = { 'wws-v1': {}, 'slight-v1': {}, 'lunatic-v1': { SystemdCgroup: 'true', Root: '"/run/x"' } };

t.test(
  'containerd 2.1, by the setting: containerd-shim-spin v0.24.0, runtime-class-manager v0.2.0 and its uninstall',
  { skip },
  (t) =>
    takeoverOf(t, {
      suite: 'forky',
      installers: [spinInstaller(keyOf(3), true), rcm02(3, shims, ['slight-v1', 'lunatic-v1'])],
      standing: true,
      pods: ['wws-v1'],
      asked: { 'wws-v1': 'wws-v1', 'slight-v1': 'slight-v1' },
    }),
);
