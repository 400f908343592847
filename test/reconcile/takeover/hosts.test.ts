/**
 * Every folder of test/takeovers is a host as an earlier installer left it. What a takeover would do, what became of the host,
 * and what an uninstall leaves after it are compared with the texts beside it (TAP_SNAPSHOT=1 writes them anew); what holds for
 * all hosts is asserted for all of them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import t from 'tap';
import { printFound } from '../../../cli/print-takeover.ts';
import { paintFor } from '../../../cli/print.ts';
import { consider } from '../../../daemon/reconcile/consider.ts';
import { allowed, lookForPredecessors } from '../../../daemon/reconcile/takeover/allow.ts';
import { loadSettings } from '../../../daemon/state/load-settings.ts';
import { loadState } from '../../../daemon/state/state.ts';
import { openCase, takeoversFolder } from '../../../testbed/simulated/node.ts';
import { difference, foreign, ours, treeOf } from '../../../testbed/simulated/tree.ts';
import { golden, printAfter, printConsidered } from './golden.ts';

const folder = takeoversFolder;
const names = readdirSync(folder).sort();

t.test('there are cases', async (t) => {
  t.ok(names.length > 12, `${names.length} cases`);
});

for (const name of names)
  t.test(`a takeover of the host ${name} is done once, and an uninstall follows`, async (t) => {
    const node = openCase(t, name, folder);
    const { containerd, host } = node.fake;
    const unused = parse(readFileSync(join(folder, name, 'case.toml'), 'utf8')).unused === true;
    const beside = (file: string): string => join(folder, name, file);
    const served = containerd.served();

    const without = await node.once();
    t.strictSame(containerd.jobs.length > 0, without.did.includes('restart containerd.service'));
    const before = treeOf(node.root);
    const jobs = containerd.jobs.length;

    const found = await lookForPredecessors(host, await loadSettings(host));
    const { ledger } = await loadState(host);
    const rules = { force: false, since: undefined, clear: true };
    const tick = { activate: true, deep: true, force: false, now: true };
    const considered = await consider(
      host,
      await loadSettings(host),
      allowed(ledger, found, unused),
      tick,
      rules,
    );
    const plan = printFound(found, considered.decision, paintFor(false, undefined)).replaceAll(node.root, '');
    golden(t, beside('plan.txt'), plan + printConsidered(considered), 'the plan');
    t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {}, 'planning writes nothing');

    const ticked = await node.once({ takeover: { unused } });
    golden(t, beside('after.txt'), printAfter(node, ticked, before), 'what became of the host');
    t.ok(containerd.jobs.length - jobs <= 1, 'everything in one restart');
    const asked = considered.desired.handlers.map((one) => one.name);
    const lost = served.filter((one) => !containerd.served().includes(one));
    if (!unused) t.strictSame(lost, [], 'nothing that was served is lost');
    t.notOk(lost.some((one) => asked.includes(one)));

    const settled = treeOf(node.root);
    const restarts = containerd.jobs.length;
    const again = await node.once();
    t.strictSame(again.did, [], 'a second tick has nothing to do');
    t.strictSame(difference(settled, treeOf(node.root)), {}, 'not one byte has changed');
    t.equal(containerd.jobs.length, restarts, 'no further restart');
    const repeated = await node.once({ takeover: { unused } });
    t.strictSame(repeated.did, [], 'and neither has a second takeover');

    const gone = await node.uninstall();
    const left = treeOf(node.root);
    t.ok(gone.complete, 'everything of ours is gone');
    t.strictSame(Object.keys(ours(left)), [], 'down to the last folder');
    t.ok(containerd.served().includes('runc'));
    const rows = gone.left.map(({ path, why }) => `${path}: ${why}\n`).join('');
    golden(t, beside('uninstalled.txt'), rows.replaceAll(node.root, ''), 'what the uninstall says');
    const taken = Object.keys(difference(foreign(before), foreign(left)));
    golden(t, beside('gone.txt'), `${taken.join('\n')}\n`, 'what others had and have no more, or otherwise');
  });
