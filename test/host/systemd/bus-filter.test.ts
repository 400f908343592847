import { PassThrough } from 'node:stream';
import t from 'tap';
import { type Envelope, filterMessages } from '../../../host/systemd/bus-filter.ts';

type Shape = {
  readonly type?: number;
  readonly sender?: string;
  /** Header fields as they go over the wire, instead of path and sender. */
  readonly fields?: Buffer;
  readonly body?: Buffer;
  readonly big?: boolean;
};

const zeros = (at: number, to: number): Buffer => Buffer.alloc((to - (at % to)) % to);

const number = (value: number, big: boolean): Buffer => {
  const bytes = Buffer.alloc(4);
  if (big) bytes.writeUInt32BE(value);
  else bytes.writeUInt32LE(value);
  return bytes;
};

const text = (code: number, type: string, value: string, big: boolean): Buffer => {
  const field = Buffer.concat([
    Buffer.from([code, 1]),
    Buffer.from(`${type}\0`),
    number(Buffer.byteLength(value), big),
    Buffer.from(`${value}\0`),
  ]);
  return Buffer.concat([field, zeros(field.length, 8)]);
};

/** A message as its two pieces. */
const message = (
  shape: Shape,
): { readonly header: Buffer; readonly rest: Buffer; readonly whole: Buffer } => {
  const { type = 4, sender = ':1.1', body = Buffer.alloc(0), big = false } = shape;
  const fields =
    shape.fields ??
    Buffer.concat([
      text(1, 'o', '/org/example', big),
      Buffer.from([8, 1, 0x67, 0, 2, 0x61, 0x79, 0]),
      Buffer.concat([Buffer.from([5, 1, 0x75, 0]), number(7, big)]),
      text(7, 's', sender, big),
    ]);
  const header = Buffer.concat([
    Buffer.from([big ? 0x42 : 0x6c, type, 0, 1]),
    number(body.length, big),
    number(1, big),
    number(fields.length, big),
  ]);
  const rest = Buffer.concat([fields, zeros(fields.length, 8), body]);
  return { header, rest, whole: Buffer.concat([header, rest]) };
};

/** A stream behind the filter, what the filter was asked about, and what a reader like dbus-next's got. */
const filtered = (isWanted: (envelope: Envelope) => boolean) => {
  const stream = new PassThrough();
  const asked: Envelope[] = [];
  const got: Buffer[] = [];
  filterMessages(stream, (envelope) => {
    asked.push(envelope);
    return isWanted(envelope);
  });
  let wants = 16;
  stream.on('readable', () => {
    for (;;) {
      const piece: Buffer | null = stream.read(wants);
      if (piece === null) return;
      got.push(piece);
      wants = wants === 16 ? 8 * Math.ceil(piece.readUInt32LE(12) / 8) + piece.readUInt32LE(4) : 16;
    }
  });
  return { stream, asked, got };
};

const fromOne = ({ sender }: Envelope): boolean => sender === ':1.1';
const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 20));

t.test('wanted messages are passed byte for byte, and no others', async (t) => {
  const { stream, asked, got } = filtered(fromOne);
  const first = message({ body: Buffer.from('one') });
  const second = message({});
  stream.write(first.whole);
  stream.write(message({ sender: ':1.2', body: Buffer.from('forged') }).whole);
  stream.write(second.whole);
  await settled();
  t.strictSame(got, [first.header, first.rest, second.header, second.rest]);
  t.strictSame(
    asked.map(({ sender }) => sender),
    [':1.1', ':1.2', ':1.1'],
  );
});

t.test('bytes may come in chunks of any size', async (t) => {
  const { stream, got } = filtered(fromOne);
  const wanted = message({ body: Buffer.from('0123456789') });
  const all = [wanted, message({ sender: ':1.22', body: Buffer.alloc(100) }), wanted];
  for (const byte of Buffer.concat(all.map(({ whole }) => whole))) {
    stream.write(Buffer.from([byte]));
    await new Promise(setImmediate);
  }
  await settled();
  t.strictSame(got, [wanted.header, wanted.rest, wanted.header, wanted.rest]);
});

t.test('either byte order is read, and so is the type', async (t) => {
  const { stream, asked } = filtered(() => false);
  stream.write(message({ big: true, type: 2, sender: ':1.77' }).whole);
  stream.write(message({ type: 3, sender: 'org.freedesktop.DBus' }).whole);
  await settled();
  t.strictSame(asked, [
    { type: 2, sender: ':1.77' },
    { type: 3, sender: 'org.freedesktop.DBus' },
  ]);
});

t.test('a message without a sender, or with fields that lead nowhere, has none', async (t) => {
  const { stream, asked, got } = filtered(fromOne);
  const wanted = message({});
  for (const fields of [
    Buffer.alloc(0),
    text(1, 'o', '/org/example', false),
    Buffer.from([7, 1, 0x73, 0, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([1, 1, 0x73, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from([1, 2, 0x61, 0x79, 0, 0, 0, 0]),
    Buffer.from([1, 1, 0x73, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x73]),
  ])
    stream.write(message({ fields }).whole);
  stream.write(wanted.whole);
  await settled();
  t.strictSame(
    asked.map(({ sender }) => sender || undefined),
    [undefined, undefined, undefined, undefined, undefined, undefined, ':1.1'],
  );
  t.strictSame(got, [wanted.header, wanted.rest], 'and the next one is found');
});

t.test('an unwanted message is never kept in memory, however long it is', async (t) => {
  const { stream, got } = filtered(fromOne);
  const wanted = message({ body: Buffer.from('small') });
  const long = 20 * 1024 * 1024;
  const most = { bytes: 0 };
  const path = `/${'a'.repeat(long)}`;
  for (const { whole } of [
    message({ sender: ':1.2', body: Buffer.alloc(long) }),
    message({ fields: Buffer.concat([text(1, 'o', path, false), text(7, 's', ':1.1', false)]) }),
  ])
    for (let at = 0; at < whole.length; at += 65_536) {
      stream.write(whole.subarray(at, at + 65_536));
      await new Promise(setImmediate);
      most.bytes = Math.max(most.bytes, stream.readableLength);
    }
  t.ok(most.bytes < 200_000, `${most.bytes} bytes waited`);
  stream.write(wanted.whole);
  await settled();
  t.strictSame(got, [wanted.header, wanted.rest]);
});

t.test('the handshake before the messages is passed unchanged, and so is the end', async (t) => {
  const stream = new PassThrough();
  filterMessages(stream, fromOne);
  stream.write('OK\n');
  t.equal(String(stream.read(1)), 'O');
  t.equal(String(stream.read(1)), 'K');
  t.equal(String(stream.read(1)), '\n');
  t.equal(stream.read(0), null);
  const { whole } = message({});
  stream.end(whole.subarray(0, whole.length - 3));
  t.equal(stream.read(16), null, 'half a message is none');
});
