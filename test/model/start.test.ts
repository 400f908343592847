import t from 'tap';
import {
  isProof,
  proofKeys,
  proofLabel,
  proofNamespace,
  startId,
  startOf,
} from '../../daemon/model/start.ts';

t.test(
  'a sandbox is ours by a namespace that no Pod can have, and by the missing labels of a kubelet',
  async (t) => {
    const labels = { [proofLabel]: 'spin' };
    t.equal(isProof({ namespace: proofNamespace, labels }), true);
    t.equal(isProof({ namespace: 'default', labels }), false, "a Pod's label says nothing");
    t.equal(isProof({ namespace: proofNamespace, labels: {} }), false);
    t.equal(
      isProof({ namespace: proofNamespace, labels: { ...labels, 'io.kubernetes.pod.uid': 'x' } }),
      false,
    );
    t.strictSame(proofKeys, [proofLabel, 'io.kubernetes.pod.uid'], 'only these are asked for');
    t.notMatch(
      proofNamespace,
      /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
      'which is what Kubernetes demands of a namespace',
    );
  },
);

t.test('a proven start holds for that artifact and that table only', async (t) => {
  const id = startId('a', { runtime_type: '/x' });
  t.strictSame(startOf({ of: id }, id), { kind: 'started' });
  t.strictSame(startOf({ of: id, why: 'no image' }, id), { kind: 'listed', why: 'no image' });
  t.match(startOf({ of: id }, startId('b', { runtime_type: '/x' })), {
    kind: 'listed',
    why: /none was tried/,
  });
  t.match(startOf({ of: id }, startId('a', { runtime_type: '/y' })), { kind: 'listed' });
  t.match(startOf(undefined, id), { kind: 'listed', why: /none was tried/ });
});
