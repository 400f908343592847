import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { cgroupsOf, isContainer, isSystemService } from '../../../host/processes/cgroup.ts';
import { runtimes } from '../../../daemon/runtimes/table.ts';

const isOfRuntime = (cgroup: string) => runtimes.some(({ cgroups }) => cgroups.test(cgroup));

const proc = (t: Test, cgroups: Record<number, string>): string => {
  const folder = t.testdir({});
  for (const [pid, text] of Object.entries(cgroups)) {
    mkdirSync(join(folder, pid));
    writeFileSync(join(folder, pid, 'cgroup'), text);
  }
  return folder;
};

t.test('the cgroup that systemd keeps is read, in every layout', async (t) => {
  const service = '/system.slice/kubelet.service';
  const unified = proc(t, { 1: '0::/init.scope\n', 70: `0::${service}\n` });
  t.same(await cgroupsOf(unified, '70'), [service]);
  const legacy = proc(t, {
    1: '4:memory:/\n1:name=systemd:/\n',
    70: `9:memory:/kubelet\n1:name=systemd:${service}\n0::/\n`,
  });
  t.same(await cgroupsOf(legacy, '70'), [service]);
  const nested = proc(t, { 1: '0::/docker/abc/init.scope\n', 70: `0::/docker/abc${service}\n` });
  t.same(await cgroupsOf(nested, '70'), [service]);
  const unused = proc(t, {
    1: '1:name=systemd:/\n0::/init.scope\n',
    70: `1:name=systemd:/\n0::${service}\n`,
  });
  t.same(await cgroupsOf(unused, '70'), [service], 'a container of its own on a host of v1');
  const both = proc(t, { 1: '0::/init.scope\n', 70: `1:name=systemd:/kubepods/x\n0::${service}\n` });
  t.same(await cgroupsOf(both, '70'), [service, '/kubepods/x']);
  t.same(await cgroupsOf(unified, '71'), [], 'a process that is gone has none');
});

t.test(
  'services of the system are distinguished from sessions, users’ managers and containers',
  async (t) => {
    for (const own of [
      '/system.slice/kubelet.service',
      '/kubelet.slice/kubelet.service',
      '/system.slice/k0sworker.service/kubelet',
    ])
      t.ok(isSystemService(own), own);
    for (const other of [
      '',
      '/',
      '/kubelet',
      '/init.scope',
      '/user.slice/user-1000.slice/session-3.scope',
      '/user.slice/user-1000.slice/user@1000.service/app.slice/kubelet.service',
      '/kubepods.slice/kubepods-pod1.slice/cri-containerd-1.scope/system.slice/kubelet.service',
      '/kubepods/burstable/pod1/2/system.slice/kubelet.service',
      '/machine.slice/systemd-nspawn@x.service/payload/system.slice/kubelet.service',
      '/system.slice/docker-1.scope/kubelet.service',
    ])
      t.notOk(isSystemService(other), other);
  },
);

t.test('containers are distinguished from cgroups that a user names so', async (t) => {
  for (const own of [
    '/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-2.scope',
    '/kubepods/besteffort/pod1/2',
    '/k8s.io/2',
    '/system.slice/crio-2.scope',
    '/system.slice/containerd.service',
  ])
    t.ok(isContainer(own, isOfRuntime), own);
  for (const other of [
    '',
    '/system.slice/cron.service',
    '/user.slice/user-1000.slice/session-3.scope',
    '/user.slice/user-1000.slice/user@1000.service/kubepods/x',
  ])
    t.notOk(isContainer(other, isOfRuntime), other);
});
