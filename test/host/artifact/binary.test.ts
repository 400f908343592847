import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { type BinaryCheck, checkBinary } from '../../../host/artifact/binary.ts';
import { makeTools, type Tools } from '../../../host/exec.ts';
import { lackOf } from '../../../daemon/shims/engine.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { AMD64, ARM64, makeElf, NEEDED, RPATH, RUNPATH } from '../../fixtures/artifacts/make-elf.ts';

const tools = makeTools();
const here = process.arch === 'x64' ? 'amd64' : 'arm64';
const other = here === 'amd64' ? 'arm64' : 'amd64';
const LOADER = '/lib64/ld-linux-x86-64.so.2';

const check = (path: string, more: Partial<BinaryCheck> = {}): BinaryCheck => ({
  path,
  libraries: [],
  probe: ['--version'],
  run: true,
  root: '/',
  machine: here,
  ...more,
});

const elf = (needed: readonly string[], paths: readonly string[] = [], tag = RUNPATH, loader = LOADER) =>
  makeElf(
    AMD64,
    (text) => [
      ...needed.map((name) => [NEEDED, text(name)] as const),
      ...paths.map((path) => [tag, text(path)] as const),
    ],
    loader,
  );
const library = (needed: readonly string[] = [], paths: readonly string[] = []) =>
  elf(needed, paths, RUNPATH, '');

const place = (root: string, path: string, bytes: string | Buffer, mode = 0o755): string => {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, bytes);
  chmodSync(full, mode);
  return full;
};

