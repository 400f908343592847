/** Zip archives as tools write them, and as only those do who want to be read in two ways. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { walkZip } from '../../../../host/artifact/formats/zip.ts';
import { Failure } from '../../../../protocol/problem/problem.ts';
import { mutated, randomFrom, type ZipEnd, type ZipEntry, zipOf } from '../../../fixtures/artifacts/pack.ts';

const limits = { maxBytes: 4_000_000, maxEntries: 100 };
const program = readFileSync(process.execPath).subarray(0, 300_000);

type Found = { readonly path: string; readonly type: string; readonly body?: Buffer };

/** All entries, files with what they hold. */
const walk = async (path: string, given = limits, wants = (_path: string): boolean => true) => {
  const found = new Map<unknown, Found>();
  await using handle = await open(path);
  await walkZip(handle, given, {
    wants: (entry) => {
      found.set(entry, entry);
      return entry.type === 'File' && wants(entry.path);
    },
    data: async (entry, piece) => {
      await new Promise((resolve) => setImmediate(resolve));
      const before = found.get(entry)?.body ?? Buffer.alloc(0);
      found.set(entry, { ...entry, body: Buffer.concat([before, piece]) });
    },
  });
  return [...found.values()];
};
const walkBytes = async (t: Test, bytes: Buffer, ...more: readonly [] | readonly [typeof limits]) => {
  const path = join(t.testdir(), 'x.zip');
  writeFileSync(path, bytes);
  return walk(path, ...more);
};
const refused = async (
  t: Test,
  entries: readonly ZipEntry[] | Buffer,
  message: RegExp,
  end: ZipEnd = {},
  code = 'bad-archive',
) => {
  const bytes = Buffer.isBuffer(entries) ? entries : zipOf(entries, end);
  await walkBytes(t, bytes).then(
    () => t.fail(`accepted; expected ${message.source}`),
    (error: unknown) => {
      if (!(error instanceof Failure)) throw error;
      t.match(error.problem, { code, message });
    },
  );
};

const file = { path: 'a/b', body: program } as const;

t.test('entries are given by the directory, whatever tool and system made it', async (t) => {
  const found = await walkBytes(
    t,
    zipOf(
      [
        { path: 'dir/', mode: 0o040755 },
        { path: './dir/plain', body: program, mode: 0o100644 },
        { path: 'stored', body: 'kept', method: 0 },
        { path: 'streamed', body: program, streamed: true },
        { path: 'empty', mode: 0o100755 },
        { path: 'link', body: '/etc/passwd', mode: 0o120777 },
        { path: 'pipe', mode: 0o010644 },
        { path: 'unheard-of', mode: 0o150000 },
        { path: '../out', body: 'x' },
      ],
      { comment: 'a comment, with PK\x05\x06 in it and some more than twenty-two bytes' },
    ),
  );
  t.same(
    found.map(({ path, type, body }) => [path, type, body?.length]),
    [
      ['dir/', 'Directory', undefined],
      ['./dir/plain', 'File', program.length],
      ['stored', 'File', 4],
      ['streamed', 'File', program.length],
      ['empty', 'File', 0],
      ['link', 'SymbolicLink', undefined],
      ['pipe', 'FIFO', undefined],
      ['unheard-of', 'Unknown', undefined],
      ['../out', 'File', 1],
    ],
  );
  t.ok(found[3]?.body?.equals(program));
  t.same(await walkBytes(t, zipOf([])), []);
});

const writers = [
  ['zip', ['-qr', 'x.zip', 'dir', 'noise']],
  ['zip', ['-qr', '-fd', 'x.zip', 'dir', 'noise']],
  ['python3', ['-m', 'zipfile', '-c', 'x.zip', 'dir', 'noise']],
] as const;
for (const [tool, argv] of writers) {
  const has = existsSync(`/usr/bin/${tool}`);
  t.test(
    `what ${tool} ${argv.join(' ')} writes is read`,
    { skip: has ? false : `needs ${tool}` },
    async (t) => {
      const folder = t.testdir({ dir: {} });
      const noise = randomBytes(100_000);
      mkdirSync(join(folder, 'dir/sub'));
      writeFileSync(join(folder, 'dir/sub/program'), program);
      writeFileSync(join(folder, 'noise'), noise);
      execFileSync(`/usr/bin/${tool}`, argv, { cwd: folder });
      const found = await walk(join(folder, 'x.zip'));
      const bodyOf = (path: string) => found.find((one) => one.path === path)?.body ?? Buffer.alloc(0);
      t.ok(bodyOf('dir/sub/program').equals(program));
      t.ok(bodyOf('noise').equals(noise));
    },
  );
}

