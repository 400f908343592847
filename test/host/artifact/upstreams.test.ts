/**
 * Archives in the shape in which upstreams publish them, packed with the very commands of their release scripts: which file
 * comes out, or what is said instead. The programs in them are stand-ins of a few bytes.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { pick, type Wanted } from '../../../host/artifact/archive.ts';
import { Failure } from '../../../protocol/problem/problem.ts';

const shim = (name: string): Wanted => ({ kind: 'shim', name });
const named = (...names: readonly string[]): Wanted => ({ kind: 'named', names });

type Row = {
  readonly upstream: string;
  /** Where its shape is from. */
  readonly source: string;
  /** The files of the folder that is packed; a value that begins with "->" is a link. */
  readonly files: readonly string[] | Readonly<Record<string, string>>;
  /** After "tar", in that folder; FILE is the archive. None: the only file is published as it is. */
  readonly tar?: readonly string[];
  readonly wanted: Wanted;
  /** Paths of `files` that come out, in the order in which they are wanted. */
  readonly gives?: readonly string[];
  readonly says?: RegExp;
};

const gz = ['-czf', 'FILE'] as const;
const runwasi = (name: string): readonly string[] => [name, `${name}.sig`, `${name}.pem`];

const table: readonly Row[] = [
  {
    upstream: 'containerd-shim-spin v0.23.0',
    source: 'spinframework/containerd-shim-spin, .github/workflows/action-build.yaml',
    files: ['containerd-shim-spin-v2'],
    tar: [...gz, 'containerd-shim-spin-v2'],
    wanted: shim('spin-v2'),
    gives: ['containerd-shim-spin-v2'],
  },
  ...['wasmtime', 'wasmedge', 'wasmer', 'wamr'].map((engine) => ({
    upstream: `runwasi, ${engine}: "./", a signature and a certificate beside it`,
    source: 'containerd/runwasi, .github/workflows/action-build.yml and actions/sign',
    files: runwasi(`containerd-shim-${engine}-v1`),
    tar: [...gz, '.'],
    wanted: shim(`${engine}-v1`),
    gives: [`containerd-shim-${engine}-v1`],
  })),
  {
    upstream: 'runwasi v0.3: the shim, a shim of the daemon, and the daemon',
    source: 'containerd/runwasi, Makefile of containerd-shim-wasmtime/v0.3.0',
    files: ['containerd-shim-wasmtime-v1', 'containerd-shim-wasmtimed-v1', 'containerd-wasmtimed'],
    tar: [...gz, '.'],
    wanted: shim('wasmtime-v1'),
    gives: ['containerd-shim-wasmtime-v1'],
  },
  {
    upstream: 'runwasi, asked for by a name of another version',
    source: 'the same',
    files: runwasi('containerd-shim-wasmtime-v1'),
    tar: [...gz, '.'],
    wanted: shim('wasmtime'),
    gives: ['containerd-shim-wasmtime-v1'],
  },
  {
    upstream: 'containerd-wasm-shims v0.3: all shims in one archive',
    source: 'k0sproject/wasm-enabler, Dockerfile',
    files: ['containerd-shim-spin-v1', 'containerd-shim-slight-v1'],
    tar: [...gz, 'containerd-shim-slight-v1', 'containerd-shim-spin-v1'],
    wanted: shim('slight-v1'),
    gives: ['containerd-shim-slight-v1'],
  },
  {
    upstream: 'containerd-wasm-shims v0.3, asked for what it has not',
    source: 'the same',
    files: ['containerd-shim-spin-v1', 'containerd-shim-slight-v1'],
    tar: [...gz, 'containerd-shim-slight-v1', 'containerd-shim-spin-v1'],
    wanted: shim('spin-v2'),
    says: /no "containerd-shim-spin-v2" but several shims: "containerd-shim-slight-v1", "containerd-shim-spin-v1"$/,
  },
  ...['slight', 'lunatic', 'wws'].map((name) => ({
    upstream: `containerd-wasm-shims v0.10.0, ${name}`,
    source: 'deislabs/containerd-wasm-shims, .github/workflows/build.yaml',
    files: [`containerd-shim-${name}-v1`],
    tar: [...gz, `containerd-shim-${name}-v1`],
    wanted: shim(`${name}-v1`),
    gives: [`containerd-shim-${name}-v1`],
  })),
  {
    upstream: 'containerd-wasm-shims, the version in the name of the shim',
    source: 'Azure/AgentBaker, vhdbuilder/release-notes (containerd-shim-spin-v0-8-0-v1)',
    files: ['containerd-shim-spin-v0-8-0-v1'],
    tar: [...gz, '.'],
    wanted: shim('spin-v1'),
    gives: ['containerd-shim-spin-v0-8-0-v1'],
  },
  {
    upstream: 'an answer of GitHub in the place of the shim, as images of AKS had it',
    source: 'Azure/AgentBaker, vhdbuilder/release-notes of 2025-01-22: shims of 9 kB',
    files: { 'containerd-shim-spin-v1': '\n<!DOCTYPE html>\n<html lang="en"><title>Page not found</title>' },
    wanted: shim('spin-v1'),
    says: /the artifact is an HTML page/,
  },
  {
    upstream: 'gVisor until 20260817: the shim as it is',
    source: 'storage.googleapis.com/gvisor/releases/release/20260817.0/x86_64',
    files: ['containerd-shim-runsc-v1'],
    wanted: shim('runsc-v1'),
    gives: ['containerd-shim-runsc-v1'],
  },
  {
    upstream: 'gVisor since 20260824, gvisor.tar.bz2',
    source: 'google/gvisor, debian/BUILD; https://gvisor.dev/docs/user_guide/install/',
    files: ['runsc', 'containerd-shim-runsc-v1', 'gvisor-bin/gvisor_sentry', 'gvisor-bin/checkpointgofer'],
    tar: ['-cjf', 'FILE', './runsc', './containerd-shim-runsc-v1', './gvisor-bin'],
    wanted: shim('runsc-v1'),
    gives: ['containerd-shim-runsc-v1'],
  },
  {
    upstream: 'gVisor since 20260824, runsc as an OCI runtime',
    source: 'the same',
    files: ['runsc', 'containerd-shim-runsc-v1', 'gvisor-bin/gvisor_sentry'],
    tar: ['-cjf', 'FILE', '.'],
    wanted: named('runsc'),
    gives: ['runsc'],
  },
  {
    upstream: 'gVisor since 20260831, gvisor.tar.zstd, with a window of 128 MiB',
    source: 'google/gvisor, tools/zstd/compressor.c',
    files: { runsc: 'large', 'containerd-shim-runsc-v1': '' },
    tar: ['--use-compress-program=zstd --ultra -22 --long=27', '-cf', 'FILE', '.'],
    wanted: shim('runsc-v1'),
    says: /window of more than 8388608 bytes \(zstd --long or --ultra\); level 19 needs no more, and so does any other compression that upstream publishes$/,
  },
  {
    upstream: 'Kata 4.1: kata-static-4.1.0-amd64.tar.zst, all of /opt/kata',
    source:
      'kata-containers, tools/packaging/kata-deploy/local-build/kata-deploy-merge-builds.sh and docs/releases/4.1.0.md',
    files: [
      'opt/kata/VERSION',
      'opt/kata/bin/qemu-system-x86_64',
      'opt/kata/runtime-rs/bin/containerd-shim-kata-v2',
      'opt/kata/share/kata-containers/vmlinux.container',
    ],
    tar: ['--use-compress-program=zstd -10', '-cf', 'FILE', '--owner=0', '--group=0', '.'],
    wanted: shim('kata-v2'),
    gives: ['opt/kata/runtime-rs/bin/containerd-shim-kata-v2'],
  },
  {
    upstream: 'Kata 3.20: kata-static-3.20.0-amd64.tar.xz, with a shim in Go and one in Rust',
    source: 'kata-containers, tools/packaging/kata-deploy/binary/src/utils/system.rs (the two paths)',
    files: [
      'opt/kata/bin/containerd-shim-kata-v2',
      'opt/kata/bin/kata-runtime',
      'opt/kata/runtime-rs/bin/containerd-shim-kata-v2',
    ],
    tar: ['-cJf', 'FILE', '--sort=name', '.'],
    wanted: shim('kata-v2'),
    says: /has "containerd-shim-kata-v2" 2 times: "\.\/opt\/kata\/bin\/containerd-shim-kata-v2", "\.\/opt\/kata\/runtime-rs\/bin\/containerd-shim-kata-v2"$/,
  },
  {
    upstream: 'Kata 3.2: the same with one shim',
    source: 'the same',
    files: ['opt/kata/bin/containerd-shim-kata-v2', 'opt/kata/bin/kata-runtime'],
    tar: ['-cJf', 'FILE', '.'],
    wanted: shim('kata-v2'),
    gives: ['opt/kata/bin/containerd-shim-kata-v2'],
  },
  {
    upstream: 'Sysbox: sysbox-ce_0.6.7-0.linux_amd64.deb',
    source: 'nestybox/sysbox, docs/user-guide/install-package.md',
    files: { 'sysbox-ce_0.6.7-0.linux_amd64.deb': '!<arch>\ndebian-binary   1700000000' },
    wanted: named('sysbox-runc'),
    says: /the artifact is a Debian package or another ar archive/,
  },
  {
    upstream: 'crun 1.28: crun-1.28-linux-amd64, as it is',
    source: 'containers/crun, build-aux/release.sh',
    files: ['crun-1.28-linux-amd64'],
    wanted: named('crun'),
    gives: ['crun-1.28-linux-amd64'],
  },
  {
    upstream: 'crun 1.28, asked for with a library that is not there',
    source: 'the same',
    files: ['crun-1.28-linux-amd64'],
    wanted: named('crun', 'libwasmedge.so.0'),
    says: /the artifact is a single program, and 2 files are wanted of it/,
  },
  {
    upstream: 'youki 0.7.0: youki-0.7.0-x86_64-musl.tar.gz',
    source: 'youki-dev/youki, .github/workflows/release.yaml',
    files: ['youki', 'README.md', 'LICENSE'],
    tar: ['-zcvf', 'FILE', 'youki', 'README.md', 'LICENSE'],
    wanted: named('youki'),
    gives: ['youki'],
  },
  {
    upstream: 'WasmEdge 0.14.1: the name that a program loads is a link',
    source: 'WasmEdge-0.14.1-manylinux_2_28_x86_64.tar.gz of WasmEdge/WasmEdge, utils/install.py',
    files: {
      'WasmEdge-0.14.1-Linux/bin/wasmedge': 'program',
      'WasmEdge-0.14.1-Linux/lib64/libwasmedge.so': '->libwasmedge.so.0',
      'WasmEdge-0.14.1-Linux/lib64/libwasmedge.so.0': '->libwasmedge.so.0.1.0',
      'WasmEdge-0.14.1-Linux/lib64/libwasmedge.so.0.1.0': 'library',
    },
    tar: [...gz, 'WasmEdge-0.14.1-Linux'],
    wanted: named('libwasmedge.so.0'),
    says: /"WasmEdge-0\.14\.1-Linux\/lib64\/libwasmedge\.so\.0" is not a regular file in the archive but SymbolicLink to "libwasmedge\.so\.0\.1\.0"$/,
  },
  {
    upstream: 'the same, packed with -h as the sample of crun with WasmEdge says',
    source: 'bootstrap/samples/shim-crun-wasmedge.yaml',
    files: {
      crun: 'program',
      'libwasmedge.so.0': '->libwasmedge.so.0.1.0',
      'libwasmedge.so.0.1.0': 'library',
    },
    tar: ['-czhf', 'FILE', 'crun', 'libwasmedge.so.0'],
    wanted: named('crun', 'libwasmedge.so.0'),
    gives: ['crun', 'libwasmedge.so.0'],
  },
  {
    upstream: 'the C library of wasmtime alone, where crun is wanted, too',
    source: 'wasmtime-v38.0.3-x86_64-linux-c-api.tar.xz of bytecodealliance/wasmtime',
    files: [
      'wasmtime-v38.0.3-x86_64-linux-c-api/LICENSE',
      'wasmtime-v38.0.3-x86_64-linux-c-api/lib/libwasmtime.a',
      'wasmtime-v38.0.3-x86_64-linux-c-api/lib/libwasmtime.so',
    ],
    tar: ['-cJf', 'FILE', '--sort=name', 'wasmtime-v38.0.3-x86_64-linux-c-api'],
    wanted: named('crun', 'libwasmtime.so'),
    says: /has no "crun"; it holds "[^"]+\/LICENSE", "[^"]+\/lib\/libwasmtime\.a", "[^"]+\/lib\/libwasmtime\.so"$/,
  },
  {
    upstream: 'crun with wasmtime in a folder of its own, modes as on a shared drive',
    source: 'bootstrap/samples/shim-crun-wasmtime.yaml',
    files: ['crun-wasmtime/bin/crun', 'crun-wasmtime/lib/libwasmtime.so', 'crun-wasmtime/README.md'],
    tar: ['-cJf', 'FILE', '--mode=0666', 'crun-wasmtime'],
    wanted: named('crun', 'libwasmtime.so'),
    gives: ['crun-wasmtime/bin/crun', 'crun-wasmtime/lib/libwasmtime.so'],
  },
  {
    upstream: 'an artifact of GitHub Actions: the archive of the release in a tar of its own',
    source: 'https://docs.github.com/en/actions/concepts/workflows-and-actions/workflow-artifacts',
    files: ['containerd-shim-wasmtime-x86_64-linux-musl.tar.gz'],
    tar: ['-cf', 'FILE', '.'],
    wanted: shim('wasmtime-v1'),
    says: /has no "containerd-shim-wasmtime-v1"; it holds "\.\/containerd-shim-wasmtime-x86_64-linux-musl\.tar\.gz"$/,
  },
];

