import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { findKubeconfig, kubeconfigFlag } from '../../daemon/host/kubelet.ts';
import { Failure } from '../../daemon/model/problem.ts';

type Process = { argv: readonly string[]; uid?: number; root?: string; cwd?: string; exe?: string };

/** Folders that look like a host and its /proc. */
const host = (t: Test, processes: Record<number, Process>, files: readonly string[] = []) => {
  const folder = t.testdir({ root: {}, elsewhere: {}, proc: { version: 'Linux', 4000: {} } });
  const root = join(folder, 'root');
  for (const [pid, { argv, uid = 0, root: its = root, cwd = '/', exe }] of Object.entries(processes)) {
    const at = join(folder, 'proc', pid);
    mkdirSync(at);
    writeFileSync(join(at, 'cmdline'), argv.map((word) => `${word}\0`).join(''));
    writeFileSync(join(at, 'status'), `Name:\tx\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nGid:\t0\n`);
    symlinkSync(its, join(at, 'root'));
    symlinkSync(cwd, join(at, 'cwd'));
    if (exe !== undefined) symlinkSync(exe, join(at, 'exe'));
  }
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  return { root, proc: join(folder, 'proc'), elsewhere: join(folder, 'elsewhere') };
};

const kubeadm = [
  '/usr/bin/kubelet',
  '--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf',
  '--kubeconfig=/etc/kubernetes/kubelet.conf',
];

t.test('the flag is read in both spellings, and not taken for another', async (t) => {
  t.equal(kubeconfigFlag(kubeadm), '/etc/kubernetes/kubelet.conf');
  t.equal(kubeconfigFlag(['kubelet', '--kubeconfig', '/x', '--v=2']), '/x');
  t.equal(kubeconfigFlag(['kubelet', '--kubeconfig=/x', '--kubeconfig=/y']), '/y');
  t.equal(kubeconfigFlag(['kubelet', '--kubeconfig']), undefined);
  t.equal(kubeconfigFlag(['kubelet', '--kubeconfig=']), undefined);
  t.equal(kubeconfigFlag(['kubelet', '--bootstrap-kubeconfig=/x']), undefined);
});

t.test('the kubelet that runs is found, by its name or by its program', async (t) => {
  const one = host(t, { 1: { argv: ['/sbin/init'] }, 70: { argv: kubeadm } });
  t.match(await findKubeconfig(one), { path: '/etc/kubernetes/kubelet.conf', by: /command line/ });
  const renamed = host(t, { 70: { argv: ['node-agent', '--kubeconfig', '/x'], exe: '/opt/bin/kubelet' } });
  t.match(await findKubeconfig(renamed), { path: '/x' });
  const relative = host(t, {
    70: { argv: ['kubelet', '--kubeconfig=kubelet.conf'], cwd: '/etc/kubernetes' },
  });
  t.match(await findKubeconfig(relative), { path: '/etc/kubernetes/kubelet.conf' });
});

t.test('the unit goes first, and its absence or a silent systemd is no obstacle', async (t) => {
  const given = host(t, { 70: { argv: kubeadm }, 71: { argv: ['/wrapper', '--kubeconfig=/of/unit'] } });
  const systemd = (mainPid: number) => ({ unit: async () => ({ mainPid }) });
  t.match(await findKubeconfig({ ...given, systemd: systemd(71) }), {
    path: '/of/unit',
    by: /kubelet.service/,
  });
  t.match(await findKubeconfig({ ...given, systemd: systemd(0) }), { path: '/etc/kubernetes/kubelet.conf' });
  t.match(await findKubeconfig({ ...given, systemd: systemd(9999) }), {
    path: '/etc/kubernetes/kubelet.conf',
  });
  const silent = {
    unit: async () => Promise.reject(new Failure({ code: 'systemd-unreachable', message: '' })),
  };
  t.match(await findKubeconfig({ ...given, systemd: silent }), { path: '/etc/kubernetes/kubelet.conf' });
});

t.test(
  'a process that only calls itself kubelet, of another user or in a container, is not believed',
  async (t) => {
    const argv = ['kubelet', '--kubeconfig=/tmp/evil'];
    t.equal(await findKubeconfig(host(t, { 70: { argv, uid: 1000 } })), undefined);
    const elsewhere = t.testdir({ container: {} });
    t.equal(await findKubeconfig(host(t, { 70: { argv, root: join(elsewhere, 'container') } })), undefined);
    t.equal(await findKubeconfig(host(t, { 70: { argv, root: join(elsewhere, 'gone') } })), undefined);
  },
);

t.test('where no kubelet runs on its own, the file that its distribution writes is taken', async (t) => {
  const k3s = '/var/lib/rancher/k3s/agent/kubelet.kubeconfig';
  const given = host(t, { 70: { argv: ['/usr/local/bin/k3s', 'agent'] } }, [k3s]);
  t.match(await findKubeconfig(given), { path: k3s, by: /^k3s: / });
  t.match(await findKubeconfig({ ...given, proc: undefined }), { path: k3s });
  const half = host(t, {}, ['/var/snap/microk8s/current/args/kubelet']);
  t.equal(
    await findKubeconfig(half),
    undefined,
    'evidence without a kubeconfig is a node that has not joined',
  );
  t.equal(await findKubeconfig(host(t, {})), undefined);
});

t.test('two that could be meant are named, and none is chosen', async (t) => {
  const both = host(t, {
    70: { argv: ['kubelet', '--kubeconfig=/a'] },
    71: { argv: ['kubelet', '--kubeconfig=/b'] },
  });
  t.match(await findKubeconfig(both).catch((error: unknown) => error), {
    problem: { code: 'no-identity', message: /several kubelets run here: \/a, \/b/ },
  });
  const twice = host(t, {
    70: { argv: ['kubelet', '--kubeconfig=/a'] },
    71: { argv: ['kubelet', '--kubeconfig=/a'] },
  });
  t.match(await findKubeconfig(twice), { path: '/a' });
  const left = host(t, {}, ['/var/lib/k0s/kubelet.conf', '/var/lib/kubelet/kubeconfig']);
  t.match(await findKubeconfig(left).catch((error: unknown) => error), {
    problem: { code: 'no-identity', message: /several distributions/ },
  });
});

t.test('this host can be looked at', async (t) => {
  await t.resolves(findKubeconfig({ root: t.testdir({}) }));
});
