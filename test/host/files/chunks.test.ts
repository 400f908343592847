import { randomBytes } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { pieces } from '../../../host/files/chunks.ts';

/** Copies, since a piece is valid only until the next one is asked for. */
const collected = async (path: string): Promise<readonly Buffer[]> => {
  const handle = await open(path);
  try {
    const copies: Buffer[] = [];
    for await (const piece of pieces(handle)) copies.push(Buffer.from(piece));
    return copies;
  } finally {
    await handle.close();
  }
};

t.test('a file is read completely and in order, whatever its size', async (t) => {
  const path = join(t.testdir(), 'file');
  for (const size of [0, 1, 64 * 1024, 64 * 1024 + 1, 300_000]) {
    const bytes = randomBytes(size);
    await writeFile(path, bytes);
    t.ok(Buffer.concat(await collected(path)).equals(bytes), `${size} bytes`);
  }
});

t.test('an empty file has no chunks', async (t) => {
  const path = join(t.testdir({ file: '' }), 'file');
  t.same(await collected(path), []);
});

t.test('all chunks share one buffer', async (t) => {
  const path = join(t.testdir(), 'file');
  await writeFile(path, randomBytes(300_000));
  const handle = await open(path);
  t.teardown(() => handle.close());
  const buffers = new Set<ArrayBufferLike>();
  for await (const piece of pieces(handle)) buffers.add(piece.buffer);
  t.equal(buffers.size, 1);
});

t.test('a folder cannot be read in chunks, and the error says so', async (t) => {
  await t.rejects(collected(t.testdir()), { code: 'EISDIR' });
});
