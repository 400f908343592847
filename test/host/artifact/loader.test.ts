import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { thrownProblem } from '../../../testbed/failure.ts';
import { mustFind, readElf } from '../../../host/artifact/loader.ts';
import { hintOf } from '../../../protocol/problem/problem.ts';
import { AMD64, makeVersionedElf } from '../../fixtures/artifacts/make-elf.ts';

const GLIBC = '/lib64/ld-linux-x86-64.so.2';
const MUSL = '/lib/ld-musl-x86_64.so.1';
type Given = Parameters<typeof makeVersionedElf>[1];

const place = (root: string, path: string, bytes: Buffer): string => {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, bytes);
  chmodSync(full, 0o755);
  return full;
};

/** A root with a loader and a libc that has versions up to GLIBC_2.36. */
const rootOf = (t: Test, libc: Given = { defined: ['GLIBC_2.2.5', 'GLIBC_2.34', 'GLIBC_2.36'] }): string => {
  const root = t.testdir();
  place(root, GLIBC, makeVersionedElf(AMD64, { defined: ['GLIBC_2.3'] }, ''));
  place(root, 'lib/x86_64-linux-gnu/libc.so.6', makeVersionedElf(AMD64, libc, ''));
  return root;
};

const problem = (root: string, given: Given, loader = GLIBC, libraries: readonly string[] = []) => {
  const path = place(root, 'opt/shim', makeVersionedElf(AMD64, given, loader));
  const { elf } = readElf(path);
  if (!elf) throw new Error('no ELF');
  return thrownProblem(() => mustFind({ path, libraries, root, machine: 'amd64' }, elf));
};
const needing = (...names: readonly string[]): Given => ({
  libraries: ['libc.so.6'],
  needed: { 'libc.so.6': names },
});

t.test('a program built for a newer libc than that of this root is refused with the version', async (t) => {
  const root = rootOf(t);
  t.equal(problem(root, needing('GLIBC_2.2.5', 'GLIBC_2.36')), undefined);
  const refused = problem(root, needing('GLIBC_2.2.5', 'GLIBC_2.38', 'GLIBC_2.39'));
  t.match(refused, {
    code: 'missing-library',
    message:
      'shim needs GLIBC_2.39 of libc.so.6, GLIBC_2.38 of libc.so.6, which this node does not have (its libc.so.6 has GLIBC_2.36 at most)',
  });
  t.match(refused && hintOf(refused), /built for a newer system/);
});

t.test('versions needed by its libraries count, and so do those of the loader', async (t) => {
  const root = rootOf(t);
  place(root, 'lib/x86_64-linux-gnu/libz.so.1', makeVersionedElf(AMD64, needing('GLIBC_2.40'), ''));
  t.match(problem(root, { libraries: ['libz.so.1'] }), { message: /needs GLIBC_2\.40 of libc\.so\.6/ });
  const shipped = place(
    root,
    'opt/lib/libown.so',
    makeVersionedElf(AMD64, { ...needing('GLIBC_2.41'), defined: ['OWN_1'] }, ''),
  );
  const by = { libraries: ['libown.so'], needed: { 'libown.so': ['OWN_1', 'OWN_2'] } };
  t.match(problem(root, by, GLIBC, [shipped]), {
    message: /GLIBC_2\.41 of libc\.so\.6.*OWN_2 of libown\.so/,
  });
  t.match(problem(root, { needed: { 'ld-linux-x86-64.so.2': ['GLIBC_2.3', 'GLIBC_2.99'] } }), {
    message: /needs GLIBC_2\.99 of ld-linux-x86-64\.so\.2/,
  });
});

t.test('a library without versions needs none, and neither does musl', async (t) => {
  t.equal(problem(rootOf(t, {}), needing('GLIBC_2.99')), undefined);
  const root = t.testdir();
  place(root, MUSL, makeVersionedElf(AMD64, {}, ''));
  place(root, 'lib/libgcc_s.so.1', makeVersionedElf(AMD64, { defined: ['GCC_3.0'] }, ''));
  t.equal(
    problem(root, { libraries: ['libgcc_s.so.1'], needed: { 'libgcc_s.so.1': ['GCC_9'] } }, MUSL),
    undefined,
  );
});

t.test('a missing library is reported before versions, and names from the file are cut', async (t) => {
  t.match(problem(rootOf(t), { ...needing('GLIBC_9'), libraries: ['libc.so.6', 'libno.so'] }), {
    message: /needs libno\.so, which/,
  });
  t.match(problem(rootOf(t), needing('X\u001b[31m_9')), {
    message: /needs X_9 of libc\.so\.6, which this node does not have$/,
  });
  t.match(problem(rootOf(t), needing('x'.repeat(600))), { message: /needs x{199}…, which/ });
});

t.test('the programs of this host find all that they need on it', async (t) => {
  const machine = process.arch === 'x64' ? 'amd64' : 'arm64';
  const path = join(t.testdir(), 'node');
  copyFileSync(process.execPath, path);
  const { elf } = readElf(path);
  t.ok(elf?.versions?.needed.some(({ names }) => names.some((name) => name.startsWith('GLIBC_'))));
  if (elf) t.doesNotThrow(() => mustFind({ path, libraries: [], root: '/', machine }, elf));
});
