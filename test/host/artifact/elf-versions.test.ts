import t from 'tap';
import { lackingVersions, newestLike, readVersions } from '../../../host/artifact/elf-versions.ts';

const names = ['', 'libc.so.6', 'GLIBC_2.2.5', 'GLIBC_2.38', 'libmine.so', 'MINE_1', 'WEAK_1'];
const tablesOf = (bytes: Buffer, needed?: number, defined?: number) => ({
  at: (address: number, length: number) => bytes.subarray(address, address + length),
  little: true,
  text: (index: number) => names[index] ?? '?',
  needed,
  defined,
  damaged: (what: string) => new Error(what),
});
const words = (bytes: Buffer, at: number, ...list: readonly (readonly [16 | 32, number])[]): void => {
  let place = at;
  for (const [bits, value] of list) {
    if (bits === 16) bytes.writeUInt16LE(value, place);
    else bytes.writeUInt32LE(value, place);
    place += bits / 8;
  }
};
/** libc.so.6 is needed with two versions, one more only weakly. */
const needs = (): Buffer => {
  const bytes = Buffer.alloc(64);
  words(bytes, 0, [16, 1], [16, 3], [32, 1], [32, 16], [32, 0]);
  words(bytes, 16, [32, 0], [16, 0], [16, 2], [32, 2], [32, 16]);
  words(bytes, 32, [32, 0], [16, 2], [16, 3], [32, 6], [32, 16]);
  words(bytes, 48, [32, 0], [16, 0], [16, 4], [32, 3], [32, 0]);
  return bytes;
};
/** A library that has its own name and one version. */
const defines = (): Buffer => {
  const bytes = Buffer.alloc(56);
  words(bytes, 0, [16, 1], [16, 1], [16, 1], [16, 1], [32, 0], [32, 20], [32, 28]);
  words(bytes, 20, [32, 4], [32, 0]);
  words(bytes, 28, [16, 1], [16, 0], [16, 2], [16, 1], [32, 0], [32, 20], [32, 0]);
  words(bytes, 48, [32, 5], [32, 0]);
  return bytes;
};

t.test(
  'needed versions are listed by library, without weak ones; defined ones without its name',
  async (t) => {
    t.same(readVersions(tablesOf(needs(), 0)), {
      needed: [{ file: 'libc.so.6', names: ['GLIBC_2.2.5', 'GLIBC_2.38'] }],
    });
    t.same(readVersions(tablesOf(defines(), undefined, 0)), { needed: [], defined: ['MINE_1'] });
  },
);

t.test('tables that lead out of the file, or loop, are refused', async (t) => {
  const broken = (bytes: Buffer, at: number, value: number): Buffer => {
    bytes.writeUInt32LE(value, at);
    return bytes;
  };
  for (const bytes of [
    broken(needs(), 12, 60),
    broken(needs(), 8, 0xffffffff),
    broken(needs(), 60, 1),
    Buffer.alloc(0),
  ])
    t.throws(() => readVersions(tablesOf(bytes, 0)), /needed versions ends nowhere/);
  for (const bytes of [broken(defines(), 16, 40), broken(defines(), 12, 1000)])
    t.throws(() => readVersions(tablesOf(bytes, undefined, 0)), /defined versions ends nowhere/);
  const endless = Buffer.alloc(200_000);
  for (let at = 0; at + 16 < endless.length; at += 4) endless.writeUInt32LE(4, at);
  t.throws(() => readVersions(tablesOf(endless, 0)), /ends nowhere/, 'entries that overlap are counted');
});

t.test('missing versions are named with the newest available one, the newest needed first', async (t) => {
  const by = [
    {
      versions: {
        needed: [{ file: 'libc.so.6', names: ['GLIBC_2.10', 'GLIBC_2.4', 'GLIBC_2.36', 'GLIBC_2.38'] }],
      },
    },
  ];
  const libc = {
    versions: {
      needed: [],
      defined: ['GLIBC_2.2.5', 'GLIBC_2.4', 'GLIBC_2.35', 'GLIBC_2.10', 'GLIBC_PRIVATE'],
    },
  };
  const { defined } = libc.versions;
  t.same(lackingVersions(by, new Map([['libc.so.6', libc]])), [
    { file: 'libc.so.6', name: 'GLIBC_2.38', defined },
    { file: 'libc.so.6', name: 'GLIBC_2.36', defined },
  ]);
  t.equal(newestLike('GLIBC_2.38', defined), 'GLIBC_2.35');
  t.same(
    lackingVersions(by, new Map([['libc.so.6', {}]])),
    [],
    'a library without versions is asked for none',
  );
  t.same(lackingVersions(by, new Map()), []);
  t.equal(
    newestLike('GLIBCXX_3.4.32', ['GLIBCXX_3.4.9', 'GLIBCXX_3.4.30', 'CXXABI_1.3.14']),
    'GLIBCXX_3.4.30',
  );
  t.equal(newestLike('odd', ['GLIBC_2.1']), undefined);
});

t.test('thousands of needed and missing names are looked up once each', async (t) => {
  let compared = 0;
  /** Counts every name that is read of the library. */
  const names = (from: number): string[] => Array.from({ length: 4096 }, (_, at) => `GLIBC_2.${from + at}`);
  const defined = new Proxy(names(200_000), {
    get: (list, key) => {
      compared += typeof key === 'string' && /^\d+$/.test(key) ? 1 : 0;
      return Reflect.get(list, key);
    },
  });
  const by = [{ versions: { needed: [{ file: 'l.so', names: names(100_000) }] } }];
  const lacking = lackingVersions(by, new Map([['l.so', { versions: { needed: [], defined } }]]));
  t.equal(lacking.length, 4096);
  t.ok(compared <= 4096, `${compared}`);
});

t.test('many long names are not stored', async (t) => {
  const given = { ...tablesOf(needs(), 0), text: () => 'A'.repeat(30_000) };
  t.throws(() => readVersions(given), /too long/);
});
