import t from 'tap';
import { planCode, printFound, printTakenOver, takeoverCode } from '../../cli/print-takeover.ts';
import { paintFor } from '../../cli/print.ts';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import { loadSettings } from '../../daemon/state/load-settings.ts';
import { lookForPredecessors } from '../../daemon/reconcile/takeover/allow.ts';
import type { Decision } from '../../daemon/model/plan.ts';
import { reportOf } from '../../daemon/reconcile/report.ts';
import { leftNode, takeover } from '../reconcile/takeover/left-node.ts';

const paint = paintFor(false, undefined);
const settled: Decision = { plan: { kind: 'settled' }, handlers: [], notes: [] };
const nothing = { tables: [], remnants: [], left: [] };

t.test('it prints what was done, what waits and why', async (t) => {
  const node = leftNode(t, ['wws-v1']);
  const { host } = node.fake;
  const found = await lookForPredecessors(host, await loadSettings(host));
  const ticked = await node.once({ takeover });
  const text = printTakenOver(found, ticked, reportOf(ticked, '0', 1_700_000_000_000), paint);
  t.match(text, '✓ spin-v2, which runtime-class-manager wrote in /etc/containerd/config.toml\n');
  t.match(
    text,
    'wws-v1 in /etc/containerd/config.toml, by runtime-class-manager: no Shim here takes its place yet',
  );
  t.match(text, '/opt/rcm/bin/containerd-shim-wws-v1: it goes when nothing uses it any more');
  t.equal(takeoverCode(0, ticked.ledger), 4, 'there is something to wait for');
  t.equal(takeoverCode(1, ticked.ledger), 1);
});

t.test('a host without predecessors says so', async (t) => {
  t.match(printFound(nothing, settled, paint), /^No earlier installer left anything/);
  t.equal(planCode(nothing, settled), 0);
  t.equal(takeoverCode(0, emptyLedger), 0);
  const left = { where: { file: '/f', line: 3 }, why: 'it may be of others' };
  t.match(printFound({ ...nothing, left: [left] }, settled, paint), '· /f:3: it may be of others\n');
});
