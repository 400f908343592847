import t from 'tap';
import { confirmDeletion, isTypeWhole } from '../../daemon/cluster/confirm-deletion.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import type { ClusterCache } from '../../daemon/model/cluster-cache.ts';

const shim = (name: string, given: Partial<ShimObject['metadata']> & { on?: string } = {}): ShimObject => {
  const { on, ...metadata } = given;
  return { metadata: { name, ...metadata }, spec: on === undefined ? {} : { nodeSelector: { on } } };
};
const answer = (...shims: readonly ShimObject[]): ClusterCache => ({ version: 1, node: 'n', shims });
const none = new Set<string>();
const names = (given: ClusterCache | undefined) => given?.shims.map((one) => one.metadata.name);

t.test('until Node and Shims were seen, the last answer counts', async (t) => {
  const last = answer(shim('spin'));
  for (const seen of [
    { shims: undefined, labels: {} },
    { shims: [], labels: undefined },
    { shims: undefined, labels: undefined },
  ])
    t.same(confirmDeletion(last, 'n', seen, none), { answer: last, doubted: [] });
  t.equal(confirmDeletion(undefined, 'n', { shims: undefined, labels: {} }, none).answer, undefined);
});

t.test('a Shim is served on the nodes that its selector selects by their present labels', async (t) => {
  const shims = [shim('wws'), shim('spin', { on: 'yes' }), shim('other', { on: 'no' })];
  const { answer: first } = confirmDeletion(undefined, 'n', { shims, labels: { on: 'yes' } }, none);
  t.same(names(first), ['spin', 'wws'], 'sorted, so that the file does not change with the order of a list');
  const moved = confirmDeletion(first, 'n', { shims, labels: { on: 'no' } }, none);
  t.same(names(moved.answer), ['other', 'wws'], 'a label that moved is no deletion, and is believed at once');
  t.same(moved.doubted, []);
});

t.test('a Shim that is gone, or is being deleted, stays until its deletion is confirmed', async (t) => {
  const last = answer(shim('spin'), shim('wws'));
  for (const shims of [
    [shim('wws')],
    [shim('wws'), shim('spin', { deletionTimestamp: '2027-01-01T00:00:00Z' })],
  ]) {
    const first = confirmDeletion(last, 'n', { shims, labels: {} }, none);
    t.same([names(first.answer), first.doubted], [['spin', 'wws'], ['spin']]);
    const sure = confirmDeletion(last, 'n', { shims, labels: {} }, new Set(['spin']));
    t.same([names(sure.answer), sure.doubted], [['wws'], []]);
  }
});

t.test('an empty list does not remove everything', async (t) => {
  const last = answer(shim('spin'), shim('wws'));
  const { answer: kept, doubted } = confirmDeletion(last, 'n', { shims: [], labels: {} }, none);
  t.same(
    [names(kept), doubted],
    [
      ['spin', 'wws'],
      ['spin', 'wws'],
    ],
  );
});

t.test('a Shim created again with its name replaces the one whose deletion was pending', async (t) => {
  const last = answer(shim('spin', { uid: '1' }));
  const { answer: now, doubted } = confirmDeletion(
    last,
    'n',
    { shims: [shim('spin', { uid: '2' })], labels: {} },
    none,
  );
  t.same([now?.shims[0]?.metadata.uid, doubted], ['2', []]);
});

t.test('another Node keeps nothing of this one', async (t) => {
  t.same(names(confirmDeletion(answer(shim('spin')), 'm', { shims: [], labels: {} }, none).answer), []);
});

t.test('a resource type is complete when Shims can be created', async (t) => {
  const discovery = (...verbs: readonly string[]) => ({ resources: [{ name: 'shims', verbs }] });
  t.equal(isTypeWhole(discovery('create', 'list', 'watch')), true);
  t.equal(isTypeWhole(discovery('delete', 'list', 'watch')), false, 'its CRD is being deleted');
  for (const odd of [
    null,
    'x',
    {},
    { resources: [] },
    { resources: [null, { name: 'shims/status', verbs: ['create'] }] },
  ])
    t.equal(isTypeWhole(odd), false);
});
