import t from 'tap';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { leaveCluster } from '../../daemon/cluster/leave.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { hostOf, startServer } from '../../testbed/simulated/cluster-server.ts';

t.test('the Node keeps only the annotations and labels of others', needsOpenssl, async (t) => {
  const { world, kubeconfig, root } = await startServer(t);
  const settings = { ...defaultSettings.cluster, kubeconfig };
  world.node = {
    metadata: {
      name: 'n',
      labels: { 'shim.rcm.spinkube.dev/spin-v2': 'served', zone: 'a' },
      annotations: { 'rcm.spinkube.dev/state': 'Ready', other: 'x' },
    },
  };
  t.same(await leaveCluster(hostOf(root).host, settings), []);
  t.same(world.node.metadata.labels, { zone: 'a' });
  t.same(world.node.metadata.annotations, { other: 'x' });
});

t.test('a label that cannot be removed is named, with the reason', needsOpenssl, async (t) => {
  const { world, kubeconfig, root } = await startServer(t);
  const { host } = hostOf(root);
  world.forbidden = true;
  t.match(await leaveCluster(host, { ...defaultSettings.cluster, kubeconfig }), [
    { path: 'Node n', why: /could not be removed: .*403/ },
  ]);
  const nowhere = { ...defaultSettings.cluster, kubeconfig: '/none.conf' };
  t.match(await leaveCluster(host, nowhere), [{ path: 'Node', why: /none\.conf/ }]);
});

t.test('a host without a cluster has nothing to remove', async (t) => {
  t.same(await leaveCluster(hostOf(t.testdir({})).host, defaultSettings.cluster), []);
});
