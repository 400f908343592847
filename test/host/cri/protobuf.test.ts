import t from 'tap';
import { loadService, mostParts, TooManyParts } from '../../../host/cri/protobuf.ts';
import { message } from '../../../testbed/simulated/scripted-cri.ts';

const types = {
  Probe: { methods: { Ask: { requestType: 'Ask', responseType: 'Told' } } },
  Ask: { fields: { name: { type: 'string', id: 1 } } },
  Told: {
    fields: {
      text: { type: 'string', id: 1 },
      yes: { type: 'bool', id: 2 },
      small: { type: 'int32', id: 3 },
      count: { type: 'uint32', id: 4 },
      time: { type: 'int64', id: 5 },
      size: { type: 'uint64', id: 6 },
      state: { type: 'State', id: 7 },
      inner: { type: 'Ask', id: 8 },
      names: { type: 'string', id: 9, rule: 'repeated' },
      many: { type: 'Ask', id: 10, rule: 'repeated' },
      labels: { keyType: 'string', type: 'string', id: 1000 },
    },
  },
  State: { values: { READY: 0, GONE: 1 } },
} as const;

const ask = loadService(types, 'some.v1.Probe').Ask;
if (ask === undefined) throw new Error('no method');
const { path, responseSerialize: write, responseDeserialize: read } = ask;

const whole = {
  text: 'ä\u0000',
  yes: true,
  small: -7,
  count: 4_294_967_295,
  time: '-9223372036854775808',
  size: '18446744073709551615',
  state: 'GONE',
  inner: { name: 'in' },
  names: ['', 'b'],
  many: [{ name: 'x' }, { name: '' }],
  labels: { a: '1', '': '2' },
};

t.test('what is written is read', async (t) => {
  t.equal(path, '/some.v1.Probe/Ask');
  t.strictSame(read(write(whole)), whole);
});

t.test('what is absent has the value of its type', async (t) => {
  t.strictSame(read(Buffer.alloc(0)), {
    text: '',
    yes: false,
    small: 0,
    count: 0,
    time: '0',
    size: '0',
    state: 'READY',
    inner: null,
    names: [],
    many: [],
    labels: {},
  });
});

t.test('fields that are not declared are skipped, whatever their wire type', async (t) => {
  const fixed = Buffer.from([((200 << 3) & 0x7f) | 0x80 | 1, 200 >> 4, 1, 2, 3, 4, 5, 6, 7, 8]);
  const fixed32 = Buffer.from([0x65, 1, 2, 3, 4]);
  const bytes = Buffer.concat([
    message([99, 'text'], [98, 12_345_678_901n]),
    fixed32,
    fixed,
    message([1, 'x']),
  ]);
  t.match(read(bytes), { text: 'x' });
});

t.test(
  'an unknown value of an enumeration is its number, and the last of several fields counts',
  async (t) => {
    t.match(read(message([7, 9], [1, 'first'], [1, 'last'])), { state: 9, text: 'last' });
  },
);

t.test('a label may have any name', async (t) => {
  const { labels } = read(message([1000, message([1, '__proto__'], [2, 'x'])])) as { labels: object };
  t.strictSame(Object.entries(labels), [['__proto__', 'x']]);
  t.equal(Object.getPrototypeOf(labels), Object.prototype);
});

t.test('bytes that are no such message are an error at whatever length they end', async (t) => {
  const bytes = write(whole);
  for (let end = 0; end < bytes.length; end += 1) {
    const part = bytes.subarray(0, end);
    try {
      read(part);
      // The end of a field is a whole message with less in it.
      t.ok(write(read(part) as object).length > 0 || end === 0);
    } catch (error) {
      t.match(error, { message: /ends in the middle of a field|longer than its message/ });
    }
  }
  for (const [what, hex, says] of [
    ['a length beyond the end', '0a7f61', /longer than its message/],
    ['an enormous length', '0affffffffffffffffff01', /longer than its message/],
    ['an integer without an end', `10${'ff'.repeat(11)}`, /more than ten bytes/],
    ['a string where a boolean is', '120161', /the field yes of Told has the wire type 2/],
    ['a group', 'fb3e', /unknown wire type 3/],
  ] as const)
    t.throws(() => read(Buffer.from(hex, 'hex')), { message: says }, what);
});

t.test(
  'a reply of empty parts is refused before it takes memory, and one of thousands is read',
  async (t) => {
    const repeat = (part: Buffer, times: number): Buffer => Buffer.alloc(part.length * times, part);
    for (const [what, part] of [
      ['messages', message([10, Buffer.alloc(0)])],
      ['strings', message([9, ''])],
      ['one message, again and again', message([8, Buffer.alloc(0)])],
      ['labels', message([1000, Buffer.alloc(0)])],
    ] as const) {
      const before = process.memoryUsage().heapUsed;
      // 4 MB and more.
      t.throws(() => read(repeat(part, 2_100_000)), TooManyParts, what);
      t.ok(process.memoryUsage().heapUsed - before < 200e6, `${what}: bounded memory`);
      t.doesNotThrow(() => read(repeat(part, mostParts - 1)), what);
    }
  },
);

t.test('of labels, only those that are asked for are kept, however many a Pod has', async (t) => {
  const label = (key: string) => message([1000, message([1, key], [2, `of ${key}`])]);
  const many = Array.from({ length: mostParts + 10 }, (_, at) => label(`${at}`));
  const bytes = Buffer.concat([label('a'), ...many, label('b'), label('__proto__')]);
  const { labels } = read(bytes, ['b', 'c', '__proto__']) as { labels: object };
  t.strictSame(Object.entries(labels), [
    ['b', 'of b'],
    ['__proto__', 'of __proto__'],
  ]);
  t.throws(() => read(bytes), TooManyParts);
  t.throws(() => read(Buffer.concat([label('a'), Buffer.from([0xc2, 0x3e, 2, 0x0a, 9])]), []), {
    message: /longer than its message/,
  });
});
