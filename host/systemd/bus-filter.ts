/**
 * Drops messages of unknown senders before dbus-next parses them. Every local user may send signals straight to our connection
 * (dbus-daemon's system.conf: `<allow send_type="signal"/>`), and dbus-next does not survive all of them: a signal with a
 * file descriptor that was not sent along throws where nothing can catch it, and one of 32 MiB (the largest that the
 * bus lets through) becomes millions of objects. dbus-daemon writes the sender into each message itself, so it cannot be forged:
 * https://dbus.freedesktop.org/doc/dbus-specification.html#message-protocol-header-fields
 */
import type { Readable } from 'node:stream';

export type Envelope = {
  /** 1 call, 2 return, 3 error, 4 signal. */
  readonly type: number;
  readonly sender: string | undefined;
};

/** The two numbers of the fixed header that say how long a message is. */
const headerBytes = 16;
/** Names have 255 bytes at most, and the paths of systemd's objects contain one name. A longer one is not of a wanted sender. */
const mostFieldBytes = 16 * 1024;

const senderField = 7;
const padded = (at: number, to: number): number => Math.ceil(at / to) * to;

type Order = 'readUInt32LE' | 'readUInt32BE';
const orderOf = (header: Buffer): Order => (header[0] === 0x6c ? 'readUInt32LE' : 'readUInt32BE');

/** The header fields are an array of (code, variant); the specification allows only strings, signatures and numbers in them. */
const senderOf = (fields: Buffer, length: number, order: Order): string | undefined => {
  for (let at = 0; at < length; ) {
    const code = fields[at];
    const type = fields[at + 1] === 1 ? fields.toString('latin1', at + 2, at + 3) : '';
    // Code, length of the signature, its one letter, a zero.
    at += 4;
    if (type === 's' || type === 'o') {
      const bytes = fields[order](at);
      if (code === senderField) return fields.toString('utf8', at + 4, at + 4 + bytes);
      at += 4 + bytes + 1;
    } else if (type === 'u') at += 4;
    else if (type === 'g') at += 1 + (fields[at] ?? 0) + 1;
    else return undefined;
    at = padded(at, 8);
  }
  return undefined;
};

const envelopeOf = (header: Buffer, fields: Buffer, order: Order): Envelope => {
  const type = header[1] ?? 0;
  try {
    return { type, sender: senderOf(fields, header[order](12), order) };
  } catch {
    // A length beyond the end of the fields.
    return { type, sender: undefined };
  }
};

/**
 * From now on a reader of the socket, which reads each message in two pieces as dbus-next does, gets only wanted messages.
 * The others are read in small pieces, and dropped.
 */
export const filterMessages = (
  socket: Pick<Readable, 'read' | 'readableLength'>,
  isWanted: (envelope: Envelope) => boolean,
): void => {
  const read: (size?: number) => Buffer | null = socket.read.bind(socket);
  /** Returns all of it, or nothing yet. Less is returned only if the bus closed the connection in the middle of a message. */
  const take = (size: number): Buffer | null => {
    const piece = size === 0 ? Buffer.alloc(0) : read(size);
    return piece?.length === size ? piece : null;
  };
  let header: Buffer | null = null;
  let fields: Buffer | null = null;
  /** The second piece of a message whose first piece was returned. */
  let rest: Buffer | null = null;
  let unwanted = 0;

  const nextHeader = (): Buffer | null => {
    for (;;) {
      while (unwanted > 0) {
        const piece = read(Math.min(unwanted, socket.readableLength));
        if (piece === null) return null;
        unwanted -= piece.length;
      }
      header ??= take(headerBytes);
      if (header === null) return null;
      const order = orderOf(header);
      const fieldBytes = padded(header[order](12), 8);
      const bodyBytes = header[order](4);
      if (fieldBytes <= mostFieldBytes) {
        fields ??= take(fieldBytes);
        if (fields === null) return null;
        if (isWanted(envelopeOf(header, fields, order))) {
          const body = take(bodyBytes);
          if (body === null) return null;
          rest = Buffer.concat([fields, body]);
          const given = header;
          [header, fields] = [null, null];
          return given;
        }
        unwanted = bodyBytes;
      } else unwanted = fieldBytes + bodyBytes;
      [header, fields] = [null, null];
    }
  };

  socket.read = (size?: number): Buffer | null => {
    // The greeting is read byte by byte, and Node starts the stream with a read of 0 bytes.
    if (size === undefined || size <= 1) return read(size);
    if (rest === null) return nextHeader();
    const given = rest;
    rest = null;
    return given;
  };
};
