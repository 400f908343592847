/**
 * What the archives of test/fixtures/artifacts/hostile.ts take of a node's memory; `npx node` on this file prints it. Every
 * stop: each is unpacked by a process of its own.
 */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { hostile } from '../../fixtures/artifacts/hostile.ts';

/** Above idle, with the code that is loaded for it. */
const allowedKb = 64 * 1024;

const skip = existsSync('/proc/self/clear_refs') ? false : 'needs /proc/self/clear_refs';

t.test('no artifact, however hostile, takes 64 MB to unpack', { skip }, async (t) => {
  const folder = t.testdir();
  const files = hostile.map((one, index) => {
    const file = join(folder, `${index}`);
    writeFileSync(file, one.bytes());
    return file;
  });
  // As packaging/build.ts and the unit run it.
  const child = spawn(
    process.execPath,
    [
      '--max-semi-space-size=1',
      '--expose-gc',
      join(import.meta.dirname, 'unpack.ts'),
      join(folder, 'out'),
      ...files,
    ],
    {
      env: { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise((resolve) => child.once('close', resolve));
  let index = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const { error, tookKb } = JSON.parse(line) as { readonly error?: string; readonly tookKb: number };
    const one = hostile[index++];
    if (one === undefined) break;
    t.comment(`${one.name}: ${(tookKb / 1024).toFixed(1)} MB`);
    t.ok(tookKb < allowedKb, `${one.name} took ${tookKb} kB`);
    if (one.says) t.match(error, one.says, one.name);
    else t.equal(error, undefined, one.name);
  }
  t.equal(await ended, 0);
  t.equal(index, hostile.length, 'and all of them were tried');
});
