/** The decoder against what xz itself writes, and against what it never would. */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { crc32 } from 'node:zlib';
import { unxz } from '../../../../host/artifact/formats/xz.ts';
import { inPieces, mutated, randomFrom, readBy, xzOf } from '../../../fixtures/artifacts/pack.ts';

const read = readBy(unxz);
const same = (t: Test, found: Buffer, expected: Buffer, what: string): void =>
  void t.equal(
    createHash('sha256').update(found).digest('hex'),
    createHash('sha256').update(expected).digest('hex'),
    what,
  );

const program = readFileSync(process.execPath).subarray(0, 400_000);
const samples = {
  nothing: Buffer.alloc(0),
  'one byte': Buffer.from('x'),
  'a program': program,
  zeros: Buffer.alloc(2_500_000),
  noise: randomBytes(300_000),
  'noise, again and again': Buffer.concat(Array.from({ length: 16 }, () => program.subarray(0, 100_003))),
};

for (const options of [
  ['-0'],
  ['-6'],
  ['-7'],
  ['-2e', '--check=sha256'],
  ['--check=crc32', '--block-size=300000'],
  ['--check=none', '-T2', '--block-size=1MiB'],
  ['--lzma2=preset=6,dict=4KiB'],
  ['--lzma2=preset=4,lc=0,lp=4,pb=0'],
  ['--lzma2=preset=1,lc=4,lp=0,pb=4,dict=1MiB'],
])
  t.test(`what xz ${options.join(' ')} writes is read`, async (t) => {
    for (const [name, bytes] of Object.entries(samples)) {
      const packed = xzOf(bytes, ...options);
      same(t, await read(packed), bytes, name);
      if (bytes.length === 1) same(t, await read(packed, 1), bytes, 'and byte by byte');
    }
  });

t.test('streams one after the other, with zeros after each, are one file', async (t) => {
  const [one, two] = [xzOf(program.subarray(0, 1000), '-C', 'crc32'), xzOf(program.subarray(1000, 9000))];
  for (const zeros of [0, 4, 1024]) {
    const between = Buffer.alloc(zeros);
    const file = Buffer.concat([one, between, two, between]);
    same(t, await read(file, 7), program.subarray(0, 9000), `${zeros} zeros`);
  }
  await t.rejects(read(Buffer.concat([one, Buffer.alloc(3)])), /something follows its end/);
  await t.rejects(read(Buffer.concat([one, Buffer.alloc(6), two])), /something follows its end/);
  await t.rejects(
    read(Buffer.concat([one, Buffer.from('garbage, enough for a header')])),
    /something follows its end/,
  );
});

t.test('what only few files have is refused, and named', async (t) => {
  const bytes = program.subarray(0, 100_000);
  await t.rejects(
    read(xzOf(bytes, '-9')),
    /dictionary of more than 16777216 bytes \(xz -8 or -9\); level 7 needs no more/,
  );
  await t.rejects(read(xzOf(bytes, '--x86', '--lzma2')), /with a filter/);
  await t.rejects(read(xzOf(bytes, '--delta', '--lzma2')), /with a filter/);
});

/** `bytes` with other ones from `at` on. */
const changed = (bytes: Buffer, at: number, ...values: readonly number[]): Buffer => {
  const copy = Buffer.from(bytes);
  copy.set(values, at < 0 ? bytes.length + at : at);
  return copy;
};
const withSum = (bytes: Buffer, from: number, to: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy.writeInt32LE(crc32(copy.subarray(from, to)) | 0, to);
  return copy;
};

