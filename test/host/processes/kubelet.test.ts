import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findKubeconfig } from '../../../host/processes/kubelet.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { kubeconfigs } from '../../../daemon/runtimes/distros.ts';
import { fakeProc } from '../../../testbed/simulated/fake-proc.ts';

const host = (...given: Parameters<typeof fakeProc>) => ({ ...fakeProc(...given), known: kubeconfigs });

const kubeadm = [
  '/usr/bin/kubelet',
  '--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf',
  '--kubeconfig=/etc/kubernetes/kubelet.conf',
];

t.test('the kubelet that runs is found by its program', async (t) => {
  const one = host(t, { 1: { argv: ['/sbin/init'], exe: '/sbin/init' }, 70: { argv: kubeadm } });
  t.equal(await findKubeconfig(one), '/etc/kubernetes/kubelet.conf');
  const renamed = host(t, { 70: { argv: ['node-agent', '--kubeconfig', '/x'], exe: '/opt/bin/kubelet' } });
  t.equal(await findKubeconfig(renamed), '/x');
  const relative = host(t, {
    70: { argv: ['kubelet', '--kubeconfig=kubelet.conf'], cwd: '/etc/kubernetes' },
  });
  t.equal(await findKubeconfig(relative), '/etc/kubernetes/kubelet.conf');
});

t.test('the unit is asked first, and its absence or a silent systemd is no obstacle', async (t) => {
  const given = host(t, {
    70: { argv: kubeadm },
    71: { argv: ['/wrapper', '--kubeconfig=/of/unit'], exe: '/wrapper' },
  });
  const systemd = (mainPid: number) => ({ unit: async () => ({ mainPid }) });
  t.equal(await findKubeconfig({ ...given, systemd: systemd(71) }), '/of/unit');
  t.equal(await findKubeconfig({ ...given, systemd: systemd(0) }), '/etc/kubernetes/kubelet.conf');
  t.equal(await findKubeconfig({ ...given, systemd: systemd(9999) }), '/etc/kubernetes/kubelet.conf');
  const silent = {
    unit: async () => Promise.reject(new Failure({ code: 'systemd-unreachable', message: '' })),
  };
  t.equal(await findKubeconfig({ ...given, systemd: silent }), '/etc/kubernetes/kubelet.conf');
});

t.test('the main process of the unit counts only while it still is that', async (t) => {
  const given = host(t, { 71: { argv: ['/wrapper', '--kubeconfig=/of/unit'], exe: '/wrapper' } });
  const answers = [71, 0];
  const dying = { unit: async () => ({ mainPid: answers.shift() ?? 0 }) };
  t.equal(
    await findKubeconfig({ ...given, systemd: dying }),
    undefined,
    'its number may be another’s by then',
  );
  const users = host(t, { 71: { argv: ['kubelet', '--kubeconfig=/x'], uids: '1000\t1000\t1000\t1000' } });
  t.equal(await findKubeconfig({ ...users, systemd: { unit: async () => ({ mainPid: 71 }) } }), undefined);
});

t.test('a process that only looks like a kubelet is refused, and reported', async (t) => {
  const argv = ['kubelet', '-w', '--kubeconfig', '-h', '/home/mallory/evil'];
  const given = host(t, { 70: { argv, exe: '/usr/bin/chfn', cwd: '/home/mallory' } });
  t.match(await findKubeconfig(given).catch((error: unknown) => error), {
    problem: {
      code: 'no-identity',
      message: /process 70 looks like a kubelet and is not accepted: its program is \/usr\/bin\/chfn/,
    },
  });
  const beside = host(t, { 70: { argv, exe: '/usr/bin/chfn' }, 71: { argv: kubeadm } });
  t.equal(await findKubeconfig(beside), '/etc/kubernetes/kubelet.conf', 'nor is it an obstacle');
  const file = '/var/lib/k0s/kubelet.conf';
  t.equal(await findKubeconfig(host(t, { 70: { argv, exe: '/usr/bin/chfn' } }, [file])), file);
});

t.test('a kubelet whose files other users can change is refused', async (t) => {
  const argv = ['kubelet', '--kubeconfig=/x'];
  const given = host(t, { 70: { argv, exe: '/opt/bin/kubelet' } });
  chmodSync(join(given.root, 'opt'), 0o777);
  t.match(await findKubeconfig(given).catch((error: unknown) => error), {
    problem: { message: /not accepted: .*\/opt has mode 0777/ },
  });
});

t.test('processes of other users and of containers are passed over', async (t) => {
  const argv = ['kubelet', '--kubeconfig=/tmp/evil'];
  t.equal(await findKubeconfig(host(t, { 70: { argv, uids: '1000\t1000\t1000\t1000' } })), undefined);
  t.equal(await findKubeconfig(host(t, { 70: { argv, uids: '1000\t0\t0\t0' } })), undefined, 'setuid');
  const elsewhere = t.testdir({ container: {} });
  t.equal(await findKubeconfig(host(t, { 70: { argv, root: join(elsewhere, 'container') } })), undefined);
  t.equal(await findKubeconfig(host(t, { 70: { argv, root: join(elsewhere, 'gone') } })), undefined);
});

/** A named pipe stands in for arguments on a file system of the user that does not answer: a read of either never ends. */
t.test('the arguments of a process of another user, or of a container, are not read', async (t) => {
  const given = host(t, {
    70: { argv: [], uids: '1000\t1000\t1000\t1000' },
    71: { argv: [], cgroup: '/kubepods.slice/kubepods-burstable.slice/pod1/cri-containerd-2.scope' },
    72: { argv: [], cgroup: '/system.slice/docker-3.scope' },
    73: { argv: kubeadm },
  });
  for (const pid of ['70', '71', '72']) {
    const file = join(given.proc, pid, 'cmdline');
    rmSync(file);
    execFileSync('mkfifo', [file]);
  }
  // In a process of its own, which can be ended in the middle of a read.
  const script = `
    import { findKubeconfig } from ${JSON.stringify(import.meta.resolve('../../../host/processes/kubelet.ts'))};
    console.log(await findKubeconfig(${JSON.stringify({ root: given.root, proc: given.proc, known: [] })}));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  t.equal(stdout.trim(), '/etc/kubernetes/kubelet.conf', stderr);
});

t.test('without a kubelet process the file that its distribution writes is used', async (t) => {
  const k3s = '/var/lib/rancher/k3s/agent/kubelet.kubeconfig';
  const given = host(t, { 70: { argv: ['/usr/local/bin/k3s', 'agent'], exe: '/usr/local/bin/k3s' } }, [k3s]);
  t.equal(await findKubeconfig(given), k3s);
  t.equal(await findKubeconfig({ ...given, proc: undefined }), k3s);
  const half = host(t, {}, ['/var/snap/microk8s/current/args/kubelet']);
  t.equal(
    await findKubeconfig(half),
    undefined,
    'evidence without a kubeconfig is a node that has not joined',
  );
  t.equal(await findKubeconfig(host(t, {})), undefined);
});

t.test('two possible kubelets are named, and none is chosen', async (t) => {
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
  t.equal(await findKubeconfig(twice), '/a');
  const left = host(t, {}, ['/var/lib/k0s/kubelet.conf', '/var/lib/kubelet/kubeconfig']);
  t.match(await findKubeconfig(left).catch((error: unknown) => error), {
    problem: { code: 'no-identity', message: /several distributions/ },
  });
});

t.test('this host can be read', async (t) => {
  await t.resolves(findKubeconfig({ root: t.testdir({}), known: kubeconfigs }));
});
