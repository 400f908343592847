/**
 * The bytes of protocol buffers: integers, lengths, scalars. Bytes that do not fit are an error, never half a value.
 * https://protobuf.dev/programming-guides/encoding/
 */

/** Of a whole reply: how much more of it may be decoded. */
export type Limits = {
  left: number;
  /** Of maps, only these keys are kept; absent: all. */
  readonly keys?: readonly string[] | undefined;
};
export type Reader = { readonly bytes: Buffer; at: number; readonly limits: Limits };

const byte = (reader: Reader): number => {
  const value = reader.bytes[reader.at];
  if (value === undefined) throw new Error('the message ends in the middle of a field');
  reader.at += 1;
  return value;
};

/** All 64 bits; an integer may be negative, which takes ten bytes. */
export const wide = (reader: Reader): bigint => {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const next = byte(reader);
    value |= BigInt(next & 0x7f) << shift;
    if (next < 0x80) return BigInt.asUintN(64, value);
  }
  throw new Error('an integer has more than ten bytes');
};

/** Tags and lengths, which are many and small. */
export const small = (reader: Reader): number => {
  const first = byte(reader);
  if (first < 0x80) return first;
  reader.at -= 1;
  return Number(wide(reader));
};

export const chunk = (reader: Reader, length = small(reader)): Buffer => {
  const end = reader.at + length;
  if (end > reader.bytes.length) throw new Error('a field is longer than its message');
  const part = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return part;
};

export const varint = (value: bigint): Buffer => {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
};

export const withLength = (body: Buffer): Buffer => Buffer.concat([varint(BigInt(body.length)), body]);

/** How the values of one type are read and written. */
export type Kind = {
  readonly wire: number;
  readonly absent: unknown;
  readonly read: (reader: Reader) => unknown;
  readonly write: (value: unknown) => Buffer;
};

export const integer = (absent: number | string, from: (value: bigint) => unknown): Kind => ({
  wire: 0,
  absent,
  read: (reader) => from(wide(reader)),
  write: (value) => varint(BigInt(value as number | string)),
});

export const scalars: Readonly<Record<string, Kind>> = {
  string: {
    wire: 2,
    absent: '',
    read: (reader) => chunk(reader).toString('utf8'),
    write: (value) => withLength(Buffer.from(String(value))),
  },
  bool: {
    wire: 0,
    absent: false,
    read: (reader) => wide(reader) !== 0n,
    write: (value) => varint(value === true ? 1n : 0n),
  },
  int32: integer(0, (value) => Number(BigInt.asIntN(32, value))),
  uint32: integer(0, (value) => Number(BigInt.asUintN(32, value))),
  // Decimal text: a time in nanoseconds does not fit a number.
  int64: integer('0', (value) => String(BigInt.asIntN(64, value))),
  uint64: integer('0', String),
};

/** Passes over a field that the descriptor lacks. */
export const skip = (reader: Reader, wire: number): void => {
  if (wire === 0) wide(reader);
  else if (wire === 1) chunk(reader, 8);
  else if (wire === 2) chunk(reader);
  else if (wire === 5) chunk(reader, 4);
  else throw new Error(`a field has the unknown wire type ${wire}`);
};
