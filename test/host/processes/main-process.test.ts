import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { findRunning } from '../../../host/processes/main-process.ts';
import { fakeProc } from '../../../testbed/simulated/fake-proc.ts';

const service = '/system.slice/containerd.service';
const isIt = (program: string): boolean => program === 'containerd';

const children = (proc: string, of: Readonly<Record<number, readonly number[]>>): void => {
  for (const [pid, list] of Object.entries(of)) {
    mkdirSync(join(proc, pid, 'task', pid), { recursive: true });
    writeFileSync(join(proc, pid, 'task', pid, 'children'), list.map((one) => `${one} `).join(''));
  }
};

t.test('a program started by a shell is found below it, with its own arguments', async (t) => {
  const { proc, root } = fakeProc(t, {
    10: { argv: ['sh', '-c', 'containerd -c /x; true'], exe: '/bin/dash', cgroup: service },
    11: { argv: ['sleep', '1'], exe: '/bin/sleep', cgroup: service },
    12: { argv: ['containerd', '-c', '/x y'], exe: '/usr/bin/containerd', cgroup: service, cwd: '/srv' },
  });
  children(proc, { 10: [11, 12] });
  writeFileSync(join(proc, '12', 'environ'), 'A=1\0CONTAINERD_CONFIG=/e=f\0odd\0');
  t.same(await findRunning(10, isIt, proc, root), {
    pid: 12,
    born: '1277',
    name: 'containerd',
    argv: ['containerd', '-c', '/x y'],
    environment: new Map([
      ['A', '1'],
      ['CONTAINERD_CONFIG', '/e=f'],
    ]),
    cwd: '/srv',
  });
});

t.test('a child of any thread is found, and shims are not mistaken for it', async (t) => {
  const unit = '/system.slice/k0sworker.service';
  const { proc, root } = fakeProc(t, {
    10: { argv: ['/usr/local/bin/k0s', 'worker'], exe: '/usr/local/bin/k0s', cgroup: unit },
    11: {
      argv: ['containerd-shim-runc-v2', '-namespace', 'k8s.io'],
      exe: '/var/lib/k0s/bin/containerd-shim-runc-v2',
      cgroup: unit,
    },
    12: {
      argv: ['/var/lib/k0s/bin/containerd', '--config=/x'],
      exe: '/var/lib/k0s/bin/containerd',
      cgroup: unit,
    },
  });
  children(proc, { 10: [11] });
  mkdirSync(join(proc, '10/task/33'));
  writeFileSync(join(proc, '10/task/33/children'), '12 ');
  t.match(await findRunning(10, isIt, proc, root), { pid: 12, name: 'containerd', born: '1277' });
});

t.test(
  'a program with several names is found by its first argument, for the same program only',
  async (t) => {
    const unit = '/system.slice/k3s.service';
    const k3s = '/var/lib/rancher/k3s/data/abc/bin/k3s';
    const { proc, root } = fakeProc(t, {
      10: { argv: ['/usr/local/bin/k3s server'], exe: k3s, cgroup: unit },
      11: { argv: ['containerd', '-c', '/evil'], exe: '/bin/sleep', cgroup: unit },
      12: { argv: ['containerd', '-c', '/x'], exe: k3s, cgroup: unit },
    });
    children(proc, { 10: [11, 12] });
    t.match(await findRunning(10, isIt, proc, root), {
      pid: 12,
      name: 'k3s',
      argv: ['containerd', '-c', '/x'],
    });
  },
);

t.test('a process of a container, of another user or of another root does not count', async (t) => {
  const inside = { argv: ['containerd', '-c', '/evil'], exe: '/usr/bin/containerd' };
  const { proc, root, elsewhere } = fakeProc(t, {
    10: { argv: ['ctrd'], exe: '/opt/ctrd', cgroup: service },
    11: { ...inside, cgroup: '/kubepods.slice/pod1' },
    12: { ...inside, cgroup: service, uids: '1000\t1000\t1000\t1000' },
  });
  children(proc, { 10: [11, 12, 13] });
  t.match(await findRunning(10, isIt, proc, root), { pid: 10, name: 'ctrd', environment: undefined });
  const other = fakeProc(t, {
    10: { argv: ['ctrd'], exe: '/opt/ctrd', cgroup: service },
    11: { ...inside, cgroup: service, root: elsewhere },
  });
  children(other.proc, { 10: [11] });
  t.match(await findRunning(10, isIt, other.proc, other.root), { pid: 10 });
});

t.test('a process id that belongs to another user by now does not count', async (t) => {
  const { proc, root } = fakeProc(t, {
    10: {
      argv: ['containerd', '-c', '/evil'],
      exe: '/usr/bin/containerd',
      cgroup: '/user.slice',
      uids: '1000\t1000\t1000\t1000',
    },
  });
  t.equal(await findRunning(10, isIt, proc, root), undefined);
});

t.test('a process that ended does not count', async (t) => {
  const { proc, root } = fakeProc(t, {});
  t.equal(await findRunning(77, isIt, proc, root), undefined);
});

const isRoot = process.getuid?.() === 0;

t.test(
  'a real process is read',
  { skip: isRoot ? false : 'needs root: processes of other users are not read' },
  async (t) => {
    const child = spawn('sh', ['-c', 'sleep 60; true'], { env: { PATH: process.env.PATH, B: 'x y' } });
    t.teardown(() => child.kill());
    await once(child, 'spawn');
    const isSleep = (program: string): boolean => /sleep|busybox|coreutils/.test(program);
    for (let tries = 0; tries < 100; tries++) {
      const found = await findRunning(child.pid ?? 0, isSleep);
      if (found?.argv[0] === 'sleep') {
        t.match(found, { argv: ['sleep', '60'], cwd: process.cwd() });
        t.equal(found.environment?.get('B'), 'x y');
        process.kill(found.pid);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    t.fail('the child of a real shell was not found');
  },
);