const fails = async (
  t: Test,
  what: BinaryCheck,
  code: string,
  message: RegExp | string,
  by: Tools = tools,
  detail?: string,
) => {
  try {
    await checkBinary(what, by);
    t.fail(`it was accepted; expected ${message}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    t.equal(error.problem.code, code);
    t.match(error.problem.message, message);
    t.equal(error.problem.detail, detail);
  }
};

t.test('the Node that runs this test has its libraries and prints its version', async (t) => {
  t.same(await checkBinary(check(process.execPath), tools), { version: process.version });
});

t.test('printed text becomes one short line without control characters', async (t) => {
  const folder = t.testdir();
  const say = (name: string, body: string) => place(folder, name, `#!/bin/sh\n${body}\n`);
  const version = async (path: string) => (await checkBinary(check(path), tools)).version;
  t.equal(await version(say('a', 'printf "\\n  \\033[1mshim\\033[0m 1.2\\007 \\nmore\\n"')), 'shim 1.2');
  t.equal(await version(say('b', 'echo "on stderr" >&2')), 'on stderr');
  t.equal(await version(say('c', 'true')), '');
  t.equal((await version(say('d', 'yes | head -c 500 | tr -d "\\n"'))).length, 200);
  t.equal(await version(say('e', 'echo "$@"')), '--version');
  const given = check(say('f', 'echo "$GIVEN"'), { env: { GIVEN: 'yes' } });
  t.equal((await checkBinary(given, tools)).version, 'yes');
});

t.test('a program for another architecture is named, also among its libraries', async (t) => {
  const folder = t.testdir();
  const bytes = makeElf(other === 'arm64' ? ARM64 : AMD64, () => []);
  const path = place(folder, 'shim', bytes);
  await fails(t, check(path), 'wrong-machine', `shim is built for ${other}, this node is ${here}`);
  const shipped = { libraries: [place(folder, 'libx.so', bytes)] };
  await fails(t, check(process.execPath, shipped), 'wrong-machine', /libx\.so is built for/);
  const risc = place(
    folder,
    'risc',
    makeElf(243, () => []),
  );
  await fails(t, check(risc), 'wrong-machine', /built for other \(243\)/);
  const small = Buffer.alloc(52);
  small.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  small.writeUInt16LE(3, 18);
  await fails(t, check(place(folder, 'small', small)), 'wrong-machine', /32 bits of other \(3\)/);
});

const prepare = (root: string): Partial<BinaryCheck> => ({ run: false, root, machine: 'amd64' });

t.test('every library that is missing is named, those of libraries too, and the loader', async (t) => {
  const root = t.testdir();
  place(root, 'usr/lib/x86_64-linux-gnu/libfound.so.1', library(['libdeep.so.3', 'libfound.so.1']));
  const path = place(root, 'opt/shim', elf(['libfound.so.1', 'libgone.so.2']));
  await fails(
    t,
    check(path, prepare(root)),
    'missing-library',
    `shim needs ${LOADER}, libgone.so.2, libdeep.so.3, which this node does not have`,
  );
});

t.test('a script in another root needs its interpreter there', async (t) => {
  const root = t.testdir();
  const script = place(root, 'opt/shim', '#!/usr/bin/env -S python3\n');
  const message = 'shim does not run: its interpreter /usr/bin/env is not on this node';
  await fails(t, check(script, prepare(root)), 'will-not-run', message);
  place(root, 'usr/bin/env', 'a program');
  t.same(await checkBinary(check(script, prepare(root)), tools), { version: '' });
});

t.test('a musl program on a glibc root lacks its loader, and on its own root nothing', async (t) => {
  const root = t.testdir();
  const loader = '/lib/ld-musl-x86_64.so.1';
  const path = place(root, 'shim', elf(['libc.musl-x86_64.so.1', 'libgcc_s.so.1'], [], RUNPATH, loader));
  await fails(
    t,
    check(path, prepare(root)),
    'missing-library',
    /needs \/lib\/ld-musl-x86_64\.so\.1, libgcc_s/,
  );
  place(root, 'lib/ld-musl-x86_64.so.1', library());
  place(root, 'usr/local/lib/libgcc_s.so.1', library());
  t.same(await checkBinary(check(path, prepare(root)), tools), { version: '' });
});

t.test('libraries are found in the folders of the loader', async (t) => {
  const root = t.testdir();
  place(root, 'usr/lib64/ld-linux-x86-64.so.2', library());
  symlinkSync('usr/lib64', join(root, 'lib64'));
  place(root, 'etc/ld.so.conf', 'include /etc/ld.so.conf.d/*.conf\n');
  place(root, 'etc/ld.so.conf.d/x.conf', '/opt/configured\n');
  place(root, 'opt/configured/libconf.so', library());
  place(root, 'opt/lib/liborigin.so', library(['libbeside.so']));
  place(root, 'opt/lib/libbeside.so', library());
  place(root, 'absolute/libabsolute.so', library());
  place(root, 'lib/libdefault.so', library(['ld-linux-x86-64.so.2']));
  place(root, 'exact/libexact.so', library());
  place(root, 'real/libreal.so.1.2', library());
  symlinkSync('/real/libreal.so.1.2', join(root, 'lib/libreal.so.1'));
  place(root, 'by-env/libenv.so', library());
  const needed = [
    'libconf.so',
    'liborigin.so',
    'libabsolute.so',
    'libdefault.so',
    'libreal.so.1',
    'libenv.so',
  ];
  const bytes = elf([...needed, '/exact/libexact.so'], ['$ORIGIN/../lib:/absolute'], RPATH);
  const path = place(root, 'opt/bin/shim', bytes);
  const env = { LD_LIBRARY_PATH: join(root, 'by-env') };
  t.same(await checkBinary(check(path, { ...prepare(root), env }), tools), { version: '' });
  await fails(t, check(path, prepare(root)), 'missing-library', /needs libenv\.so, which/);
});

t.test('libraries beside the program count, wherever it is, and so do their needs', async (t) => {
  const folder = t.testdir({ root: {} });
  const root = join(folder, 'root');
  place(root, 'lib64/ld-linux-x86-64.so.2', library());
  const one = place(folder, 'store/lib/libone.so', library(['libtwo.so']));
  const two = place(folder, 'store/lib/libtwo.so', library(['libgone.so']));
  const path = place(folder, 'store/shim', elf(['libone.so']));
  const given = { ...prepare(root), libraries: [one, two] };
  await fails(t, check(path, given), 'missing-library', /needs libgone\.so, which/);
  place(folder, 'store/lib/libgone.so', library());
  t.same(await checkBinary(check(path, given), tools), { version: '' });
  const origin = place(folder, 'store/origin', elf(['libgone.so'], [`\${ORIGIN}/lib`]));
  t.same(await checkBinary(check(origin, prepare(root)), tools), { version: '' });
});

t.test('a library of another architecture, or an invalid one, is skipped as the loader does', async (t) => {
  const root = t.testdir();
  place(root, 'lib64/ld-linux-x86-64.so.2', library());
  place(
    root,
    'lib/x86_64-linux-gnu/libx.so',
    makeElf(ARM64, () => [], ''),
  );
  place(root, 'lib64/libx.so', '/* GNU ld script */');
  const path = place(root, 'shim', elf(['libx.so']));
  await fails(t, check(path, prepare(root)), 'missing-library', /needs libx\.so, which/);
  place(root, 'usr/lib/libx.so', library());
  t.same(await checkBinary(check(path, prepare(root)), tools), { version: '' });
});

t.test('a link in another root does not find a library of this host', async (t) => {
  const folder = t.testdir({ root: { lib64: {}, lib: {} } });
  const root = join(folder, 'root');
  place(root, 'lib64/ld-linux-x86-64.so.2', library());
  symlinkSync(place(folder, 'outside/libx.so', library()), join(root, 'lib/libx.so'));
  const path = place(root, 'shim', elf(['libx.so']));
  await fails(t, check(path, prepare(root)), 'missing-library', /needs libx\.so, which/);
});

t.test('libraries that need each other do not loop', async (t) => {
  const root = t.testdir();
  place(root, 'lib/liba.so', library(['libb.so']));
  place(root, 'lib/libb.so', library(['liba.so']));
  const path = place(root, 'shim', elf(['liba.so'], [], RUNPATH, ''));
  t.same(await checkBinary(check(path, prepare(root)), tools), { version: '' });
});

t.test('a program that fails says how, and to root the first line of what it said', async (t) => {
  const folder = t.testdir();
  const say = (body: string) => check(place(folder, 'shim', `#!/bin/sh\n${body}\n`));
  const failing = say('printf "\\nno \\033[31mnetwork\\nmore" >&2; exit 3');
  await fails(t, failing, 'will-not-run', 'shim does not run: it exited with 3', tools, 'no network');
  await fails(t, say('kill -SEGV $$'), 'will-not-run', /it was ended by SIGSEGV/);
  const hasty: Tools = { run: (argv, options) => tools.run(argv, { ...options, deadlineMs: 800 }) };
  const hanging = say('echo waiting >&2; sleep 600');
  await fails(t, hanging, 'will-not-run', /did not end in time$/, hasty, 'waiting');
});

t.test('a program that cannot be started says why', async (t) => {
  const folder = t.testdir();
  const script = place(folder, 'script', '#!/no/such/python3 -u\n');
  await fails(t, check(script), 'will-not-run', /its interpreter \/no\/such\/python3 is not on this node/);
  const locked = place(folder, 'locked', '#!/bin/sh\n', 0o644);
  await fails(t, check(locked), 'will-not-run', /may not be executed \(EACCES\): a noexec mount/);
  await fails(t, check(join(folder, 'none')), 'will-not-run', /cannot be read: ENOENT/);
  await fails(t, check(folder), 'will-not-run', /neither a program nor a script/);
  await fails(t, check(place(folder, 'text', 'hello\n')), 'will-not-run', /neither a program nor a script/);
  await fails(t, check(place(folder, 'empty', '')), 'will-not-run', /neither a program nor a script/);
});

t.test('a program with too many libraries is refused', async (t) => {
  const root = t.testdir();
  const names = (count: number, of = 'lib') =>
    Array.from({ length: count }, (_, index) => `${of}${index}.so`);
  const large = (needed: readonly string[], folder: string) =>
    makeElf(
      AMD64,
      (text) => [...needed.map((name) => [NEEDED, text(name)] as const), [RUNPATH, text(folder)]],
      '',
      65_536,
    );
  const given = { root, run: false, machine: 'amd64' } as const;
  const folders = Array.from({ length: 120 }, (_, index) => `/lib/${index}`);
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true });
  const most = place(root, 'most', large(names(500), folders.join(':')));
  await fails(t, check(most, given), 'bad-archive', /so many libraries and folders/);
  const many = place(root, 'many', large(names(30), folders.join(':')));
  const ten = names(10).join(', ');
  const message = `many needs ${ten} and 20 more, which this node does not have`;
  await fails(t, check(many, given), 'missing-library', message);
  // Each of them is found, and names as many more: as many are looked at as a program may have.
  for (const name of names(200)) place(root, `usr/lib/${name}`, large(names(200, name), '/none'));
  const wide = place(root, 'wide', large(names(200), '/none'));
  await fails(t, check(wide, given), 'missing-library', /and \d+ more, which/);
});

