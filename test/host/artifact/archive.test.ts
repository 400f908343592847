import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Header } from 'tar';
import t, { type Test } from 'tap';
import { type Limits, pick, type Wanted } from '../../../host/artifact/archive.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { damagedArchives } from '../../fixtures/artifacts/damage.ts';
import { bzip2Of, xzOf, zipOf } from '../../fixtures/artifacts/pack.ts';

const limits: Limits = { maxBytes: 4_000_000, maxEntries: 100 };
const SPIN = 'containerd-shim-spin-v2';
const spin: Wanted = { kind: 'shim', name: 'spin-v2' };

type Entry = {
  readonly path: string;
  readonly body?: string | Buffer;
  readonly type?: string;
  readonly mode?: number;
  readonly linkpath?: string;
  readonly size?: number;
};

const pad = (body: Buffer): Buffer => Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);

/** One header by hand: the writers of libraries refuse half of what is tested here. */
const header = (entry: Entry, size: number): Buffer => {
  const block = Buffer.alloc(512);
  block.write(entry.path, 0, 100);
  block.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, '0')}\0`, 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write(entry.type ?? '0', 156);
  block.write(entry.linkpath ?? '', 157, 100);
  block.write('ustar\0', 257);
  block.write('00', 263);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
};

const part = (entry: Entry): Buffer => {
  const body = Buffer.from(entry.body ?? '');
  return Buffer.concat([header(entry, entry.size ?? body.length), pad(body)]);
};

const END = Buffer.alloc(1024);
const tarOf = (...entries: readonly Entry[]): Buffer => Buffer.concat([...entries.map(part), END]);

/** The problem of a Failure; anything else is not expected. */
const problemOf = async (attempt: Promise<unknown>) => {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return error.problem;
    throw error;
  }
};

const run = async (t: Test, bytes: Buffer, wanted: Wanted, given: Limits = limits) => {
  const folder = t.testdir({ out: {} });
  writeFileSync(join(folder, 'artifact'), bytes);
  const out = join(folder, 'out');
  return { out, picked: await pick(join(folder, 'artifact'), wanted, out, given) };
};

const fails = async (
  t: Test,
  bytes: Buffer,
  message: RegExp,
  {
    wanted = spin,
    code = 'bad-archive',
    given = limits,
  }: { wanted?: Wanted; code?: string; given?: Limits } = {},
) => {
  const folder = t.testdir({ out: { other: 'stays' } });
  writeFileSync(join(folder, 'artifact'), bytes);
  try {
    await pick(join(folder, 'artifact'), wanted, join(folder, 'out'), given);
    t.fail(`it was accepted; expected ${message}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    t.match(error.problem, { code, message });
  }
  t.same(readdirSync(join(folder, 'out')), ['other'], 'and the folder is as it was');
};

t.test('the headers made here are headers for tar', async (t) => {
  const made = new Header(header({ path: 'a/b', mode: 0o755 }, 7));
  t.match(made, { cksumValid: true, path: 'a/b', size: 7, mode: 0o755, type: 'File' });
});

const body = Buffer.alloc(200_000, 'binary ');
const good = tarOf(
  { path: './', type: '5' },
  { path: 'README.md', body: 'read' },
  { path: `./${SPIN}`, body },
);

for (const [name, bytes] of [
  ['a plain tar', good],
  ['a gzip tar', gzipSync(good)],
  ['a zstd tar', zstdCompressSync(good)],
  ['an xz tar', xzOf(good)],
  ['a bzip2 tar', bzip2Of(good)],
  [
    'a zip archive',
    zipOf([
      { path: 'bin/', mode: 0o040755 },
      { path: 'README.md', body: 'read' },
      { path: `./bin/${SPIN}`, body },
    ]),
  ],
  ['a zip archive that was made on Windows', zipOf([{ path: SPIN, body, streamed: true }])],
  [
    'a gzip tar of two members',
    Buffer.concat([gzipSync(good.subarray(0, 700)), gzipSync(good.subarray(700))]),
  ],
  ['a tar padded to a whole record', Buffer.concat([good, Buffer.alloc(9 * 1024)])],
  ['a gzip tar padded with zeros', Buffer.concat([gzipSync(good), Buffer.alloc(512)])],
] as const) {
  t.test(`the shim is extracted from ${name}, and nothing else`, async (t) => {
    const { out, picked } = await run(t, bytes, spin);
    const sha256 = createHash('sha256').update(body).digest('hex');
    t.same(picked, [{ name: SPIN, path: join(out, SPIN), sha256, bytes: body.length }]);
    t.ok(readFileSync(join(out, SPIN)).equals(body));
    t.same(readdirSync(out), [SPIN]);
    t.equal(statSync(join(out, SPIN)).mode & 0o7777, 0o755);
  });
}

