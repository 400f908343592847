import t from 'tap';
import { type Asked, proofOf } from '../../../../controller/decide/rollout/proof.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { aNode, before, later } from '../../../../testbed/controller/facts.ts';

const key = 'spinkube.node-restriction.kubernetes.io/spin';
const asked: Asked = {
  revisions: new Map(),
  handlers: new Set(['spin']),
  selects: () => true,
  isRenamed: () => false,
  isOthers: () => false,
};
const serving: HandlerDetail = { s: 'served', n: 'spin', r: 'r1' };
const marked = { labels: { [key]: 'served' } };
const change = (
  entry: HandlerDetail | undefined,
  node: Parameters<typeof aNode>[2] = {},
  given: Partial<Asked> = {},
) =>
  proofOf(
    aNode('n', entry ? { spin: entry } : {}, node),
    { ...asked, ...given },
    new Set(Object.keys(node.given?.shims ?? {})),
  ).change;

t.test('a node that serves the handler, in any revision, is marked as proven', async (t) => {
  t.same(change(serving), { [key]: 'served' });
  t.same(change({ s: 'pending', n: 'spin', r: 'r1', w: 'r2' }), { [key]: 'served' });
  t.equal(change(serving, marked), undefined);
  t.same(change({ s: 'served' }), { [key]: 'served' }, 'a local file serves it, too');
  t.equal(change({ s: 'pending', n: 'spin' }), undefined);
  t.same(change(serving, { labels: { [key]: 'odd' } }), { [key]: 'served' });
});

t.test('where the kubelet lists handlers, the list must contain this one', async (t) => {
  t.equal(change(serving, { kubeletSees: ['', 'runc'] }), undefined);
  t.same(change(serving, { kubeletSees: ['', 'spin'] }), { [key]: 'served' });
  t.same(change(serving, { ...marked, kubeletSees: [] }), { [key]: null });
});

t.test('what is only prepared is not proven by the list of the kubelet', async (t) => {
  const sees = { kubeletSees: ['', 'spin'] };
  t.equal(change({ s: 'prepared' }, sees), undefined);
  t.same(change({ s: 'prepared' }, { ...sees, ...marked }), { [key]: null });
});

t.test('the mark is removed with the proof', async (t) => {
  t.same(change({ s: 'failed', n: 'spin', p: 'x' }, marked), { [key]: null });
  t.same(change(undefined, marked), { [key]: null });
  t.same(change(serving, marked, { handlers: new Set() }), { [key]: null }, 'no Shim asks for it any more');
  t.same(
    change(undefined, { ...marked, state: undefined, detail: undefined }),
    { [key]: null },
    'rcm-node left',
  );
});

t.test('a handler whose removal is approved attracts no new Pods, and serves until then', async (t) => {
  const leaving: HandlerDetail = { s: 'removing', n: 'spin', r: 'r1', w: '-' };
  t.equal(change(leaving, marked), undefined);
  t.same(change(leaving, { ...marked, given: { until: later, shims: { spin: '-' } } }), { [key]: null });
  t.same(
    change({ ...leaving, p: 'handler-in-use' }, marked),
    { [key]: null },
    'new Pods would keep it for ever',
  );
  t.equal(
    change({ ...leaving, p: 'handler-in-use' }, marked, { isRenamed: () => true }),
    undefined,
    'where its RuntimeClass still sends Pods, nothing happens to them',
  );
});

t.test('a node with an unreadable report keeps its proof', async (t) => {
  const claimed = { [key]: 'served', 'shim.rcm.spinkube.dev/spin': 'served' };
  t.equal(change(undefined, { labels: claimed, detail: undefined }), undefined);
  const short = {
    v: 1,
    agent: '1',
    runtime: null,
    identity: 'k',
    since: before,
    trunc: true,
    shims: {},
  } as const;
  t.equal(change(undefined, { labels: claimed, detail: short }), undefined);
  t.same(
    change(undefined, { ...marked, detail: short }),
    { [key]: null },
    'its own label tells that it serves no more',
  );
});

t.test('a node that no Shim selects changes nothing by claiming a handler', async (t) => {
  t.equal(change(serving, {}, { selects: () => false }), undefined);
  t.equal(
    change(serving, marked, { selects: () => false }),
    undefined,
    'it may keep what it has until it is gone',
  );
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`made-up-${index}`, serving]));
  t.equal(proofOf(aNode('n', many), asked, new Set()).change, undefined);
});

t.test('only a label on the Node counts as proven', async (t) => {
  t.same(proofOf(aNode('n', { spin: serving }), asked, new Set()).shown, []);
  t.same(proofOf(aNode('n', { spin: serving }, marked), asked, new Set()).shown, ['spin']);
});

t.test('a proof holds for this boot of this machine only', async (t) => {
  t.same(change(serving, { ...marked, machine: 'rebooted' }), { [key]: null });
  t.same(
    change(serving, { ...marked, machine: 'rebooted', kubeletSees: ['', 'spin'] }),
    { [key]: null },
    'what a kubelet lists is the configuration, and an image can bring that along',
  );
  t.same(change(undefined, { ...marked, machine: 'replaced', state: undefined, detail: undefined }), {
    [key]: null,
  });
  const claimed = { [key]: 'served', 'shim.rcm.spinkube.dev/spin': 'served' };
  t.same(
    change(undefined, { labels: claimed, detail: undefined, machine: 'rebooted' }),
    { [key]: null },
    'nor is kept what cannot be read',
  );
  t.equal(change(serving, { machine: 'rebooted' }), undefined, 'and none is given');
});
