import t from 'tap';
import { placementsOf } from '../../../../controller/decide/rollout/placement.ts';
import { finalizerChange, holdersOf, isForced } from '../../../../controller/decide/shims/removal.ts';
import type { NodeFacts } from '../../../../controller/model/fleet.ts';
import { aNode, aShim } from '../../../../testbed/controller/facts.ts';

const finalizer = 'rcm.spinkube.dev/finalizer';

t.test('a Shim has the finalizer only if its deletion shall wait, beside those of others', async (t) => {
  const finalizers = ['other', finalizer];
  const annotations = { 'rcm.spinkube.dev/delete-waits-for-nodes': 'true' };
  t.equal(finalizerChange(aShim('spin'), true), undefined, 'nothing holds up an uninstall');
  t.same(
    finalizerChange(aShim('spin', { annotations, finalizers: ['other'] }), true)?.finalizers,
    finalizers,
  );
  t.equal(finalizerChange(aShim('spin', { annotations, finalizers }), true), undefined);
  for (const former of [{}, { 'rcm.spinkube.dev/delete-waits-for-nodes': 'false' }])
    t.same(
      finalizerChange(aShim('spin', { annotations: former, finalizers }), true)?.finalizers,
      ['other'],
      'one of an earlier version, of runtime-class-manager, or not asked for any more',
    );
});

t.test('it is released when all nodes are clean, or when a person says so', async (t) => {
  const gone = { deleting: true, finalizers: [finalizer, 'other'] };
  t.equal(finalizerChange(aShim('spin', gone), false), undefined);
  t.same(finalizerChange(aShim('spin', gone), true)?.finalizers, ['other']);
  const forced = aShim('spin', { ...gone, annotations: { 'rcm.spinkube.dev/force-delete': 'true' } });
  t.ok(isForced(forced));
  t.same(finalizerChange(forced, false)?.finalizers, ['other']);
  t.notOk(isForced({ ...forced, deleting: false }));
  t.equal(finalizerChange(aShim('spin', { deleting: true, finalizers: ['other'] }), true), undefined);
});

t.test(
  'every node that reports it has something of it, and so has an unreadable one that is marked',
  async (t) => {
    const shim = aShim('spin', { deleting: true });
    const label = { 'shim.rcm.spinkube.dev/spin': 'served' };
    const nodes: readonly NodeFacts[] = [
      aNode('a', { spin: { s: 'removing', n: 'spin' } }),
      aNode('b', { 'spin-old': { s: 'removing', n: 'spin' } }, { ready: false }),
      aNode('c', { spin: { s: 'served' } }, { labels: label }),
      aNode('d', {}, { labels: label, detail: undefined }),
      aNode(
        'e',
        {},
        {
          labels: label,
          detail: { trunc: true, shims: {} },
        },
      ),
      aNode('f', {}, { detail: undefined }),
      aNode('g', {}, { labels: label, detail: undefined, state: undefined }),
    ];
    const placement = placementsOf(nodes, [shim]).of.get(shim)!;
    t.same(
      holdersOf(shim, placement, nodes).map(({ name }) => name),
      ['a', 'b', 'd', 'e'],
    );
  },
);