t.test('a single program is stored as it is, compressed or not, under the wanted name', async (t) => {
  const elf = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.alloc(300, 1)]);
  for (const bytes of [
    elf,
    gzipSync(elf),
    zstdCompressSync(elf),
    xzOf(elf),
    bzip2Of(elf),
    Buffer.from('#!/bin/sh\n'),
  ]) {
    const { out } = await run(t, bytes, spin);
    t.same(readdirSync(out), [SPIN]);
  }
  const { picked } = await run(t, elf, { kind: 'named', names: ['crun'] });
  t.match(picked, [{ name: 'crun', bytes: 304 }]);
  await fails(t, elf, /single program, and 2 files are wanted/, {
    wanted: { kind: 'named', names: ['crun', 'libx.so'] },
  });
});

t.test('named files are extracted in the requested order, empty ones too', async (t) => {
  const bytes = tarOf(
    { path: 'lib/libx.so.1', body: 'x' },
    { path: 'bin/crun', body: 'crun' },
    { path: 'bin/empty' },
    { path: 'bin/other', body: 'no' },
  );
  const { out, picked } = await run(t, bytes, {
    kind: 'named',
    names: ['crun', 'empty', 'libx.so.1', 'crun'],
  });
  t.same(
    picked.map((file) => [file.name, file.bytes]),
    [
      ['crun', 4],
      ['empty', 0],
      ['libx.so.1', 1],
    ],
  );
  t.same(readdirSync(out).sort(), ['crun', 'empty', 'libx.so.1']);
});

t.test('names longer than a header can hold are read from both kinds of extension', async (t) => {
  const long = `${'deep/'.repeat(40)}${SPIN}`;
  const record = ` path=${long}\n`;
  const length = record.length + String(record.length + 3).length;
  const pax = tarOf(
    { path: 'PaxHeader', type: 'x', body: `${length}${record}` },
    { path: 'short', body: 'by pax' },
  );
  const gnu = tarOf(
    { path: '././@LongLink', type: 'L', body: `${long}\0` },
    { path: 'short', body: 'by gnu' },
  );
  t.equal(readFileSync((await run(t, pax, spin)).picked[0]?.path ?? '', 'utf8'), 'by pax');
  t.equal(readFileSync((await run(t, gnu, spin)).picked[0]?.path ?? '', 'utf8'), 'by gnu');
});

t.test('a shim with another name is extracted when it is the only one', async (t) => {
  const bytes = tarOf(
    { path: 'containerd-shim-slight-v0/', type: '5' },
    { path: 'containerd-shim-slight-v0/containerd-shim-slight-v1', body: 'slight' },
    { path: 'LICENSE' },
  );
  t.match((await run(t, bytes, spin)).picked, [{ name: 'containerd-shim-slight-v1' }]);
  const exact = tarOf({ path: 'containerd-shim-a', body: 'a' }, { path: SPIN, body: 'spin' });
  t.match((await run(t, exact, spin)).picked, [{ name: SPIN }]);
  const two = tarOf({ path: 'containerd-shim-a', body: 'a' }, { path: 'containerd-shim-b', body: 'b' });
  await fails(
    t,
    two,
    /no "containerd-shim-spin-v2" but several shims: "containerd-shim-a", "containerd-shim-b"/,
  );
});

const slight = 'containerd-shim-slight-v1';
const elf = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46]), Buffer.alloc(3000, 1)]);

