/** A real process whose C library loses wakeups (testbed/lost-wakeup.c), as glibc may. */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '../..');
const library = join(t.testdir(), 'lost-wakeup.so');
const source = join(root, 'testbed/lost-wakeup.c');
const compiled = spawnSync('cc', ['-shared', '-fPIC', '-o', library, source, '-ldl'], { encoding: 'utf8' });
const skip = compiled.error ? 'needs a C compiler (cc)' : false;

/** One request after the other, so that each one has to wake a thread. A timer keeps it alive, as a deadline does. */
const reads = `
import { lstat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { keepPoolAwake } from '${join(root, 'host/thread-pool.ts')}';
const kept = setInterval(() => undefined, 1000);
if (process.argv[1] === 'awake') keepPoolAwake(200);
for (let at = 0; at < 400; at++) {
  await lstat('/');
  await sleep(2);
}
console.log('all were read');
clearInterval(kept);
`;

const run = (how: string): Promise<{ readonly ended: boolean; readonly out: string; readonly err: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', reads, how], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, LD_PRELOAD: library, LOSE_WAKEUP: '200' },
    });
    const said = { out: '', err: '' };
    child.stdout.on('data', (part) => {
      said.out += part;
    });
    let asleep: NodeJS.Timeout | undefined;
    child.stderr.on('data', (part) => {
      said.err += part;
      // What is left takes a second.
      asleep ??= setTimeout(() => child.kill('SIGKILL'), how === 'awake' ? 600_000 : 4_000);
    });
    child.on('close', (code) => {
      clearTimeout(asleep);
      resolve({ ended: code === 0, ...said });
    });
  });

t.test('after a lost wakeup a process goes on whose pool is kept awake', { skip }, async (t) => {
  t.equal(compiled.status, 0, compiled.stderr);
  const { ended, out, err } = await run('awake');
  t.match(err, /a wakeup was lost/);
  t.match(out, /all were read/);
  t.ok(ended, 'and it ends by itself');
});

t.test('without that it hangs for good', { skip }, async (t) => {
  const { ended, out, err } = await run('asleep');
  t.match(err, /a wakeup was lost/);
  t.notMatch(out, /all were read/);
  t.notOk(ended);
});
