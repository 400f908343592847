/** Calls on the CRI socket, whatever the service: tests on real nodes declare and make calls of their own with it. */
import { statSync } from 'node:fs';
import { detailOf, Failure, type Problem } from '../../protocol/problem/problem.ts';
import { oneLine } from '../../protocol/one-line.ts';
import { CallError, callUnary, type Http, openSession } from './grpc.ts';
import { type ServiceMethods, TooManyParts } from './protobuf.ts';

export type CriSocket = {
  /**
   * One unary call. The reply has the shape that the descriptor declares: every field is there, int64 is decimal
   * text, an enum is the name of its value, a missing message is null.
   * `deadlineMs` replaces that of the socket for this call; `keys`: of maps in the reply, only these are kept. Throws Failure
   * 'runtime-unreachable'.
   */
  call<Reply>(
    service: ServiceMethods,
    method: string,
    request: object,
    deadlineMs?: number,
    keys?: readonly string[],
  ): Promise<Reply>;
  close(): void;
};

export type SocketOptions = {
  readonly deadlineMs: number;
  /** Asked before each call, since the connection may be a new one; throws a Failure for a socket that is not trusted. */
  readonly trust?: (socketPath: string) => void;
  /** Methods that do no harm if they run twice: what an earlier runtime left of the connection may be noticed only by the call. */
  readonly repeated?: ReadonlySet<string>;
};

type Session = {
  readonly http: Http;
  readonly of: string;
  calls: number;
  isLeft: boolean;
};

/** Of the file: a runtime that starts makes it anew. Without the file, or with another one, an open connection says nothing of what others reach. */
const identityOf = (socketPath: string): string => {
  const facts = statSync(socketPath, { throwIfNoEntry: false });
  return facts ? `${facts.dev} ${facts.ino} ${facts.ctimeMs}` : 'none';
};

export const openSocket = (socketPath: string, options: SocketOptions): CriSocket => {
  const state = { session: undefined as Session | undefined, closed: false };
  /** Also those that are left, as long as a call goes on. */
  const all = new Set<Http>();
  /** The open one, if it leads to where a new one would. */
  const known = (): Session | undefined => {
    const { session } = state;
    if (!session) return undefined;
    const isOpen = !session.http.session.closed && !session.http.session.destroyed;
    if (isOpen && session.of === identityOf(socketPath)) return session;
    leave(session);
    return undefined;
  };
  /** No further call begins on it; it ends with the last of its calls. Without waiting for the other side, which may be stuck. */
  const leave = (session: Session): void => {
    session.isLeft = true;
    if (state.session === session) state.session = undefined;
    if (session.calls === 0) session.http.destroy();
  };
  const begin = (): Session => {
    const session = { of: identityOf(socketPath), http: openSession(socketPath), calls: 0, isLeft: false };
    all.add(session.http);
    session.http.session.once('close', () => all.delete(session.http));
    return session;
  };
  // A connection that a restart of the runtime has ended is replaced at the next call, without a pause.
  const connected = (): Session => {
    if (state.closed) throw new CallError('UNAVAILABLE', 'this client was closed');
    state.session = known() ?? begin();
    return state.session;
  };
  const callOn = async (
    session: Session,
    path: string,
    bytes: Buffer,
    deadlineMs: number,
  ): Promise<Buffer> => {
    session.calls += 1;
    try {
      return await callUnary(session.http.session, path, bytes, deadlineMs);
    } catch (error) {
      // By any error: a connection that is stuck would fail each later call, too, and each tick would keep it open.
      session.isLeft = true;
      throw error;
    } finally {
      session.calls -= 1;
      if (session.isLeft) leave(session);
    }
  };
  const ask = async (method: string, path: string, bytes: Buffer, deadlineMs: number): Promise<Buffer> => {
    const before = state.session;
    const session = connected();
    try {
      return await callOn(session, path, bytes, deadlineMs);
    } catch (error) {
      const isLost = error instanceof CallError && error.status === 'UNAVAILABLE';
      if (!isLost || session !== before || options.repeated?.has(method) !== true) throw error;
      return callOn(connected(), path, bytes, deadlineMs);
    }
  };

  return {
    close: () => {
      state.closed = true;
      for (const http of all) http.destroy();
    },
    call: async <Reply>(
      service: ServiceMethods,
      method: string,
      request: object,
      deadlineMs = options.deadlineMs,
      keys?: readonly string[],
    ) => {
      const definition = service[method];
      if (definition === undefined)
        throw new Failure({ code: 'internal', message: `the descriptor holds no method ${method}` });
      options.trust?.(socketPath);
      const bytes = definition.requestSerialize(request);
      try {
        const reply = await ask(method, definition.path, bytes, deadlineMs);
        // The decoder fills every declared field, so a reply has the shape of its descriptor.
        return read(() => definition.responseDeserialize(reply, keys)) as Reply;
      } catch (error) {
        throw unreachable(socketPath, method, error, deadlineMs);
      }
    },
  };
};

const read = <T>(decode: () => T): T => {
  try {
    return decode();
  } catch (error) {
    const status = error instanceof TooManyParts ? 'RESOURCE_EXHAUSTED' : 'INTERNAL';
    throw new CallError(status, error instanceof Error ? error.message : '', { cause: error });
  }
};

const unreachable = (socket: string, method: string, caught: unknown, deadlineMs: number): Failure => {
  // A session that ended between the look at it and the call says so by an error of Node.
  const error = caught instanceof CallError ? caught : new CallError('UNAVAILABLE', '', { cause: caught });
  return new Failure(
    {
      code: 'runtime-unreachable',
      ...(error.late
        ? { message: `the runtime on ${socket} did not answer ${method} within ${deadlineMs} ms` }
        : why(socket, method, error)),
    },
    error,
  );
};

const why = (socket: string, method: string, error: CallError): Pick<Problem, 'message' | 'detail'> => {
  const known = notListening(socket, error);
  if (known !== undefined) return { message: known };
  const said = oneLine(error.message);
  return { message: answered(socket, method, error, said), ...detailOf({ detail: said }) };
};

/**
 * How a call failed: `refused` with an answer of the runtime, `late` by our own deadline, or `silent` without an answer
 * to the call (no connection, a broken connection, a runtime without resources).
 */
export const endOfCall = (error: unknown): 'refused' | 'late' | 'silent' => {
  const cause: unknown = error instanceof Failure ? error.cause : undefined;
  if (!(cause instanceof CallError) || silent.has(cause.status)) return 'silent';
  return cause.status === 'CANCELLED' ? 'late' : 'refused';
};

const silent: ReadonlySet<string> = new Set(['UNAVAILABLE', 'RESOURCE_EXHAUSTED']);

/** No other program has answered: why not, by the error of the connection. */
const notListening = (socket: string, { cause }: CallError): string | undefined => {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return `there is no socket ${socket}`;
  if (code === 'ECONNREFUSED') return `no process listens on ${socket}`;
  return code === 'EACCES' ? `we may not connect to ${socket}` : undefined;
};

const answered = (socket: string, method: string, { status }: CallError, said: string): string => {
  switch (status) {
    case 'UNAVAILABLE':
      return `the connection to ${socket} failed during ${method}`;
    case 'UNIMPLEMENTED':
      return said.includes('unknown service') || said.includes('does not implement the method')
        ? `the runtime on ${socket} answers but serves no CRI: its CRI plugin is disabled or failed to start`
        : `the runtime on ${socket} does not know ${method}`;
    case 'RESOURCE_EXHAUSTED':
      return `the answer to ${method} on ${socket} is too large`;
    default:
      return `the runtime on ${socket} refused ${method} (${status})`;
  }
};