t.test('signatures, digests and lists of contents do not count as shims', async (t) => {
  const beside = [
    '.sig',
    '.pem',
    '.sha256',
    '.asc',
    '.spdx.json',
    '.cdx.json',
    '.intoto.jsonl',
    '.bundle',
    '.crt',
  ];
  const entries = [
    ...['README.md', 'LICENSE', `${slight}-LICENSE`].map((path) => ({ path, body: 'text' })),
    ...beside.map((ending) => ({ path: `${slight}${ending}`, body: ending })),
  ];
  for (const list of [
    [{ path: slight, body: elf }, ...entries],
    [...entries, { path: `bin/${slight}`, body: elf }],
  ]) {
    const { out, picked } = await run(t, gzipSync(tarOf(...list)), spin);
    t.match(picked, [{ name: slight, bytes: elf.length }]);
    t.ok(readFileSync(join(out, slight)).equals(elf));
  }
  await fails(t, tarOf(...entries), /no "containerd-shim-spin-v2"; it holds/, { code: 'bad-archive' });
});

t.test('of several files with names of shims, the one that begins as a program is extracted', async (t) => {
  const odd = { path: `${slight}.in-some-format`, body: 'no program' };
  t.match((await run(t, tarOf(odd, { path: slight, body: elf }), spin)).picked, [{ name: slight }]);
  const script = { path: slight, body: '#!/bin/sh\n' };
  t.match((await run(t, tarOf(script, odd), spin)).picked, [{ name: slight, bytes: 10 }]);
  const same = [
    { path: `doc/${slight}`, body: 'how it is used' },
    { path: `bin/${slight}`, body: elf },
  ];
  const { picked } = await run(t, tarOf(...same), spin);
  t.match(picked, [{ name: slight, bytes: elf.length }], 'and nothing of another file of that name');
  const two = [odd, { path: slight, body: elf }, { path: 'containerd-shim-b', body: elf }];
  await fails(t, tarOf(...two), /several shims: "containerd-shim-slight-v1", "containerd-shim-b"$/);
});

t.test(
  'what was written and not chosen is not there afterwards, wherever the chosen one stands',
  async (t) => {
    const chosen = { path: SPIN, body: elf };
    const others = [
      { path: 'containerd-shim-a', body: 'no program' },
      { path: 'containerd-shim-b', body: elf },
      { path: 'containerd-shim-c', body: elf },
    ];
    for (const list of [
      [...others, chosen],
      [chosen, ...others],
    ]) {
      const { out, picked } = await run(t, gzipSync(tarOf(...list)), spin);
      t.match(picked, [{ name: SPIN, bytes: elf.length }]);
      t.same(readdirSync(out), [SPIN]);
      t.ok(readFileSync(join(out, SPIN)).equals(elf));
    }
  },
);

type Read = (this: object, ...given: unknown[]) => Promise<{ readonly bytesRead: number }>;

/** How many bytes are read of open files while `work` runs. */
const bytesRead = async (work: () => Promise<unknown>): Promise<number> => {
  await using handle = await open(import.meta.filename);
  const handles = Object.getPrototypeOf(handle) as { read: Read };
  const { read } = handles;
  const sum = { bytes: 0 };
  handles.read = async function (...given) {
    const result = await read.apply(this, given);
    sum.bytes += result.bytesRead;
    return result;
  };
  try {
    await work();
  } finally {
    handles.read = read;
  }
  return sum.bytes;
};

t.test('an archive is read and decompressed once, but for its first bytes', async (t) => {
  // Bytes that no compression makes fewer.
  const program = Buffer.concat([elf, randomBytes(3_000_000)]);
  const bytes = tarOf(
    { path: 'containerd-shim-a', body: 'no program' },
    { path: SPIN, body: program },
    { path: 'containerd-shim-c', body: elf },
  );
  for (const [name, artifact] of [
    ['plain', bytes],
    ['gzip', gzipSync(bytes)],
    ['zstd', zstdCompressSync(bytes)],
  ] as const) {
    const read = await bytesRead(() => run(t, artifact, spin));
    t.ok(read >= artifact.length, `${name}: ${read} bytes are read of ${artifact.length}`);
    t.ok(read < artifact.length * 1.2, `${name}: ${read} bytes are read of ${artifact.length}`);
  }
});