t.test('damage is found wherever it is', async (t) => {
  const good = xzOf(program.subarray(0, 50_000));
  const noise = xzOf(randomBytes(100_000));
  /** Where the second chunk begins: the first is kept as it is. */
  const second = 24 + 3 + noise.readUInt16BE(25) + 1;
  for (const [why, bytes] of [
    [/the header has the wrong sum|its header has the wrong sum/, changed(good, 8, 1)],
    [/with the check 2/, withSum(changed(good, 7, 2), 6, 8)],
    [/with unknown flags/, withSum(changed(good, 6, 1), 6, 8)],
    [/header of a block has the wrong sum/, changed(good, 20, 0xff)],
    [/with unknown flags/, withSum(changed(good, 13, 0x04), 12, 20)],
    [/dictionary is not possible/, withSum(changed(good, 16, 41), 12, 20)],
    [/padding of a header is not zero/, withSum(changed(good, 18, 1), 12, 20)],
    [/does not begin with an empty window/, changed(good, 24, 0x80)],
    [/of no known kind/, changed(noise, second, 0x7f)],
    [/does not say how it is coded/, changed(noise, second, 0x80)],
    [/properties are not possible/, changed(good, 29, 255)],
    [/properties are not those of LZMA2/, changed(good, 29, 8)],
    [/chunk does not begin as it must/, changed(good, 30, 1)],
    [/does not belong to its header/, changed(good, -1, 0)],
    [/its end has the wrong sum/, changed(good, -12, 0)],
  ] as const)
    await t.rejects(read(bytes), why, why.source);
  for (const length of [5, 11, 12, 13, 40, good.length - 13, good.length - 1])
    await t.rejects(read(good.subarray(0, length)), /cut off/, `${length} bytes`);
});

t.test('a check, an index and sizes that are not those of the data are found', async (t) => {
  const bytes = program.subarray(0, 20_000);
  for (const check of ['crc32', 'crc64', 'sha256']) {
    const [one, other] = [xzOf(bytes, '-C', check), xzOf(Buffer.from(bytes).fill(7, 3, 9), '-C', check)];
    const index = one.readUInt32LE(one.length - 8) * 4 + 4 + 12;
    const end = other.readUInt32LE(other.length - 8) * 4 + 4 + 12;
    const width = { crc32: 4, crc64: 8, sha256: 32 }[check] ?? 0;
    const swapped = Buffer.from(one);
    other.copy(swapped, one.length - index - width, other.length - end - width, other.length - end);
    await t.rejects(read(swapped), /a block has the wrong check/, check);
  }
  const twice = xzOf(bytes, '--block-size=10000');
  const again = xzOf(bytes.subarray(0, 15_000), '--block-size=10000');
  const [from, to] = [twice, again].map(
    (file) => file.length - (file.readUInt32LE(file.length - 8) * 4 + 4 + 12),
  );
  await t.rejects(
    read(Buffer.concat([twice.subarray(0, from), again.subarray(to)])),
    /index has other sizes/,
  );
  const single = xzOf(bytes);
  const tail = single.length - (single.readUInt32LE(single.length - 8) * 4 + 4 + 12);
  await t.rejects(
    read(Buffer.concat([twice.subarray(0, from), single.subarray(tail)])),
    /another number of blocks/,
  );
});

t.test(
  'a consumer that is slow sees no byte of the next piece, and one that stops ends the reading',
  async (t) => {
    const hash = createHash('sha256');
    for await (const piece of unxz(inPieces(xzOf(program)))) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      hash.update(piece);
    }
    t.equal(hash.digest('hex'), createHash('sha256').update(program).digest('hex'));
    let isOpen = true;
    const source = (async function* () {
      try {
        yield* inPieces(xzOf(program));
      } finally {
        isOpen = false;
      }
    })();
    for await (const piece of unxz(source)) {
      t.ok(piece.length > 0);
      break;
    }
    t.notOk(isOpen);
  },
);

t.test('mutations give an error or what xz gives, and always end', async (t) => {
  const bases = [
    xzOf(program.subarray(0, 30_000), '-C', 'none'),
    xzOf(Buffer.concat([randomBytes(500), Buffer.alloc(3000), randomBytes(500)]), '-C', 'none'),
    xzOf(program.subarray(0, 3000), '--block-size=1000', '-C', 'crc32'),
  ];
  const random = randomFrom(20261129);
  const counts = { read: 0, refused: 0 };
  for (let round = 0; round < 3000; round++) {
    const bytes = mutated(bases[random(bases.length)]!, random);
    // Without a check the decoder itself has to hold; the limit is what `payload` has.
    const found = await read(bytes, 1 + random(5000), 8_000_000).catch((error: unknown) => {
      if (!(error instanceof Error) || !/xz|more than/.test(error.message)) throw error;
      return undefined;
    });
    counts[found ? 'read' : 'refused'] += 1;
    if (found && round % 20 === 0)
      same(t, found, execFileSync('xz', ['-dcq'], { input: bytes, maxBuffer: 1024 ** 3 }), `round ${round}`);
  }
  t.comment(JSON.stringify(counts));
  t.ok(counts.refused > 2000 && counts.read > 0);
});
