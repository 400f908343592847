import t from 'tap';
import { makeRoot, openNode, wish } from '/work/main/test/reconcile/node.ts';
import { treeOf, foreign, difference } from '/work/main/test/reconcile/tree.ts';
t.test('x', async (t) => {
  for (const version of ['1.6.20','1.7.24','2.0.7','2.1.4','2.3.0']) {
  const root = makeRoot(t);
  const node = openNode(root, { version });
  wish(node, 'spin-v2');
  const before = treeOf(root);
  const p = performance.now();
  const r = await node.once();
  console.log(version, performance.now()-p, r.outcome, r.did, node.fake.containerd.jobs, node.fake.containerd.served());
  const again = await node.once();
  console.log(again.outcome, again.did);
  const u = await node.uninstall();
  console.log(u.complete, u.left, u.ticked.did, u.ticked.outcome);
  console.log(difference(before, treeOf(root)));
  }
});
