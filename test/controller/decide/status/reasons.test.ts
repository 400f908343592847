import t from 'tap';
import { failuresOf, hintOfCode, whereabouts } from '../../../../controller/decide/status/reasons.ts';
import type { NodeStanding } from '../../../../controller/decide/rollout/node-standing.ts';
import { aNode } from '../../../../testbed/controller/facts.ts';

const standing = (
  name: string,
  kind: NodeStanding['kind'],
  code?: string,
  node: Parameters<typeof aNode>[2] = {},
): NodeStanding => ({
  ...{ node: aNode(name, {}, node), kind, want: 'r2', serves: false, asks: false, inFlight: false },
  ...{ keep: undefined, tried: undefined, code },
});

t.test('failures are named with their code, and the most frequent one is explained', async (t) => {
  const { who, hint } = failuresOf([
    standing('a', 'failed', 'too-large'),
    standing('b', 'failed', 'known-bad'),
    standing('c', 'failed', 'known-bad'),
  ]);
  t.equal(who, 'a (too-large), b (known-bad) and c (known-bad)');
  t.match(hint, /^ known-bad: This revision failed its proof before/);
  t.same(failuresOf([standing('a', 'failed', 'of-a-newer-agent')]), {
    who: 'a (of-a-newer-agent)',
    hint: '',
  });
  for (const code of ['approval-expired', 'node-lost', 'local-file', 'digest-mismatch'])
    t.match(hintOfCode(code), /\.$/, code);
  t.equal(hintOfCode('toString'), undefined);
});

t.test('a fault of the Shim itself is explained with its field', async (t) => {
  const fault = {
    code: 'bad-value',
    message: 'spec.x: not from https://u:p@h/',
    where: { file: 'f' },
  } as const;
  const of = (code: string) => failuresOf([standing('a', 'failed', code)], { fault }).hint;
  t.match(of('bad-value'), /^ bad-value: spec\.x: not from https:\/\/h\/\. Correct the value/);
  t.notMatch(of('download-failed'), 'spec.x', 'a node may have failed for another reason');
});

t.test('where a Shim may restart nothing, the entry that prepares its handler is shown', async (t) => {
  const entry = '{ handler = "spin-v2", containerdRuntimeOptions = { SystemdCgroup = true } }';
  const of = (code: string) => failuresOf([standing('a', 'failed', code)], { entry }).hint;
  t.ok(of('needs-restart').endsWith(` What prepares it, in that list: ${entry}.`), of('needs-restart'));
  t.notMatch(of('download-failed'), 'prepares');
  t.notMatch(failuresOf([standing('a', 'failed', 'needs-restart')]).hint, 'in that list');
});

t.test('nodes are listed in groups, the longest delay first', async (t) => {
  const all = [
    standing('a', 'waiting'),
    standing('b', 'approved'),
    standing('c', 'waiting', undefined, { ready: false }),
    standing('d', 'waiting', undefined, { cordoned: true }),
    standing('e', 'working'),
    standing('f', 'in-use'),
    standing('g', 'unreadable'),
    standing('h', 'claimed', 'other'),
    standing('i', 'done'),
    standing('j', 'failed', 'x'),
  ];
  t.equal(
    whereabouts(all),
    'still used by Pods: f; failed: j; not ready: c; approved, in progress: b; cordoned: d; waiting for approval: a; preparing it, or not reporting: e; with an unreadable status: g; whose handler has another owner: h; serving it, not proven yet: i',
  );
});

t.test('a control-plane node is named separately: it waits for all others', async (t) => {
  const server = standing('a', 'waiting', undefined, { labels: { 'node-role.kubernetes.io/etcd': '' } });
  t.equal(whereabouts([server]), 'in the control plane, one at a time after all others: a');
});

t.test('no message names more than ten nodes', async (t) => {
  const many = (kind: NodeStanding['kind'], name: string) =>
    Array.from({ length: 40 }, (_, index) => standing(`${name}-${index}`, kind));
  const text = whereabouts([
    ...many('waiting', 'w'),
    ...many('approved', 't'),
    ...many('working', 'k'),
    ...many('in-use', 'u'),
    ...many('failed', 'f'),
  ]);
  t.ok((text.match(/[wtkuf]-\d+/g) ?? []).length <= 10, text);
  t.match(text, /failed: f-0, f-1 and 38 more/);
  t.match(text, /preparing it, or not reporting: 40 nodes/);
});

t.test('of a node that is not done, the release is named where it may be the reason', async (t) => {
  const all = [
    standing('a', 'working', undefined, { skew: 'older' }),
    standing('b', 'working', undefined, { skew: 'too-old' }),
    standing('c', 'unreadable', undefined, { skew: 'too-new' }),
    standing('d', 'working', undefined, { skew: 'newer' }),
    standing('e', 'waiting', undefined, { skew: 'too-old' }),
  ];
  t.equal(
    whereabouts(all),
    'waiting for approval: e; with an rcm-node that is too new for this controller, and not done: c; with an rcm-node that is too old for this controller, and not done: b; preparing it with an older rcm-node, which may not know all of the Shim: a; preparing it, or not reporting: d',
  );
});
