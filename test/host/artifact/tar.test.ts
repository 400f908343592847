import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create } from 'tar';
import t, { type Test } from 'tap';
import { walkTar } from '../../../host/artifact/tar.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { paxRecord, tarEnd, tarEntry, tarHeader, withSum } from '../../fixtures/artifacts/hostile.ts';

/** In pieces of so many bytes, through one buffer, as a file comes. */
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < bytes.length; at += size)
    yield buffer.subarray(0, bytes.copy(buffer, 0, at, Math.min(at + size, bytes.length)));
}

const walked = async (bytes: Buffer, size = 1000, maxEntries = 100) => {
  const seen: { path: string; type: string; body: Buffer }[] = [];
  await walkTar(pieces(bytes, size), maxEntries, {
    wants: ({ path, type }) => {
      seen.push({ path, type, body: Buffer.alloc(0) });
      return true;
    },
    data: async ({ path }, piece) => {
      const last = seen.at(-1);
      if (last?.path === path) last.body = Buffer.concat([last.body, piece]);
    },
  });
  return seen.map((one) => ({ ...one, body: one.body.toString('latin1') }));
};

const fails = async (t: Test, bytes: Buffer, message: RegExp, size?: number) => {
  try {
    await walked(bytes, size);
    t.fail(`it was accepted; expected ${message}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    t.match(error.problem, { code: 'bad-archive', message });
  }
};

t.test('what the library tar writes is read the same in pieces of any size', async (t) => {
  const folder = t.testdir();
  const files = { 'bin/crun': 'crun'.repeat(300), empty: '', [`${'deep/'.repeat(60)}é`]: 'x' };
  for (const [path, body] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), body);
  }
  const archive = await create({ cwd: folder }, Object.keys(files)).concat();
  const wanted = Object.entries(files).map(([path, body]) => ({ path, type: 'File', body }));
  for (const size of [1, 100, 511, 512, 513, 4096, 100_000]) t.same(await walked(archive, size), wanted);
});

t.test('an extended header applies to its entry only', async (t) => {
  const archive = Buffer.concat([
    tarEntry('g', 'g', paxRecord('path', 'everyone') + paxRecord('size', '1')),
    tarEntry('x', 'x', paxRecord('path', 'by pax') + paxRecord('size', '3')),
    tarEntry('K', 'K', 'a link target that is not followed'),
    // The size of the records is that of the file, not of what stands between.
    tarEntry('one', '0').subarray(0, 512),
    Buffer.concat([Buffer.from('abc'), Buffer.alloc(509)]),
    tarEntry('L', 'L', 'by gnu\0'),
    tarEntry('two', '0', 'de'),
    tarEntry('three', '0', 'f'),
    tarEntry('x', 'x', paxRecord('GNU.sparse.major', '1')),
    tarEntry('four', '0', 'g'),
    tarEntry('x', 'x', paxRecord('size', '512')),
    tarEntry('five', '2'),
    tarEntry('x', 'x', paxRecord('path', 'six/')),
    tarEntry('six', '0'),
    tarEnd,
  ]);
  t.same(await walked(archive), [
    { path: 'by pax', type: 'File', body: 'abc' },
    { path: 'by gnu', type: 'File', body: 'de' },
    { path: 'three', type: 'File', body: 'f' },
    { path: 'four', type: 'SparseFile', body: 'g' },
    { path: 'five', type: 'SymbolicLink', body: '' },
    { path: 'six/', type: 'Directory', body: '' },
  ]);
});

t.test('the map of a sparse file is passed over', async (t) => {
  const first = tarHeader('sparse', 'S', 3);
  first[482] = 1;
  const more = Buffer.alloc(512, 1);
  const last = Buffer.alloc(512);
  const body = Buffer.concat([Buffer.from('abc'), Buffer.alloc(509)]);
  const archive = Buffer.concat([withSum(first), more, last, body, tarEntry('after', '0', 'x'), tarEnd]);
  for (const size of [100, 512, 5000])
    t.same(await walked(archive, size), [
      { path: 'sparse', type: 'SparseFile', body: 'abc' },
      { path: 'after', type: 'File', body: 'x' },
    ]);
});

t.test('only two blocks of zeros end an archive', async (t) => {
  const one = tarEntry('x', '0', 'x');
  t.equal((await walked(Buffer.concat([one, tarEnd, Buffer.alloc(5000)]))).length, 1);
  await fails(t, one, /end mark is missing/);
  await fails(t, Buffer.concat([one, Buffer.alloc(512)]), /end mark is missing/);
  await fails(t, Buffer.concat([one, Buffer.alloc(512), one, tarEnd]), /something after its end/);
  await fails(t, Buffer.concat([one, tarEnd, Buffer.from('x')]), /something after its end/);
  await fails(t, Buffer.concat([one.subarray(0, 600), tarEnd.subarray(0, 100)]), /end mark is missing/);
});

t.test('entries, extended headers and their sum have limits', async (t) => {
  const many = (count: number, part: Buffer) =>
    Buffer.concat([...Array.from({ length: count }, () => part), tarEnd]);
  t.equal((await walked(many(100, tarEntry('x', '0')))).length, 100);
  for (const kind of ['0', 'x', 'g', 'L', 'K', 'S', '!'])
    await fails(t, many(101, tarEntry('x', kind)), /more than 100 entries/);
  await fails(t, many(1, tarHeader('x', 'x', 200_000)), /too large, more than 131072 bytes/);
  await fails(
    t,
    many(90, tarEntry('L', 'L', 'n'.repeat(100_000))),
    /more than 8388608 bytes of extended headers/,
    1 << 20,
  );
});

t.test('the target of a link is read from either header', async (t) => {
  const archive = Buffer.concat([
    tarEntry('x', 'x', paxRecord('linkpath', 'by pax')),
    tarEntry('one', '2'),
    tarEntry('K', 'K', 'by GNU\0'),
    tarEntry('two', '1'),
    tarEntry('three', '2'),
    tarEnd,
  ]);
  const links: (string | undefined)[] = [];
  await walkTar(pieces(archive, 1000), 100, {
    wants: ({ link }) => {
      links.push(link);
      return false;
    },
    data: async () => undefined,
  });
  t.same(links, ['by pax', 'by GNU', '']);
});
