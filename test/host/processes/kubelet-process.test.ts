import { chmodSync, chownSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  bornAt,
  doubtOf,
  isOfThisHost,
  kubeconfigFlag,
  looksLikeKubelet,
} from '../../../host/processes/kubelet-process.ts';
import { fakeProc } from '../../../testbed/simulated/fake-proc.ts';

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

const argv = ['kubelet', '--kubeconfig=/x'];

t.test('a kubelet is accepted, also after its program was replaced', async (t) => {
  const { root, proc } = fakeProc(t, {
    1: { argv: ['init'], cgroup: '/init.scope' },
    70: { argv },
    71: { argv, mark: ' (deleted)' },
    72: { argv, cgroup: '/kubelet.slice/kubelet.service' },
  });
  for (const pid of ['70', '71', '72']) t.equal(await doubtOf(join(proc, pid), root), undefined, pid);
  rmSync(join(root, 'usr/bin/kubelet'));
  t.equal(await doubtOf(join(proc, '71'), root), undefined);
});

t.test('each difference from a kubelet is a reason of its own', async (t) => {
  const cron = '/system.slice/cron.service';
  const { root, proc } = fakeProc(t, {
    70: { argv, exe: '/usr/bin/chfn', cgroup: cron },
    71: { argv, exe: null },
    72: { argv, cgroup: '/user.slice/user-1000.slice/session-3.scope' },
    73: { argv, cgroup: '/kubepods/pod1/2' },
    74: { argv, exe: '/opt/setuid/kubelet', cgroup: cron },
    75: { argv, exe: '/opt/open/kubelet', cgroup: cron },
    76: { argv, exe: '/opt/folder/kubelet', cgroup: cron },
    77: { argv, exe: '/home/mallory/not-kubelet' },
  });
  chmodSync(join(root, 'opt/setuid/kubelet'), 0o4755);
  chmodSync(join(root, 'opt/open/kubelet'), 0o775);
  chmodSync(join(root, 'opt/folder'), 0o1777);
  writeFileSync(join(proc, '73', 'cgroup'), '');
  const doubts: readonly (readonly [pid: string, doubt: RegExp])[] = [
    ['70', /its program is \/usr\/bin\/chfn/],
    ['71', /its program is not to be seen/],
    ['72', /its cgroup \/user.slice\/user-1000.slice\/session-3.scope is of no service/],
    ['73', /its cgroup cannot be seen/],
    ['74', /setuid/],
    ['75', /not only root can change \/opt\/open\/kubelet/],
    ['76', /\/opt\/folder has mode 1777/],
    ['77', /its program is \/home\/mallory\/not-kubelet/],
    ['99', /its program is not to be seen/],
  ];
  for (const [pid, doubt] of doubts) t.match(await doubtOf(join(proc, pid), root), doubt);
});

t.test(
  'a program of another user is refused, wherever it is',
  { skip: process.getuid?.() === 0 ? false : 'needs root, to give a file to another user' },
  async (t) => {
    const { root, proc } = fakeProc(t, { 70: { argv } });
    chownSync(join(root, 'usr/bin/kubelet'), 1000, 1000);
    t.match(await doubtOf(join(proc, '70'), root), /not only root can change/);
  },
);

t.test('every user id has to be root’s, and the root folder that of this host', async (t) => {
  const { root, proc, elsewhere } = fakeProc(t, { 70: { argv }, 71: { argv, uids: '0\t0\t0\t1000' } });
  t.ok(await isOfThisHost(join(proc, '70'), root));
  t.notOk(await isOfThisHost(join(proc, '71'), root));
  t.notOk(await isOfThisHost(join(proc, '70'), elsewhere));
  t.notOk(await isOfThisHost(join(proc, '99'), root));
});

t.test(
  'a process with the name or program of a kubelet is checked, and processes are distinguished',
  async (t) => {
    const { root, proc } = fakeProc(t, {
      70: { argv, exe: '/usr/bin/chfn' },
      71: { argv: ['agent'] },
      72: { argv: ['agent'], exe: '/agent' },
    });
    const looks = ['70', '71', '72', '99'].map((pid) => looksLikeKubelet(join(proc, pid), root));
    t.same(await Promise.all(looks), [true, true, false, false]);
    t.equal(await bornAt(join(proc, '70')), '7077');
    t.equal(await bornAt(join(proc, '99')), '');
  },
);
