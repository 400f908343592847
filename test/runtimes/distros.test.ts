import t from 'tap';
import { distros, kubeconfigs, restartDeadline, watchedBy } from '../../daemon/runtimes/distros.ts';

t.test('each row has a name of its own, evidence, and its reason', async (t) => {
  t.equal(new Set(distros.map(({ name }) => name)).size, distros.length);
  for (const row of distros) {
    t.ok(row.evidence.length > 0, row.name);
    t.not(row.why, '', row.name);
    if ('refused' in row) t.match(row.wayOut, /\.$/, `${row.name} has a way out`);
    else if (row.watched !== undefined) t.ok(row.runner, `${row.name} restarts a runtime that it started`);
  }
});

t.test('units of two rows have no name in common, except where one is refused', async (t) => {
  const names = ['k3s', 'k3s-agent', 'k3s-web', 'rke2-server', 'rke2-agent', 'k0sworker', 'k0scontroller'];
  for (const name of [...names, 'snap.microk8s.daemon-containerd', 'containerd', 'crio', 'rcm-node'])
    t.ok(
      distros.filter((row) => 'runner' in row && row.runner?.units.test(`${name}.service`)).length <= 1,
      name,
    );
});

t.test('a kubeconfig of several rows is read once', async (t) => {
  const paths = kubeconfigs.map(({ kubeconfig }) => kubeconfig);
  t.equal(new Set(paths).size, paths.length);
  t.same(paths.sort(), [
    '/etc/kubernetes/kubelet.conf',
    '/var/lib/k0s/kubelet.conf',
    '/var/lib/kubelet/kubeconfig',
    '/var/lib/rancher/k3s/agent/kubelet.kubeconfig',
    '/var/lib/rancher/rke2/agent/kubelet.kubeconfig',
    '/var/snap/microk8s/current/credentials/kubelet.config',
  ]);
});

t.test('the unit of a distribution determines how the runtime is restarted, and for how long', async (t) => {
  t.equal(watchedBy('k0sworker.service'), '/etc/k0s/containerd.d');
  for (const unit of ['containerd.service', 'k3s.service', 'crio.service'])
    t.equal(watchedBy(unit), undefined);
  t.equal(restartDeadline('containerd.service'), 60_000);
  for (const unit of ['k3s.service', 'rke2-server.service']) {
    const inAll = 2 * restartDeadline(unit) + 45_000 + 60_000;
    t.ok(restartDeadline(unit) > 60_000 && inAll < 300_000, unit);
  }
});
