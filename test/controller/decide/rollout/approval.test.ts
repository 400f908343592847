import t from 'tap';
import {
  type Share,
  approvalChanges,
  approvalsAfter,
} from '../../../../controller/decide/rollout/approval.ts';
import type { NodeStanding } from '../../../../controller/decide/rollout/node-standing.ts';
import { approvedPrefix, triedPrefix } from '../../../../protocol/node-labels.ts';
import { aNode, later, now } from '../../../../testbed/controller/facts.ts';

const share = (shim: string, given: boolean, over: Partial<NodeStanding> = {}): Share => ({
  shim,
  given,
  standing: {
    ...{ node: aNode('n'), kind: 'waiting', want: 'r2', serves: false, asks: true, inFlight: false },
    ...{ keep: undefined, tried: undefined, code: undefined, ...over },
  },
});
const spin = `${approvedPrefix}spin`;
const wws = `${approvedPrefix}wws`;
const end = now / 1000 + 900;
const keep = { revision: 'r2', until: Date.parse(later) };

t.test('approvals of several Shims are separate labels, for fifteen minutes', async (t) => {
  const { labels, ends, open } = approvalsAfter(
    [share('wws', true), share('spin', true, { want: '-' })],
    now,
  );
  t.same(labels, { [wws]: `r2.${end}`, [spin]: `gone.${end}` });
  t.same(
    [ends, [...open]],
    [
      [now + 900_000, now + 900_000],
      ['wws', 'spin'],
    ],
  );
});

t.test('an approval in progress keeps its end beside new ones, and is not written again', async (t) => {
  const { labels } = approvalsAfter([share('spin', false, { keep }), share('wws', true)], now);
  t.same(labels, { [spin]: `r2.${keep.until / 1000}`, [wws]: `r2.${end}` });
  t.same(approvalChanges({ [spin]: labels[spin]!, other: 'x' }, labels), { [wws]: labels[wws] });
  t.same(approvalChanges(labels, labels), {});
});

t.test('the result of an approval is kept; an expired or unreadable approval is removed', async (t) => {
  const tried = { revision: 'r2', outcome: 'approval-expired' };
  const { labels, ends } = approvalsAfter([share('spin', false, { tried })], now);
  t.same([labels, ends], [{ [`${triedPrefix}spin`]: 'r2.approval-expired' }, []]);
  t.same(approvalChanges({ [spin]: 'x', [`${triedPrefix}wws`]: '{' }, labels), {
    [spin]: null,
    [`${triedPrefix}wws`]: null,
    [`${triedPrefix}spin`]: 'r2.approval-expired',
  });
});

t.test('a Shim whose name is no label has its approvals under a digest', async (t) => {
  const { labels } = approvalsAfter([share('a'.repeat(200), true)], now);
  t.match(Object.keys(labels), [/^approved\.[a-z.-]+\/sha256_[0-9a-f]{40}$/]);
});

t.test('a Node gets labels for a limited number of Shims', async (t) => {
  const all = Array.from({ length: 1000 }, (_, index) => share(`made-up-${index}`, true));
  t.equal(Object.keys(approvalsAfter(all, now).labels).length, 128);
});
