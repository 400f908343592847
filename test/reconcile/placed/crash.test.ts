/**
 * What test/reconcile/whole/crash.test.ts shows of an installation, for an uninstall and a rollback on hosts whose distribution makes the main file, or keeps
 * it read-only. Every stop: it takes a minute.
 */
import t from 'tap';
import { openCase } from '../../../testbed/simulated/node.ts';
import { survive } from '../whole/story.ts';

t.setTimeout(process.env.CRASH ? 1_800_000 : 300_000);

const cases = ['k3s-folder', 'k3s-template-v2', 'k3s-template-new', 'microk8s-classic', 'flatcar-2.1'];

for (const [index, name] of cases.entries()) {
  t.test(`an uninstallation from ${name} can be killed here and there`, (t) =>
    survive(
      t,
      {
        open: (t) => openCase(t, name),
        prepare: async (node) => {
          await node.once();
        },
        run: (node, host) => node.uninstall({}, host),
        restarts: 1,
      },
      (at) => at % 11 === index,
    ),
  );

  t.test(`a rollback on ${name} can be killed here and there`, (t) =>
    survive(
      t,
      {
        open: (t) => openCase(t, name),
        prepare: async (node) => {
          node.fake.containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'exits' : 'works');
        },
        run: (node, host) => node.once({}, host),
        restarts: 2,
      },
      (at) => at % 31 === index,
    ),
  );
}
