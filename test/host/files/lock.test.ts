import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { rejectedProblem } from '../../../testbed/failure.ts';
import { acquireLock } from '../../../host/files/lock.ts';

const lockPath = (test: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-lock-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'run', 'lock');
};

/** A process that says `held` when it has the lock, and keeps it until its stdin ends. */
const holder = `
  const { acquireLock } = await import(${JSON.stringify(import.meta.resolve('../../../host/files/lock.ts'))});
  const [, path, waitMs] = process.argv;
  const lock = await acquireLock(path, { waitMs: Number(waitMs) }).catch((error) => {
    console.log(error.problem.code);
    process.exit(1);
  });
  console.log('held');
  process.stdin.on('end', () => lock.release()).resume();`;

const start = (test: Test, path: string, waitMs: number) => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', holder, path, String(waitMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  test.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout });
  const said = once(lines, 'line').then(([line]) => String(line));
  return { child, said };
};

const gone = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

t.test('a lock is taken once, and again after its release', async (t) => {
  const path = lockPath(t);
  const first = await acquireLock(path, { waitMs: 0 });
  t.match(await rejectedProblem(acquireLock(path, { waitMs: 0 })), { code: 'locked' });
  t.match(await rejectedProblem(acquireLock(path, { waitMs: 120 })), { code: 'locked' });
  await first.release();
  await first.release();
  const second = await acquireLock(path, { waitMs: 0 });
  t.match(await rejectedProblem(acquireLock(path, { waitMs: 0 })), { code: 'locked' });
  await second.release();
  t.strictSame(readdirSync(join(path, '..')), ['lock'], 'nothing is left but the file');
  t.equal(readFileSync(path, 'utf8'), '');
});

t.test('a failed attempt in the same process does not let another process in', async (t) => {
  const path = lockPath(t);
  const lock = await acquireLock(path, { waitMs: 0 });
  t.match(await rejectedProblem(acquireLock(path, { waitMs: 0 })), { code: 'locked' });
  t.equal(await start(t, path, 0).said, 'locked');
  await lock.release();
});

t.test('the refusal names the holder and what it runs', async (t) => {
  const path = lockPath(t);
  const { child, said } = start(t, path, 0);
  t.equal(await said, 'held');
  const { code, message } = await rejectedProblem(acquireLock(path, { waitMs: 0 }));
  t.equal(code, 'locked');
  t.match(message, `process ${child.pid} (`);
  t.match(message, /node.* --input-type=module -e\) holds \//, 'its first words, not all of them');
});

t.test('a waiting process gets the lock when the holder releases it', async (t) => {
  const path = lockPath(t);
  const { child, said } = start(t, path, 0);
  t.equal(await said, 'held');
  const waiting = acquireLock(path, { waitMs: 3_600_000 });
  child.stdin.end();
  await (await waiting).release();
});

t.test('a killed holder does not block other processes', async (t) => {
  const path = lockPath(t);
  for (let round = 0; round < 3; round += 1) {
    const { child, said } = start(t, path, 0);
    t.equal(await said, 'held');
    child.kill('SIGKILL');
    await gone(child);
    await (await acquireLock(path, { waitMs: 0 })).release();
  }
});

t.test('of many that start at once, on a file with garbage in it, exactly one wins', async (t) => {
  const path = lockPath(t);
  mkdirSync(join(path, '..'));
  writeFileSync(path, '4711 of another boot\n');
  const all = Array.from({ length: 6 }, () => start(t, path, 0));
  const said = await Promise.all(all.map((one) => one.said));
  t.strictSame(said.toSorted(), ['held', 'locked', 'locked', 'locked', 'locked', 'locked']);
});

t.test('several waiting processes get it one after the other', async (t) => {
  const path = lockPath(t);
  const all = Array.from({ length: 3 }, () => start(t, path, 3_600_000));
  const left = new Set(all);
  while (left.size > 0) {
    const next = await Promise.race([...left].map((one) => one.said.then(() => one)));
    t.match(await rejectedProblem(acquireLock(path, { waitMs: 0 })), { code: 'locked' });
    left.delete(next);
    next.child.stdin.end();
    await gone(next.child);
  }
  await (await acquireLock(path, { waitMs: 0 })).release();
});

t.test('what an earlier program or a power cut left in the file is removed', async (t) => {
  for (const [what, bytes] of [
    ['a pid', Buffer.from('4711\n')],
    ['zeros', Buffer.alloc(4096)],
    ['noise', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256))],
    ['half of a SQLite header', Buffer.from('SQLite format 3\0')],
  ] as const)
    t.test(what, async (t) => {
      const path = lockPath(t);
      mkdirSync(join(path, '..'));
      writeFileSync(path, bytes);
      const lock = await acquireLock(path, { waitMs: 0 });
      t.match(await rejectedProblem(acquireLock(path, { waitMs: 0 })), { code: 'locked' });
      t.equal(await start(t, path, 0).said, 'locked');
      await lock.release();
      t.equal(readFileSync(path, 'utf8'), '');
    });
});

t.test('an impossible path is reported, and nothing is created elsewhere', async (t) => {
  const path = lockPath(t);
  mkdirSync(path, { recursive: true });
  t.match(await rejectedProblem(acquireLock(path, { waitMs: 0 })), {
    code: 'cannot-write',
    message: /not a regular file/,
  });

  const target = join(path, '..', 'elsewhere');
  const link = join(path, '..', 'link');
  symlinkSync(target, link);
  t.match(await rejectedProblem(acquireLock(link, { waitMs: 0 })), { code: 'cannot-write' });
  t.notOk(existsSync(target));

  const file = join(path, '..', 'file');
  writeFileSync(file, 'kept');
  t.match(await rejectedProblem(acquireLock(join(file, 'lock'), { waitMs: 0 })), { code: 'cannot-write' });
  t.equal(readFileSync(file, 'utf8'), 'kept');
});

t.test('a folder that cannot be written is reported', async (t) => {
  // Not even root can make files in /proc.
  t.match(await rejectedProblem(acquireLock('/proc/lock', { waitMs: 0 })), {
    code: 'cannot-write',
    message: /\/proc\/lock cannot be used/,
  });
});

t.test('a read-only file system is reported as such', async (t) => {
  const readOnly = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .find(
      ([, where, kind, flags]) => flags?.split(',')[0] === 'ro' && kind !== 'proc' && existsSync(where ?? ''),
    )?.[1];
  if (readOnly === undefined)
    return t.pass('no read-only file system is mounted here', { skip: 'none mounted' });
  t.match(await rejectedProblem(acquireLock(join(readOnly, 'rcm-lock'), { waitMs: 0 })), {
    code: /read-only|cannot-write/,
  });
});
