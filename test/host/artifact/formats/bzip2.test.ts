/** The decoder against what bzip2 itself writes, and against damage. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { bunzip2 } from '../../../../host/artifact/formats/bzip2.ts';
import { damagedBzip2 } from '../../../fixtures/artifacts/damage.ts';
import { bzip2Of, inPieces, readBy } from '../../../fixtures/artifacts/pack.ts';

const read = readBy(bunzip2);
const sumOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const program = readFileSync(process.execPath).subarray(0, 1_000_000);
/** Runs of every length around those that the format counts in another way. */
const runs = Buffer.concat(Array.from({ length: 600 }, (_, index) => Buffer.alloc(index, index % 3)));

for (const [name, bytes] of Object.entries({
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  'a program': program,
  zeros: Buffer.alloc(3_000_000),
  noise: randomBytes(300_000),
  runs,
  'two bytes in turns': Buffer.alloc(200_000, 'ab'),
}))
  t.test(`${name} come out as they went in`, async (t) => {
    for (const level of ['-1', '-9']) {
      const packed = bzip2Of(bytes, level);
      t.equal(sumOf(await read(packed)), sumOf(bytes), level);
      t.equal(sumOf(await read(packed, 4099)), sumOf(bytes), 'and in small pieces');
    }
  });

t.test('streams one after the other are one file, and nothing else may follow', async (t) => {
  const file = Buffer.concat([bzip2Of(program, '-2'), bzip2Of(runs), bzip2Of(Buffer.alloc(0))]);
  t.equal(sumOf(await read(file)), sumOf(Buffer.concat([program, runs])));
  await t.rejects(read(Buffer.concat([file, Buffer.from('garbage')])), /something follows its end/);
  await t.rejects(read(Buffer.concat([file, Buffer.alloc(8)])), /something follows its end/);
  await t.rejects(read(Buffer.concat([file, Buffer.from('BZh0aaaaaa')])), /something follows its end/);
});

t.test('damage is found wherever it is', async (t) => {
  const good = bzip2Of(program.subarray(0, 50_000));
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy[at < 0 ? good.length + at : at] = value;
    return copy;
  };
  for (const [why, bytes] of [
    [/a block does not begin as it must/, changed(5, 0)],
    [/a block has the wrong checksum/, changed(10, (good[10] ?? 0) ^ 1)],
    [/mixed as bzip2 before/, changed(14, (good[14] ?? 0) | 0x80)],
    [/begins outside of itself/, changed(14, (good[14] ?? 0) | 0x7f)],
    [/wrong checksum|does not begin/, changed(-3, (good.at(-3) ?? 0) ^ 0x10)],
  ] as const)
    await t.rejects(read(bytes), why, why.source);
  for (const length of [5, 9, 13, 100, good.length - 4, good.length - 1])
    await t.rejects(read(good.subarray(0, length)), /cut off/, `${length} bytes`);
});

t.test('one that stops early ends the reading', async (t) => {
  let isOpen = true;
  const source = (async function* () {
    try {
      yield* inPieces(bzip2Of(program, '-1'));
    } finally {
      isOpen = false;
    }
  })();
  for await (const piece of bunzip2(source)) {
    t.ok(piece.length > 0);
    break;
  }
  t.notOk(isOpen);
});

t.test('mutations give an error or what bzip2 gives, and always end', (t) => damagedBzip2(t, 300));
