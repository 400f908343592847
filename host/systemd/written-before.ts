/**
 * A tick asks the bus what the tick before it asked. dbus-next makes the bytes of a message field by field, each of them through several
 * objects, which is a fifth of all that an idle tick allocates: the bytes of a call are kept, and get another serial.
 * https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-messages
 */
import type { Socket } from 'node:net';

/** What is used of a message of the library. */
export type Call = {
  readonly serial: unknown;
  readonly type: number;
  readonly flags: number;
  readonly destination?: string;
  readonly path?: string;
  readonly interface?: string;
  readonly member?: string;
  readonly signature: string;
  readonly body: readonly unknown[];
};

export type Connection = {
  readonly stream: Socket;
  message: (message: Call) => void;
  once(event: 'connect', run: () => void): unknown;
};

/** Of the header, after the order of bytes, type, flags, version, and length of the body. */
const serialAt = 8;
const littleEndian = 'l'.charCodeAt(0);
const methodCall = 1;
const mostCalls = 256;
const mostLength = 4_096;

const known = new Map<string, Buffer>();

/** What a call says; undefined where it says more than texts, and for what is no call, as an answer that names the serial of one: those change, and are few. */
const keyOf = ({
  type,
  flags,
  destination,
  path,
  interface: of,
  member,
  signature,
  body,
}: Call): string | undefined =>
  type === methodCall && body.every((one) => typeof one === 'string')
    ? JSON.stringify([type, flags, destination, path, of, member, signature, ...body])
    : undefined;

/** What the library writes for a message. */
const caught = (stream: Socket, write: () => void): Buffer | undefined => {
  const own = stream.write;
  let bytes: unknown;
  stream.write = ((given: Buffer): boolean => {
    bytes = given;
    return own.call(stream, given);
  }) as Socket['write'];
  try {
    write();
  } finally {
    stream.write = own;
  }
  return Buffer.isBuffer(bytes) && bytes.length <= mostLength ? bytes : undefined;
};

/** From the moment at which the library keeps no messages back any more: until then it alone writes. */
export const writeAsBefore = (connection: Connection): void => {
  const { stream } = connection;
  connection.once('connect', () => {
    const byLibrary = connection.message;
    connection.message = (message) => {
      const key = keyOf(message);
      // The library says what is wrong with a stream that was closed.
      if (key === undefined || !stream.writable) return byLibrary(message);
      const before = known.get(key);
      if (before) {
        const bytes = Buffer.from(before);
        bytes.writeUInt32LE(Number(message.serial), serialAt);
        stream.write(bytes);
        return;
      }
      const bytes = caught(stream, () => byLibrary(message));
      // The header tells the order of bytes; another one, or another serial, would be a change of the library.
      if (bytes?.[0] !== littleEndian || bytes.readUInt32LE(serialAt) !== message.serial) return;
      if (known.size === mostCalls) known.clear();
      known.set(key, bytes);
    };
  });
};
