/**
 * One unary call of gRPC on an HTTP/2 session, as bytes. The only file that imports node:http2.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, by their numbers. */
export const statusNames = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
export type Status = (typeof statusNames)[number];

export class CallError extends Error {
  readonly status: Status;
  /** Our own deadline ended the call. */
  readonly late: boolean;
  constructor(
    status: Status,
    details: string,
    how: { readonly cause?: unknown; readonly late?: boolean } = {},
  ) {
    super(details, how.cause === undefined ? {} : { cause: how.cause });
    this.status = status;
    this.late = how.late ?? false;
  }
}

/** Thousands of containers exceed the 4 MiB that are usual for gRPC. */
const maxReplyBytes = 64 * 1024 * 1024;
/** Whether the message is compressed (we ask for none), and its length. */
const prefixBytes = 5;

export type Http = {
  readonly session: ClientHttp2Session;
  /** At once, with the socket: a session that is over, as after a GOAWAY, would wait for the other side to close it. */
  readonly destroy: () => void;
};

/** Over a unix socket. It does not keep the process alive: the deadline of a call does. */
export const openSession = (socketPath: string): Http => {
  const socket = connectSocket(socketPath);
  const session = connectHttp2('http://localhost', {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  // Each call on it fails with the same error.
  session.on('error', () => undefined);
  session.unref();
  const destroy = (): void => {
    session.destroy();
    socket.destroy();
  };
  return { session, destroy };
};

const framed = (message: Buffer): Buffer => {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};

/** The message of a whole answer. */
const unframed = (answer: Buffer): Buffer => {
  if (answer.length === 0) throw new CallError('INTERNAL', 'the answer holds no message');
  if (answer[0] !== 0) throw new CallError('INTERNAL', 'the answer is compressed');
  if (answer.length < prefixBytes || answer.readUInt32BE(1) !== answer.length - prefixBytes)
    throw new CallError('INTERNAL', 'the answer is not one whole message');
  return answer.subarray(prefixBytes);
};

const percentDecoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** What the headers say of the end of the call; undefined: nothing. */
const ended = (headers: IncomingHttpHeaders): CallError | 'OK' | undefined => {
  const code = headers['grpc-status'];
  if (typeof code !== 'string') return undefined;
  const name = /^\d{1,2}$/.test(code) ? (statusNames[Number(code)] ?? 'UNKNOWN') : 'UNKNOWN';
  return name === 'OK' ? 'OK' : new CallError(name, percentDecoded(String(headers['grpc-message'] ?? '')));
};

/** Without a status: of an answer that is no gRPC, of a stream that the runtime broke off, or of a lost connection. */
const broken = (session: ClientHttp2Session, code: number, headers: IncomingHttpHeaders, cause: unknown) => {
  const details = cause instanceof Error ? cause.message : '';
  if (session.destroyed || session.closed || code === constants.NGHTTP2_REFUSED_STREAM)
    return new CallError('UNAVAILABLE', details, { cause });
  if (code === constants.NGHTTP2_ENHANCE_YOUR_CALM)
    return new CallError('RESOURCE_EXHAUSTED', details, { cause });
  if (code !== constants.NGHTTP2_NO_ERROR) return new CallError('INTERNAL', details, { cause });
  return new CallError('UNKNOWN', `HTTP status ${headers[':status'] ?? 'unknown'} without a status of gRPC`);
};

/** Rejects with a CallError. */
export const callUnary = (
  session: ClientHttp2Session,
  path: string,
  message: Buffer,
  deadlineMs: number,
): Promise<Buffer> => {
  const done = Promise.withResolvers<Buffer>();
  const parts: Buffer[] = [];
  const state = { size: 0, headers: {} as IncomingHttpHeaders, error: undefined as unknown };
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const giveUp = (error: CallError): void => {
    done.reject(error);
    clearTimeout(timer);
    stream.close(constants.NGHTTP2_CANCEL);
    // One that waits for its connection has nothing to cancel, and would wait for it.
    if (stream.pending) stream.destroy();
  };
  // Not a deadline of gRPC, which is a time of day: a node's clock may jump at its first NTP answer.
  const timer = setTimeout(() => giveUp(new CallError('CANCELLED', '', { late: true })), deadlineMs);
  const listen = (headers: IncomingHttpHeaders): void => {
    state.headers = { ...state.headers, ...headers };
  };
  stream.on('response', listen);
  stream.on('trailers', listen);
  stream.on('data', (part: Buffer) => {
    parts.push(part);
    state.size += part.length;
    if (state.size > prefixBytes + maxReplyBytes)
      giveUp(new CallError('RESOURCE_EXHAUSTED', `the answer has more than ${maxReplyBytes} bytes`));
  });
  // Of a call that waits for its connection, the error that the connection had is only the cause.
  stream.on('error', (error: Error) => {
    state.error = error.cause ?? error;
  });
  stream.on('close', () => {
    clearTimeout(timer);
    const end = ended(state.headers) ?? broken(session, stream.rstCode, state.headers, state.error);
    if (end !== 'OK') return done.reject(end);
    try {
      done.resolve(unframed(Buffer.concat(parts)));
    } catch (error) {
      done.reject(error);
    }
  });
  stream.end(framed(message));
  return done.promise;
};
