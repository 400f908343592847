/**
 * gRPC on a unix socket, whatever the service: tests on real nodes declare and make calls of their own with it. The only
 * file that imports @grpc/grpc-js.
 */
import { Client, credentials, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { detailOf, Failure, type Problem } from '../../protocol/problem/problem.ts';
import { oneLine } from '../../protocol/one-line.ts';

export type CriSocket = {
  /**
   * One unary call. The reply has the shape that the descriptor declares: every field is there, int64 is decimal
   * text, an enum is the name of its value, a missing message is null.
   * `deadlineMs` replaces that of the socket for this call. Throws Failure 'runtime-unreachable'.
   */
  call<Reply>(
    service: ServiceDefinition,
    method: string,
    request: object,
    deadlineMs?: number,
  ): Promise<Reply>;
  close(): void;
};

/** `descriptor` is a protobuf descriptor as JSON (see messages.ts), `name` the full name of a service in it. */
export const loadService = (descriptor: object, name: string): ServiceDefinition => {
  const found = fromJSON(descriptor, { keepCase: true, longs: String, enums: String, defaults: true })[name];
  // A message has a format, a service has none.
  if (found === undefined || 'format' in found)
    throw new Failure({ code: 'internal', message: `the descriptor holds no service ${name}` });
  return found as ServiceDefinition;
};

const maxReplyBytes = 64 * 1024 * 1024;

export type SocketOptions = {
  readonly deadlineMs: number;
  /** Asked before each call, since the connection may be a new one; throws a Failure for a socket that is not trusted. */
  readonly trust?: (socketPath: string) => void;
};

export const openSocket = (socketPath: string, options: SocketOptions): CriSocket => {
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    // Thousands of containers exceed the usual 4 MiB.
    'grpc.max_receive_message_length': maxReplyBytes,
    // The pauses between attempts otherwise grow to two minutes, half of what a restart may take in all.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
    // Another client's failed attempt must not delay ours.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.default_authority': 'localhost',
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_channelz': 0,
  });

  return {
    close: () => client.close(),
    call: async <Reply>(
      service: ServiceDefinition,
      method: string,
      request: object,
      deadlineMs = options.deadlineMs,
    ) => {
      const definition = service[method];
      if (definition === undefined)
        throw new Failure({ code: 'internal', message: `the descriptor holds no method ${method}` });
      options.trust?.(socketPath);
      const done = Promise.withResolvers<Reply>();
      const pending = client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        // The decoder fills every declared field (`defaults`), so a reply has the shape of its descriptor.
        (bytes) => definition.responseDeserialize(bytes) as Reply,
        request,
        (error, reply) => {
          clearTimeout(timer);
          if (error === null && reply !== undefined) done.resolve(reply);
          else
            done.reject(unreachable(socketPath, method, error, late.signal.aborted ? deadlineMs : undefined));
        },
      );
      // Not a gRPC deadline, which is a time of day: a node's clock may jump at its first NTP answer.
      const late = new AbortController();
      const timer = setTimeout(() => {
        late.abort();
        pending.cancel();
      }, deadlineMs);
      return done.promise;
    },
  };
};

type Caught = ServiceError | null;

/** `lateMs`: the deadline, when that is what ended the call. */
const unreachable = (socket: string, method: string, error: Caught, lateMs: number | undefined): Failure =>
  new Failure(
    {
      code: 'runtime-unreachable',
      ...(lateMs === undefined
        ? why(socket, method, error)
        : { message: `the runtime on ${socket} did not answer ${method} within ${lateMs} ms` }),
    },
    error ?? undefined,
  );

const why = (socket: string, method: string, error: Caught): Pick<Problem, 'message' | 'detail'> => {
  const said = oneLine(error?.details ?? '');
  const known = notListening(socket, error, said);
  return known
    ? { message: known }
    : { message: answered(socket, method, error, said), ...detailOf({ detail: said }) };
};

/**
 * How a call failed: `refused` with an answer of the runtime, `late` by our own deadline, or `silent` without an answer
 * to the call (no connection, a broken connection, a runtime without resources).
 */
export const endOfCall = (error: unknown): 'refused' | 'late' | 'silent' => {
  const cause: unknown = error instanceof Failure ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === status.CANCELLED) return 'late';
  if (code === undefined || code === status.UNAVAILABLE || code === status.RESOURCE_EXHAUSTED)
    return 'silent';
  return 'refused';
};

/** The message of our own client: no other program has answered. */
const notListening = (socket: string, error: Caught, said: string): string | undefined => {
  if (error?.code !== status.UNAVAILABLE) return undefined;
  if (said.includes('ENOENT')) return `there is no socket ${socket}`;
  if (said.includes('ECONNREFUSED')) return `no process listens on ${socket}`;
  return said.includes('EACCES') ? `we may not connect to ${socket}` : undefined;
};

const answered = (socket: string, method: string, error: Caught, said: string): string => {
  switch (error?.code) {
    case status.UNAVAILABLE:
      return `the connection to ${socket} failed during ${method}`;
    case status.UNIMPLEMENTED:
      return said.includes('unknown service') || said.includes('does not implement the method')
        ? `the runtime on ${socket} answers but serves no CRI: its CRI plugin is disabled or failed to start`
        : `the runtime on ${socket} does not know ${method}`;
    case status.RESOURCE_EXHAUSTED:
      return `the answer to ${method} on ${socket} is too large`;
    case undefined:
      return `the runtime on ${socket} answered ${method} with nothing`;
    default:
      return `the runtime on ${socket} refused ${method} (${status[error?.code ?? 2]})`;
  }
};