t.test('a program that prints without end is stopped', async (t) => {
  const folder = t.testdir();
  const path = place(
    folder,
    'shim',
    '#!/bin/sh\nwhile :; do echo 0123456789012345678901234567890123456789; done\n',
  );
  const says = /it was ended by/;
  await fails(t, check(path), 'will-not-run', says, tools, '(stopped: it wrote more than 65536 bytes)');
});

t.test('a damaged program is a bad artifact', async (t) => {
  const folder = t.testdir();
  const path = place(folder, 'shim', makeElf(AMD64, () => []).subarray(0, 100));
  await fails(t, check(path), 'bad-archive', /the ELF file is damaged/);
});

t.test('a truncated real program is refused', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'true');
  copyFileSync('/bin/true', path);
  t.match(await checkBinary(check(path), tools), { version: /./ });
  writeFileSync(path, elf([], [], RUNPATH, ''));
  await fails(t, check(path, { machine: 'amd64' }), 'will-not-run', /does not run/);
});

t.test('a crun that is called crun-wasm must have an engine', async (t) => {
  const root = t.testdir();
  const of = (binary: string, ...lines: readonly string[]) =>
    check(place(root, binary, `#!/bin/sh\ncat <<'END'\n${lines.join('\n')}\nEND\n`), {
      lackOf: (version) => lackOf(binary, version),
    });
  const version = 'crun version 1.21';
  const features = '+SYSTEMD +SECCOMP +EBPF +CRIU';
  await fails(
    t,
    of('crun-wasm', version, features),
    'will-not-run',
    /crun-wasm does not run: .*no Wasm engine/,
  );
  for (const [binary, ...lines] of [
    ['crun-wasm', version, `${features} +WASM:wasmedge +YAJL`],
    ['crun-wasm', 'another 1.0', features],
    ['crun', version, features],
  ] as const)
    t.match(await checkBinary(of(binary, ...lines), tools), { version: lines[0] });
});
