/** Edits the very Node that runs this test, then starts the result. */

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { architecture, strip, withFullLastPage, withRunPath } from '../../packaging/elf.ts';

const node = readFileSync(process.execPath);

/** Writes `image` as an executable and starts it with `arguments_`. */
function start(folder: string, image: Buffer, ...arguments_: readonly string[]) {
  const path = join(folder, 'edited');
  writeFileSync(path, image, { mode: 0o755 });
  return spawnSync(path, arguments_, { encoding: 'utf8', env: {} });
}

t.test('the architecture is read from the file', async (t) => {
  t.equal(architecture(node), process.arch);
  t.throws(
    () =>
      architecture(Buffer.from('#!/bin/sh\necho this is a script, padded to be longer than a header......')),
    /not a 64-bit/,
  );
  t.throws(() => architecture(Buffer.alloc(0)), /not a 64-bit/);
});

t.test('a stripped executable is smaller and runs', async (t) => {
  const stripped = strip(node);
  t.ok(stripped.length < node.length, `${stripped.length} of ${node.length} bytes`);
  const { stdout, status } = start(t.testdir(), stripped, '--version');
  t.same([stdout.trim(), status], [process.version, 0]);
});

t.test('the edited executable runs, and searches libraries beside itself first', async (t) => {
  const edited = withRunPath(withFullLastPage(strip(node)), '$ORIGIN/beside:/nowhere/at/all');
  const folder = t.testdir();
  mkdirSync(join(folder, 'beside'));
  t.equal(start(folder, edited, '-p', '6 * 7').stdout.trim(), '42');

  // A library that is none, beside it: found first, so the loader gives up on it by name.
  copyFileSync(import.meta.filename, join(folder, 'beside', 'libatomic.so.1'));
  const { status, stderr } = start(folder, edited, '--version');
  t.not(status, 0);
  t.match(stderr, `${folder}/beside/libatomic.so.1`);
});

t.test('a second run path is refused', async (t) => {
  t.throws(() => withRunPath(withRunPath(node, '$ORIGIN'), '$ORIGIN'), /run path already/);
});

t.test('a run path longer than the space in the file is refused', async (t) => {
  t.throws(() => withRunPath(node, 'x'.repeat(100_000)), /no 100001 unused bytes/);
});