t.test('links beside the only shim do not matter', async (t) => {
  const real = { path: 'bin/containerd-shim-slight-v1', body: 'slight' };
  const link = { path: 'containerd-shim-slight', type: '2', linkpath: 'bin/containerd-shim-slight-v1' };
  const hard = { path: 'containerd-shim-hard', type: '1', linkpath: real.path };
  const { out, picked } = await run(t, tarOf(link, real, hard), spin);
  t.match(picked, [{ name: 'containerd-shim-slight-v1', bytes: 6 }]);
  t.same(readdirSync(out), ['containerd-shim-slight-v1']);
  await fails(t, tarOf(link, hard), /but several shims: "containerd-shim-slight", "containerd-shim-hard"/);
  const second = { path: 'old/containerd-shim-slight-v1', body: 'older' };
  await fails(t, tarOf(real, second), /several shims: "bin\/.*", "old\/containerd-shim-slight-v1"/);
  const outside = { path: '../containerd-shim-slight-v1', body: 'x' };
  await fails(t, tarOf(link, outside), /leads out of the archive/);
});

t.test('setuid, setgid and a missing x are not copied', async (t) => {
  const { picked } = await run(t, tarOf({ path: SPIN, body: 'x', mode: 0o6444 }), spin);
  t.equal(statSync(picked[0]?.path ?? '').mode & 0o7777, 0o755);
});

t.test('a wanted entry that is no regular file is refused, whatever kind it is', async (t) => {
  const target = '/etc/shadow';
  await fails(t, tarOf({ path: SPIN, type: '2', linkpath: target }), /not a regular file.*SymbolicLink/);
  await fails(t, tarOf({ path: 'x', body: 'x' }, { path: SPIN, type: '1', linkpath: 'x' }), /but Link/);
  await fails(t, tarOf({ path: SPIN, type: '3' }), /CharacterDevice/);
  await fails(t, tarOf({ path: SPIN, type: '4' }), /BlockDevice/);
  await fails(t, tarOf({ path: SPIN, type: '6' }), /FIFO/);
  await fails(t, tarOf({ path: `${SPIN}/`, type: '5' }), /Directory/);
  const only = { path: 'containerd-shim-other', type: '2', linkpath: target };
  await fails(t, tarOf(only), /not a regular file.*SymbolicLink/);
});

t.test('a name that appears twice is refused, also as a link beside the file', async (t) => {
  await fails(t, tarOf({ path: SPIN, body: 'a' }, { path: `bin/${SPIN}`, body: 'b' }), /2 times/);
  await fails(t, tarOf({ path: SPIN, type: '2', linkpath: 'x' }, { path: SPIN, body: 'b' }), /2 times/);
});

t.test('paths that lead out of the archive are refused when wanted and skipped when not', async (t) => {
  await fails(t, tarOf({ path: `../../bin/${SPIN}`, body: 'x' }), /leads out of the archive/);
  await fails(t, tarOf({ path: `/usr/bin/${SPIN}`, body: 'x' }), /leads out of the archive/);
  await fails(t, tarOf({ path: '/x/containerd-shim-a', body: 'x' }), /leads out of the archive/);
  const { out } = await run(
    t,
    tarOf({ path: '../../evil', body: 'x' }, { path: '/evil', body: 'x' }, { path: SPIN, body: 'x' }),
    spin,
  );
  t.same(readdirSync(out), [SPIN]);
  t.notOk(existsSync('/evil'));
});

t.test('the message for a missing name lists the names that exist', async (t) => {
  const many = Array.from({ length: 20 }, (_, index) => ({ path: `file-${index}`, body: 'x' }));
  await fails(t, tarOf(...many), /no "containerd-shim-spin-v2"; it holds "file-0", .*"file-9" and 10 more$/);
  await fails(t, tarOf({ path: 'a\u001b[31m', body: 'x' }), /it holds "a\\u001b\[31m"/);
  await fails(t, tarOf({ path: 'folder/', type: '5' }), /it holds nothing/);
});

