import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { contentOf, payload } from '../../../host/artifact/compression.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { bzip2Of, xzOf } from '../../fixtures/artifacts/pack.ts';

const opened = async (t: Test, bytes: Uint8Array): Promise<FileHandle> => {
  const path = join(t.testdir(), 'artifact');
  writeFileSync(path, bytes);
  const handle = await open(path);
  t.teardown(() => handle.close());
  return handle;
};

const sumOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const read = async (handle: FileHandle, maxBytes = 10_000_000) => {
  const hash = createHash('sha256');
  for await (const piece of payload(handle, maxBytes)) hash.update(piece);
  return hash.digest('hex');
};

const failsWith = async (t: Test, work: Promise<unknown>, code: string, message: RegExp) => {
  try {
    await work;
    t.fail(`it was accepted; expected ${message}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    t.match(error.problem, { code, message });
  }
};

const piece = 256 * 1024;

for (const size of [1, 511, 64 * 1024, piece - 1, piece, piece + 1, 4 * piece, 5_000_000])
  for (const [kind, bytes] of [
    ['noise', randomBytes(size)],
    ['zeros', Buffer.alloc(size)],
  ] as const)
    t.test(`${size} bytes of ${kind} are unpacked unchanged, whatever they were packed with`, async (t) => {
      const packed = {
        // Not to be taken for compressed by its first bytes.
        plain: Buffer.concat([Buffer.from('#!'), bytes]),
        gzip: gzipSync(bytes),
        zstd: zstdCompressSync(bytes),
        members: Buffer.concat([gzipSync(bytes.subarray(0, 300)), gzipSync(bytes.subarray(300))]),
        frames: Buffer.concat([
          zstdCompressSync(bytes.subarray(0, 300)),
          zstdCompressSync(bytes.subarray(300)),
        ]),
      };
      for (const [name, file] of Object.entries(packed)) {
        const handle = await opened(t, file);
        const sum = sumOf(name === 'plain' ? file : bytes);
        t.equal(await read(handle), sum, name);
        t.equal(await read(handle), sum, `${name}, a second time`);
      }
    });

t.test('a slow consumer gets no byte of the next chunk early', async (t) => {
  const bytes = randomBytes(1_000_000);
  for (const file of [gzipSync(bytes), zstdCompressSync(bytes)]) {
    const hash = createHash('sha256');
    for await (const part of payload(await opened(t, file), 10_000_000)) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      hash.update(part);
    }
    t.equal(hash.digest('hex'), sumOf(bytes));
  }
});

t.test('a consumer that stops early leaves no open reader', async (t) => {
  const bytes = randomBytes(3_000_000);
  for (const file of [gzipSync(bytes), zstdCompressSync(bytes), bytes]) {
    const handle = await opened(t, file);
    for await (const part of payload(handle, 10_000_000)) {
      t.ok(part.length > 0);
      break;
    }
    t.type(await handle.stat(), Object, 'and the file is still open');
  }
});

t.test('other work goes on while much comes out of little', async (t) => {
  const zeros = Buffer.alloc(50_000_000);
  for (const [name, file] of [
    ['bzip2', bzip2Of(zeros)],
    ['xz', xzOf(zeros, '-1')],
  ] as const) {
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await read(await opened(t, file), zeros.length);
    isDone = true;
    t.ok(turns >= 20, `${name}: ${turns} turns of the event loop for ${file.length} bytes`);
  }
});

t.test('a file of nothing but empty streams takes no time', async (t) => {
  for (const empty of [bzip2Of(Buffer.alloc(0)), xzOf(Buffer.alloc(0)), gzipSync('')]) {
    const began = performance.now();
    t.equal(
      await read(await opened(t, Buffer.concat(Array.from({ length: 30_000 }, () => empty)))),
      sumOf(Buffer.alloc(0)),
    );
    t.comment(`${Math.round(performance.now() - began)} ms`);
  }
});

t.test('more than is allowed is refused, and so is damage', async (t) => {
  const bytes = Buffer.alloc(1_000_000);
  for (const file of [gzipSync(bytes), zstdCompressSync(bytes)]) {
    await failsWith(t, read(await opened(t, file), 999_999), 'too-large', /more than the 999999 bytes/);
    t.equal(await read(await opened(t, file), 1_000_000), sumOf(bytes));
    const cut = await opened(t, file.subarray(0, -3));
    await failsWith(t, read(cut), 'bad-archive', /cannot be read to its end/);
    const more = await opened(t, Buffer.concat([file, Buffer.from('garbage')]));
    await failsWith(t, read(more), 'bad-archive', /cannot be read to its end/);
  }
});

t.test('the window of zstd may be as large as that of level 19, and no larger', async (t) => {
  const bytes = Buffer.concat([randomBytes(9_000_000), Buffer.alloc(1000)]);
  const packed = (params: Record<number, number>) => zstdCompressSync(bytes, { params });
  const level19 = packed({ [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 23 });
  t.equal(await read(await opened(t, level19)), sumOf(bytes));
  const long = packed({ [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 24 });
  await failsWith(
    t,
    read(await opened(t, long)),
    'bad-archive',
    /window of more than 8388608 bytes \(zstd --long or --ultra\); level 19 needs no more/,
  );
});

t.test('the kind of content is recognised by its first block, however short', async (t) => {
  const tar = Buffer.alloc(1024);
  tar.write('ustar', 257);
  t.equal(await contentOf(await opened(t, tar), 10_000), 'tar');
  t.equal(await contentOf(await opened(t, zstdCompressSync(tar)), 10_000), 'tar');
  t.equal(await contentOf(await opened(t, Buffer.from('#!/bin/sh')), 10_000), 'binary');
  t.equal(await contentOf(await opened(t, gzipSync(Buffer.from('\x7fELF'))), 10_000), 'binary');
  await failsWith(
    t,
    contentOf(await opened(t, gzipSync(gzipSync('x'))), 10_000),
    'bad-archive',
    /compressed twice/,
  );
  await failsWith(t, contentOf(await opened(t, Buffer.alloc(0)), 10_000), 'bad-archive', /is empty/);
});
