import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { mappedFiles } from '../../daemon/host/processes.ts';

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

t.test('a program that runs is found by the folder that it runs from, once', async (t) => {
  const folder = t.testdir({});
  const path = await run(t, folder);
  const { files } = await mappedFiles(`${folder}/`);
  t.same(files, [path]);
});

t.test('also after its file was removed', async (t) => {
  const folder = t.testdir({});
  const path = await run(t, folder);
  rmSync(path);
  t.same((await mappedFiles(`${folder}/`)).files, [path]);
});

t.test('also where the folder is reached through a link', async (t) => {
  const root = t.testdir({ real: {} });
  symlinkSync('real', join(root, 'link'));
  const path = await run(t, join(root, 'real'));
  t.same((await mappedFiles(`${root}/link/`)).files, [path]);
});

t.test('a folder that nothing runs from has nothing mapped', async (t) => {
  t.same((await mappedFiles(`${t.testdir({})}/`)).files, []);
  t.same((await mappedFiles('/none/at/all/')).files, []);
});

t.test('where the folder cannot be found out, the answer is incomplete', async (t) => {
  const root = t.testdir({});
  symlinkSync('loop', join(root, 'loop'));
  t.notOk((await mappedFiles(`${root}/loop/`)).complete);
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
  'a process that would not tell makes the answer incomplete',
  {
    skip: process.getuid?.() === 0 ? false : 'needs root, to become somebody else',
  },
  async (t) => {
    const folder = `${t.testdir({})}/`;
    await run(t, folder);
    process.seteuid?.(65_534);
    const { files, complete } = await mappedFiles(folder);
    process.seteuid?.(0);
    t.same([files, complete], [[], false]);
  },
);

t.test('where every process tells, the answer is complete', async (t) => {
  const all = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  if (!all.every((pid) => isReadable(`/proc/${pid}/maps`)))
    return t.pass('complete', { skip: 'a process here tells nobody what it has mapped' });
  t.ok((await mappedFiles(`${t.testdir({})}/`)).complete);
});