t.test('a message lists a few names only, each cut', async (t) => {
  const deep = 'n'.repeat(50_000);
  const long = (name: string) => {
    const path = ` path=${deep}/${name}\n`;
    return { path: 'PaxHeader', type: 'x', body: `${path.length + 5}${path}` };
  };
  const named = (name: string) => [long(name), { path: 'short', body: 'x' }];
  const most = { given: { maxBytes: 40_000_000, maxEntries: 1000 } };
  const hundred = Array.from({ length: 100 }, (_, index) => index);
  const shims = hundred.flatMap((index) => named(`containerd-shim-${index}`));
  await fails(t, tarOf(...shims), /several shims: ("n{100}…"(, )?){10} and 90 more$/, most);
  await fails(
    t,
    tarOf(...hundred.flatMap(() => named('x'))),
    /it holds ("n{100}…"(, )?){10} and 90 more$/,
    most,
  );
  await fails(
    t,
    tarOf(...hundred.flatMap(() => named(SPIN))),
    /"containerd-shim-spin-v2" 100 times: .* and 90 more$/,
    most,
  );
  // No file system would take it for the name of a file.
  const endless = { ...named(`containerd-shim-${'n'.repeat(300)}`)[1], path: 'short', body: 'x' };
  await fails(
    t,
    tarOf(long(`containerd-shim-${'n'.repeat(300)}`), endless),
    /has no "containerd-shim-spin-v2"; it/,
  );
});

t.test('a truncated archive is refused and leaves nothing', async (t) => {
  const code = 'bad-archive';
  await fails(t, gzipSync(good).subarray(0, -9), /cannot be read to its end/, { code });
  await fails(t, zstdCompressSync(good).subarray(0, -9), /cannot be read to its end/);
  await fails(t, good.subarray(0, 100_000), /cut off/);
  await fails(t, good.subarray(0, 100_123), /cut off/);
  await fails(t, good.subarray(0, -1024), /cut off: its end mark is missing/);
  await fails(t, good.subarray(0, -512), /cut off: its end mark is missing/);
});

t.test('garbage after the end is refused, at every layer', async (t) => {
  const garbage = Buffer.from('garbage');
  await fails(t, Buffer.concat([good, garbage]), /something after its end/);
  await fails(t, Buffer.concat([good, tarOf({ path: 'hidden', body: 'x' })]), /something after its end/);
  await fails(t, Buffer.concat([gzipSync(good), garbage]), /cannot be read to its end/);
  await fails(t, Buffer.concat([zstdCompressSync(good), garbage]), /cannot be read to its end/);
});

t.test('damage within is refused', async (t) => {
  const wrongSum = Buffer.from(good);
  wrongSum[512 + 5] = 0x7a;
  await fails(t, wrongSum, /damaged: .*checksum/);
  const flipped = gzipSync(good);
  flipped[flipped.length - 6] = (flipped[flipped.length - 6] ?? 0) ^ 0xff;
  await fails(t, flipped, /cannot be read to its end/);
  await fails(t, tarOf({ path: SPIN, body: 'short', size: 100_000 }), /cut off/);
});

t.test('a file that is no archive is refused by its kind', async (t) => {
  await fails(t, Buffer.alloc(0), /is empty/);
  await fails(t, gzipSync(Buffer.alloc(0)), /is empty/);
  await fails(t, Buffer.from([1, 2, 3]), /of no known kind; a tar archive/);
  await fails(t, Buffer.from('<html>not found</html>'), /is an HTML page; a tar archive/);
  await fails(t, gzipSync(Buffer.from('<!DOCTYPE html><title>Log in')), /is an HTML page/);
  await fails(
    t,
    Buffer.from([0x50, 0x4b, 3, 4, 0, 0]),
    /the zip archive is damaged: its end mark is missing/,
  );
  await fails(t, Buffer.from('fd377a585a000004', 'hex'), /cannot be read to its end: the xz data is cut off/);
  await fails(t, Buffer.from('BZh91AY&SY'), /cannot be read to its end: the bzip2 data is cut off/);
  await fails(t, Buffer.from('\x04"M\x18d', 'latin1'), /is compressed with lz4/);
  await fails(t, Buffer.from('377abcaf271c0004', 'hex'), /is a 7z archive/);
  await fails(t, Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /is a git-lfs pointer/);
  for (const inner of [gzipSync(good), xzOf(good), bzip2Of(good), zipOf([{ path: SPIN }])])
    for (const outer of [gzipSync(inner), zstdCompressSync(inner), xzOf(inner)])
      await fails(t, outer, /compressed twice/);
  await fails(t, Buffer.from([0x1f, 0x8b]), /cannot be read to its end/);
  // A name that looks like gzip would make the parser decompress by itself, past every limit.
  const disguised = Buffer.from(good);
  disguised.set([0x1f, 0x8b]);
  await fails(t, gzipSync(disguised), /compressed twice/);
});

