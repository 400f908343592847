import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openHashingWriter, removeLeftover } from '../../../host/files/hashing-writer.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');

t.test('the written file has its digest and mode, whatever the umask', async (t) => {
  const path = join(t.testdir(), 'file');
  const before = process.umask(0o077);
  t.teardown(() => process.umask(before));
  const sink = await openHashingWriter(path);
  t.equal(statSync(path).mode & 0o7777, 0o600, 'no user can run it before it is complete');
  await sink.write(Buffer.from('one '));
  await sink.write(Buffer.from('two'));
  t.same(await sink.finish(0o755), { sha256: digest('one two'), bytes: 7 });
  t.equal(readFileSync(path, 'utf8'), 'one two');
  t.equal(statSync(path).mode & 0o7777, 0o755);
});

t.test('a discarded file is removed, and discarding it twice is no error', async (t) => {
  const path = join(t.testdir(), 'file');
  const sink = await openHashingWriter(path);
  await sink.write(Buffer.from('x'));
  await sink.discard();
  await sink.discard();
  t.notOk(existsSync(path));
});

t.test('an existing file, or a link, is not opened', async (t) => {
  const folder = t.testdir({ file: 'mine' });
  symlinkSync('nowhere', join(folder, 'link'));
  for (const name of ['file', 'link']) {
    const where = { file: join(folder, name) };
    const error = await openHashingWriter(join(folder, name)).catch((error: unknown) => error);
    t.match(problemOf(error), { code: 'cannot-write', where });
  }
  t.equal(readFileSync(join(folder, 'file'), 'utf8'), 'mine');
  t.notOk(existsSync(join(folder, 'nowhere')));
});

t.test('a leftover is removed, a missing one is accepted, and a folder is refused', async (t) => {
  const folder = t.testdir({ file: 'x', folder: {} });
  await removeLeftover(join(folder, 'file'));
  await removeLeftover(join(folder, 'file'));
  t.notOk(existsSync(join(folder, 'file')));
  const error = await removeLeftover(join(folder, 'folder')).catch((error: unknown) => error);
  t.equal(problemOf(error).code, 'cannot-write');
});

/** A namespace of our own, in which we may mount: as root or with user namespaces. */
const unshare = ['unshare', '--user', '--map-root-user', '--mount'];
const mayMount = spawnSync(unshare[0] ?? '', [...unshare.slice(1), 'true']).status === 0;

t.test(
  'a full disk and a read-only one have different codes',
  { skip: mayMount ? false : 'no mounts of our own here' },
  async (t) => {
    const folder = t.testdir();
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    const program = join(folder, 'program.ts');
    const sink = join(import.meta.dirname, '../../../host/files/hashing-writer.ts');
    writeFileSync(
      program,
      `import { execFileSync } from 'node:child_process';
       import { readdirSync } from 'node:fs';
       import { openHashingWriter } from ${JSON.stringify(sink)};
       const disk = ${JSON.stringify(disk)};
       execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]);
       const said = [];
       const sink = await openHashingWriter(disk + '/file');
       await sink.write(Buffer.alloc(1_000_000)).catch((error) => said.push(error.problem.code));
       await sink.discard();
       said.push(readdirSync(disk).length);
       execFileSync('mount', ['-o', 'remount,bind,ro', disk]); // the whole file system's options name a user who is unknown in here
       await openHashingWriter(disk + '/file').catch((error) => said.push(error.problem.code));
       console.log(JSON.stringify(said));`,
    );
    const [command = '', ...args] = [...unshare, process.execPath, program];
    const said = execFileSync(command, args, { encoding: 'utf8', env: { PATH: process.env.PATH } });
    t.same(JSON.parse(said.trim().split('\n').at(-1) ?? ''), ['disk-full', 0, 'read-only']);
  },
);
