import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeFiles } from '../../../host/files/files.ts';
import { mappedFiles, runningProgram } from '../../../host/processes/processes.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { containerd } from '../../../daemon/runtimes/containerd/row.ts';

const mapped = (folder: string, proc?: string) =>
  mappedFiles(folder, (cgroup) => containerd.cgroups.test(cgroup), proc);

/** A program that runs from `folder`, until the test ends. */
const run = async (t: Test, folder: string): Promise<string> => {
  const path = join(folder, 'program');
  copyFileSync('/bin/cat', path);
  chmodSync(path, 0o755);
  const child = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  // It answers, so it runs, and no longer from a copy of this process.
  child.stdin.write('x');
  await once(child.stdout, 'data');
  return path;
};

t.test('a running program is found by its folder, once', async (t) => {
  const folder = t.testdir({});
  const path = await run(t, folder);
  const { files } = await mapped(`${folder}/`);
  t.same(files, [path]);
});

t.test('also after its file was removed', async (t) => {
  const folder = t.testdir({});
  const path = await run(t, folder);
  rmSync(path);
  t.same((await mapped(`${folder}/`)).files, [path]);
});

t.test('also where the folder is reached through a link', async (t) => {
  const root = t.testdir({ real: {} });
  symlinkSync('real', join(root, 'link'));
  const path = await run(t, join(root, 'real'));
  t.same((await mapped(`${root}/link/`)).files, [path]);
});

t.test('a folder that nothing runs from has nothing mapped', async (t) => {
  t.same((await mapped(`${t.testdir({})}/`)).files, []);
  t.same((await mapped('/none/at/all/')).files, []);
});

t.test('where the folder is not known, the answer is incomplete', async (t) => {
  const root = t.testdir({});
  symlinkSync('loop', join(root, 'loop'));
  t.notOk((await mapped(`${root}/loop/`)).complete);
});

const isReadable = (path: string): boolean => {
  try {
    readFileSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EACCES');
  }
};

t.test(
  'an unreadable process makes the answer incomplete',
  {
    skip: process.getuid?.() === 0 ? false : 'needs root, to become another user',
  },
  async (t) => {
    const folder = `${t.testdir({})}/`;
    await run(t, folder);
    process.seteuid?.(65_534);
    const { files, complete } = await mapped(folder);
    process.seteuid?.(0);
    t.same([files, complete], [[], false]);
  },
);

t.test('where every process is readable, the answer is complete', async (t) => {
  const all = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  if (!all.every((pid) => isReadable(`/proc/${pid}/maps`)))
    return t.pass('complete', { skip: 'no process here shows what it has mapped' });
  t.ok((await mapped(`${t.testdir({})}/`)).complete);
});

/** A /proc whose processes have these lines in their maps. */
const fakeProc = (t: Test, processes: readonly (readonly [uid: number, cgroup: string, path: string])[]) => {
  const proc = t.testdir({ 1: { cgroup: '0::/init.scope\n' } });
  for (const [index, [uid, cgroup, path]] of processes.entries()) {
    const at = join(proc, `${index + 70}`);
    mkdirSync(at);
    writeFileSync(join(at, 'status'), `Name:\tx\nUid:\t${uid}\t0\t0\t0\n`);
    writeFileSync(join(at, 'cgroup'), `0::${cgroup}\n`);
    writeFileSync(
      join(at, 'maps'),
      `7f0000000000-7f0000001000 r--p 00000000 fe:00 4711                       ${path}\n7ffd00000000-7ffd00001000 rw-p 00000000 00:00 0                          [stack]\n`,
    );
  }
  return proc;
};

t.test('only a path that begins with our folder is ours, with blanks in it too', async (t) => {
  const store = '/none/opt/rcm-node/store/';
  const service = '/system.slice/containerd.service';
  const proc = fakeProc(t, [
    [0, service, `${store}key/a b (deleted)`],
    [0, service, `/home/mallory${store}other/x`],
    [0, service, `/x ${store}third/x`],
    [0, service, '/none/opt/rcm-node/storehouse/x'],
  ]);
  t.same((await mapped(store, proc)).files, [`${store}key/a b`]);
});

t.test(
  'a mapping by an ordinary user does not keep a version; one by a container of any user does',
  async (t) => {
    const store = '/none/store/';
    const proc = fakeProc(t, [
      [1000, '/user.slice/user-1000.slice/session-3.scope', `${store}session/x`],
      [1000, '/user.slice/user-1000.slice/user@1000.service/kubepods/x', `${store}named/x`],
      [1000, '/system.slice/cron.service', `${store}cron/x`],
      [65_532, '/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope', `${store}pod/x`],
      [0, '/user.slice/user-0.slice/session-1.scope', `${store}root/x`],
    ]);
    t.same((await mapped(store, proc)).files, [`${store}pod/x`, `${store}root/x`]);
  },
);

t.test('the program of a process is run by its path, or by its very file', async (t) => {
  const root = t.testdir({ usr: { bin: { containerd: '', open: '' } }, proc: { 70: {}, 71: {}, 72: {} } });
  for (const path of ['', 'usr', 'usr/bin']) chmodSync(join(root, path), 0o755);
  chmodSync(join(root, 'usr/bin/containerd'), 0o755);
  chmodSync(join(root, 'usr/bin/open'), 0o777);
  const files = makeFiles(root);
  symlinkSync('/usr/bin/containerd', join(root, 'proc/70/exe'));
  symlinkSync('/usr/bin/open', join(root, 'proc/71/exe'));
  t.equal(await runningProgram(files, 70), '/usr/bin/containerd');
  t.match(await runningProgram(files, 71).catch(problemOf), {
    code: 'untrusted',
    where: { file: '/usr/bin/open' },
    message: /has mode 0777/,
  });
  t.equal(await runningProgram(files, 99), undefined);
  chmodSync(join(root, 'usr/bin'), 0o777);
  t.equal(await runningProgram(files, 70), '/proc/70/exe', 'root runs that file already');
});

t.test(
  'a process id that another user’s process has by now is not run as root',
  { skip: process.getuid?.() === 0 ? false : 'needs root, to give a file to another user' },
  async (t) => {
    const root = t.testdir({ evil: '', proc: { 70: {} } });
    chmodSync(join(root, 'evil'), 0o755);
    chownSync(join(root, 'evil'), 1000, 1000);
    symlinkSync('/evil', join(root, 'proc/70/exe'));
    t.match(await runningProgram(makeFiles(root), 70).catch(problemOf), {
      code: 'untrusted',
      message: /uid 1000/,
    });
  },
);