t.test('archive bombs stop at the limits', async (t) => {
  const bomb = tarOf({ path: SPIN, body: Buffer.alloc(5_000_000) });
  await fails(t, gzipSync(bomb), /more than the 4000000 bytes/, { code: 'too-large' });
  await fails(t, zstdCompressSync(bomb), /more than the 4000000 bytes/, { code: 'too-large' });
  for (const packed of [xzOf(bomb), bzip2Of(bomb)])
    await fails(t, packed, /more than the 4000000 bytes/, { code: 'too-large' });
  const zipped = zipOf([{ path: SPIN, body: Buffer.alloc(5_000_000) }]);
  await fails(t, zipped, /more than the 4000000 bytes/, { code: 'too-large' });
  const script = Buffer.concat([Buffer.from('#!'), Buffer.alloc(5_000_000)]);
  await fails(t, gzipSync(script), /more than the 4000000 bytes/, { code: 'too-large' });
  const many = tarOf(...Array.from({ length: 101 }, (_, index) => ({ path: `${index}` })));
  await fails(t, gzipSync(many), /more than 100 entries/);
  const metas = Array.from({ length: 101 }, () => ({ path: 'L', type: 'L', body: 'name\0' }));
  await fails(t, tarOf(...metas, { path: SPIN, body: 'x' }), /more than 100 entries/);
  const meta = { path: 'L', type: 'L', body: Buffer.alloc(2_000_000, 'n') };
  await fails(t, tarOf(meta, { path: SPIN, body: 'x' }), /extended header that is too large/);
});

t.test('damage of any kind, in any format, is a Failure, and leaves nothing behind', (t) =>
  damagedArchives(t, 240),
);

t.test('a size in an extended header is read', async (t) => {
  const smuggled = tarOf({ path: 'inner', body: 'x' }).subarray(0, 1024);
  const bytes = tarOf(
    { path: 'PaxHeader', type: 'x', body: '13 size=1024\n' },
    { path: SPIN, body: smuggled, size: 0 },
  );
  const { picked } = await run(t, bytes, spin);
  t.match(picked, [{ name: SPIN, bytes: 1024 }]);
});

t.test('names with slashes are refused before anything is read', async (t) => {
  for (const name of ['../x', 'a/b', '', '..', 'nul\0']) {
    await fails(t, good, /cannot be taken out/, {
      wanted: { kind: 'named', names: [name] },
      code: 'bad-value',
    });
  }
  await fails(t, good, /cannot be taken out/, { wanted: { kind: 'named', names: [] }, code: 'bad-value' });
  await fails(t, good, /cannot be taken out/, {
    wanted: { kind: 'shim', name: '../../x' },
    code: 'bad-value',
  });
});

t.test('an existing file is neither replaced nor removed', async (t) => {
  const folder = t.testdir({ out: { b: 'mine' }, victim: 'mine' });
  writeFileSync(join(folder, 'artifact'), tarOf({ path: 'a', body: 'x' }, { path: 'b', body: 'x' }));
  const wanted: Wanted = { kind: 'named', names: ['a', 'b'] };
  const attempt = () => pick(join(folder, 'artifact'), wanted, join(folder, 'out'), limits);
  t.match(await problemOf(attempt()), { code: 'cannot-write' });
  t.same(readdirSync(join(folder, 'out')), ['b']);
  t.equal(readFileSync(join(folder, 'out/b'), 'utf8'), 'mine');

  mkdirSync(join(folder, 'linked'));
  symlinkSync('../victim', join(folder, 'linked/a'));
  const linked = pick(join(folder, 'artifact'), wanted, join(folder, 'linked'), limits);
  t.match(await problemOf(linked), { code: 'cannot-write' });
  t.equal(readFileSync(join(folder, 'victim'), 'utf8'), 'mine');
});

t.test('a missing artifact or folder is reported', async (t) => {
  const folder = t.testdir({ artifact: tarOf({ path: SPIN, body: 'x' }) });
  const none = pick(join(folder, 'none'), spin, folder, limits);
  t.match(await problemOf(none), { code: 'bad-archive', message: /ENOENT/ });
  t.match(await problemOf(pick(folder, spin, folder, limits)), { message: /not a regular file/ });
  const nowhere = pick(join(folder, 'artifact'), spin, join(folder, 'nowhere'), limits);
  t.match(await problemOf(nowhere), { code: 'cannot-write' });
});
