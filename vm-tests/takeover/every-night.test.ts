/**
 * Nodes on which older installers were. Every night: every-stop.test.ts has the same of the newest; these differ in their text and
 * in links alone.
 */
import t from 'tap';
import { keyOf } from '../../test/runtimes/predecessors/written.ts';
import { kwasm01, kwasm02, rcmOld, spinInstaller } from './installers.ts';
import { skip, takeoverOf } from './life.ts';

t.test('kwasm v0.2.0, and runtime-class-manager before v0.1.0', { skip }, (t) =>
  takeoverOf(t, {
    suite: 'trixie',
    installers: [kwasm02, rcmOld('spin-v2')],
    pods: ['crun', 'spin', 'spin-v2'],
    asked: { 'spin-v1': 'spin', 'spin-v2': 'spin-v2' },
  }),
);

t.test('kwasm 0.1.0, and containerd-shim-spin v0.24.0 with containerd 1.7', { skip }, (t) =>
  takeoverOf(t, {
    suite: 'trixie',
    installers: [kwasm01, spinInstaller(keyOf(2))],
    pods: ['crun', 'spin'],
    asked: { 'spin-v2': 'spin' },
  }),
);
