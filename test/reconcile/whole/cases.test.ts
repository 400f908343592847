/**
 * Every folder of test/cases is a host. Its plan and what becomes of it are compared with plan.txt and after.txt beside
 * it (`npx tap --snapshot` writes them anew, to be read before they are committed); what holds for all hosts is
 * asserted for all of them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { casesFolder, openCase } from '../../../testbed/simulated/node.ts';
import { difference, foreign, ours, treeOf } from '../../../testbed/simulated/tree.ts';
import { golden, printAfter, printConsidered } from '../takeover/golden.ts';

const names = readdirSync(casesFolder).sort();

t.test('there are cases', async (t) => {
  t.ok(names.length > 40, `${names.length} cases`);
});

/** Whether files of the host belong to other users. */
const hasOwners = (name: string): boolean =>
  readFileSync(join(casesFolder, name, 'case.toml'), 'utf8').includes('\n[owners]');

for (const name of names) {
  const skip = process.getuid?.() !== 0 && hasOwners(name) && 'needs root, to give files to another user';
  t.test(
    `the host ${name} ends as described, stays so, and is restored by uninstall`,
    { skip },
    async (t) => {
      const node = openCase(t, name);
      const { containerd } = node.fake;
      const folder = join(casesFolder, name);
      const before = treeOf(node.root);

      const considered = await node.plan();
      golden(t, join(folder, 'plan.txt'), printConsidered(considered), 'the plan, as sentences');
      t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {}, 'planning writes nothing');
      t.strictSame(containerd.jobs, [], 'and restarts nothing');

      const ticked = await node.once();
      golden(t, join(folder, 'after.txt'), printAfter(node, ticked, before), 'what became of the host');
      if (considered.decision.plan.kind !== 'steps') {
        t.strictSame(
          foreign(treeOf(node.root)),
          foreign(before),
          'nothing was written where nothing was to be done',
        );
        t.strictSame(containerd.jobs, [], 'and nothing restarted');
      } else t.equal(containerd.jobs.length, 1, 'everything in one restart');

      const settled = treeOf(node.root);
      const dumps = containerd.dumps;
      const again = await node.once();
      t.strictSame(again.did, [], 'a second tick has nothing to do');
      t.equal(again.outcome.kind, ticked.outcome.kind, 'and says the same');
      t.strictSame(treeOf(node.root), settled, 'not one byte, not one time has changed');
      if (considered.decision.plan.kind === 'steps') {
        t.equal(containerd.jobs.length, 1, 'no further restart');
        t.equal(containerd.dumps, dumps, 'and the runtime was not even asked');
      }

      const gone = await node.uninstall();
      const left = treeOf(node.root);
      t.strictSame(
        difference(foreign(before), foreign(left)),
        {},
        'every foreign byte, mode and link is as before',
      );
      if (considered.decision.plan.kind === 'steps') {
        t.ok(gone.complete, 'everything of ours is gone');
        t.strictSame(Object.keys(ours(left)), [], 'down to the last folder');
        t.ok(
          !containerd.served().some((one) => considered.decision.handlers.some(({ name }) => name === one)),
        );
        t.ok(containerd.served().includes(name.startsWith('crio') ? 'crun' : 'runc'), 'and what it did');
      }
    },
  );
}