/** Each file is another one, so that the right one can be told. */
const bodyOf = (path: string, text = ''): string => (/^[\n!B]/.test(text) ? text : `\x7fELF ${path} ${text}`);

for (const { upstream, source, files, tar, wanted, gives = [], says } of table)
  t.test(upstream, async (t) => {
    const folder = t.testdir({ tree: {}, out: {} });
    const archive = join(folder, 'archive');
    const entries: readonly (readonly [string, string])[] = Array.isArray(files)
      ? files.map((path: string) => [path, ''] as const)
      : Object.entries(files);
    for (const [path, text] of entries) {
      const at = join(folder, 'tree', path);
      mkdirSync(dirname(at), { recursive: true });
      if (text.startsWith('->')) symlinkSync(text.slice(2), at);
      else {
        writeFileSync(at, bodyOf(path, text), 'latin1');
        chmodSync(at, 0o600);
      }
    }
    if (tar === undefined) writeFileSync(archive, readFileSync(join(folder, 'tree', entries[0]?.[0] ?? '')));
    else
      execFileSync(
        'tar',
        tar.map((word) => (word === 'FILE' ? archive : word)),
        {
          cwd: join(folder, 'tree'),
          stdio: ['ignore', 'ignore', 'inherit'],
        },
      );
    const limits = { maxBytes: 4_000_000, maxEntries: 1000 };
    const attempt = pick(archive, wanted, join(folder, 'out'), limits);
    if (says !== undefined) {
      const error: unknown = await attempt.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (!(error instanceof Failure)) throw error ?? new Error(`it was taken (${source})`);
      t.match(error.problem, { code: 'bad-archive', message: says });
      return;
    }
    const picked = await attempt;
    t.same(
      picked.map(({ path }) => readFileSync(path, 'latin1')),
      gives.map((path) => readFileSync(join(folder, 'tree', path), 'latin1')),
    );
    if (tar !== undefined)
      t.same(
        picked.map(({ name }) => name),
        gives.map((path) => basename(path)),
      );
  });