t.test(
  'what is encrypted, compressed in another way, large or in parts is refused with the way out',
  async (t) => {
    await refused(t, [{ ...file, flags: 1 }], /has "a\/b" encrypted/);
    await refused(t, [{ ...file, flags: 0x2000 }], /has "a\/b" encrypted/);
    await refused(t, [{ ...file, method: 93 }], /has "a\/b" compressed with method 93, not with deflate/);
    await refused(
      t,
      [{ ...file, path: 'x'.repeat(60_000), flags: 1 }],
      /^the zip archive has "x{100}…" encrypted$/,
    );
    await refused(t, [file], /zip64/, { entries: 0xffff });
    await refused(t, [file], /zip64/, { size: 0xffffffff });
    await refused(t, [{ ...file, offset: 0xffffffff }], /zip64/);
    const locator = Buffer.alloc(20);
    locator.write('PK\x06\x07', 'latin1');
    await refused(t, [file], /zip64/, { between: locator });
    await refused(t, [file], /one of several files/, { disk: 1 });
    const path = join(t.testdir(), 'x.zip');
    writeFileSync(
      path,
      zipOf([
        { ...file, flags: 1 },
        { path: 'other', body: 'x' },
      ]),
    );
    const found = await walk(path, limits, (name) => name === 'other');
    t.equal(String(found[1]?.body), 'x', 'an entry that is not wanted may be encrypted');
  },
);

t.test('there is one way to read it, or none', async (t) => {
  const good = zipOf([file]);
  await refused(t, Buffer.concat([good, Buffer.from('x')]), /end mark is missing/);
  await refused(
    t,
    Buffer.concat([Buffer.from('#!/bin/sh\n'), good]),
    /directory is not where its end mark says/,
  );
  await refused(t, [file], /directory is not where its end mark says/, { between: Buffer.alloc(9) });
  await refused(t, [file], /directory is not where its end mark says/, { begin: 0 });
  await refused(t, [file], /an entry is missing/, { entries: 2 });
  await refused(t, [file, file], /something after its last entry/, { entries: 1 });
  await refused(t, [{ ...file, localPath: 'a/c' }], /"a\/b" is not where its directory says/);
  await refused(t, [file, { ...file, path: 'c', offset: 5 }], /"c" is not where its directory says/);
  await refused(t, [{ ...file, packed: 0x7fffffff }], /not before its directory/);
  await refused(t, [{ ...file, sum: 1 }], /has the wrong checksum/);
  await refused(t, [{ ...file, size: program.length - 1 }], /another size than its directory says/);
  await refused(t, [{ ...file, size: program.length + 1 }], /another size than its directory says/);
  await refused(
    t,
    [{ path: 'a', body: 'this is not deflated', method: 8, packed: 3 }],
    /cannot be decompressed|another size/,
  );
  await refused(t, [{ path: '' }], /no possible name/);
  await refused(t, [{ path: 'a\0b' }], /no possible name/);
  for (const length of [1, 21, 200, good.length - 1])
    await refused(t, good.subarray(0, length), /end mark is missing/);
});

t.test('sizes and numbers are limited by what the directory claims', async (t) => {
  await refused(t, [{ ...file, size: 4_000_001 }], /more than the 4000000 bytes/, {}, 'too-large');
  const shared = { path: 'a', body: Buffer.alloc(1_000_000) };
  // Entries that share their data: each is small, all together are not.
  const overlapping = Array.from({ length: 5 }, () => ({ ...shared, offset: 0 }));
  await refused(t, overlapping, /more than the 4000000 bytes/, {}, 'too-large');
  await refused(
    t,
    Array.from({ length: 101 }, (_, index) => ({ path: `${index}` })),
    /101 entries, more than the 100/,
  );
});

t.test('mutations give a Failure or other bytes, and always end', async (t) => {
  const bases = [
    zipOf([
      { path: 'a', body: program.subarray(0, 2000) },
      { path: 'b', body: 'stored', method: 0, streamed: true },
    ]),
    zipOf(
      [
        { path: 'dir/', mode: 0o040755 },
        { path: 'dir/a', body: Buffer.alloc(50_000) },
      ],
      { comment: 'x' },
    ),
  ];
  const random = randomFrom(20261130);
  const path = join(t.testdir(), 'x.zip');
  const counts = { read: 0, refused: 0 };
  for (let round = 0; round < 2000; round++) {
    writeFileSync(path, mutated(bases[random(bases.length)]!, random));
    const found = await walk(path).catch((error: unknown) => {
      if (!(error instanceof Failure)) throw error;
      return undefined;
    });
    counts[found ? 'read' : 'refused'] += 1;
  }
  t.comment(JSON.stringify(counts));
  t.ok(counts.refused > 1000 && counts.read > 0);
});
