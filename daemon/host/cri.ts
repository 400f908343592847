/**
 * What the container runtime says of itself over CRI: gRPC on a unix socket. The only file that imports
 * @grpc/grpc-js. `loadService` and `openSocket` know nothing of the four calls made here, so that tests on real
 * nodes can declare and make others (RunPodSandbox, …).
 */
import { Client, credentials, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { Failure } from '../model/problem.ts';
import {
  type ContainersReply,
  criTypes,
  inRuntimeV1,
  type SandboxesReply,
  type StatusReply,
  type VersionReply,
} from './cri-messages.ts';

export type CriStatus = {
  readonly runtimeReady: boolean;
  readonly networkReady: boolean;
  /** Why the runtime is not ready, in its own words; '' when it is. */
  readonly reason: string;
  /** Without the empty name, which stands for the default handler; `unknown` when the runtime does not tell. */
  readonly handlers: readonly string[] | 'unknown';
};
export type Sandbox = {
  readonly id: string;
  /** '' is the default handler. */
  readonly handler: string;
  readonly ready: boolean;
  /** Nanoseconds since the epoch, decimal: too large for a number. */
  readonly createdAt: string;
  readonly namespace: string;
  readonly name: string;
};
export type ContainerFact = {
  readonly id: string;
  /** The id of its sandbox. */
  readonly sandbox: string;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  /** Nanoseconds since the epoch, decimal. */
  readonly createdAt: string;
};

/** Every call throws Failure 'runtime-unreachable', with a message that tells the cases apart. */
export type Cri = {
  version(): Promise<{ readonly name: string; readonly version: string; readonly api: string }>;
  status(): Promise<CriStatus>;
  sandboxes(): Promise<readonly Sandbox[]>;
  containers(): Promise<readonly ContainerFact[]>;
  /** Frees the socket; calls still pending fail. */
  close(): void;
};

/** Connects with the first call, and again by itself after the runtime was restarted. */
export const connectCri = (socketPath: string, options: { readonly deadlineMs: number }): Cri => {
  const socket = openSocket(socketPath, options);
  const ask = <Reply>(
    method: keyof typeof criTypes.RuntimeService.methods,
    request: object,
  ): Promise<Reply> => socket.call<Reply>(runtimeService, method, request);

  return {
    version: async () => {
      const reply = await ask<VersionReply>('Version', {});
      return { name: reply.runtime_name, version: reply.runtime_version, api: reply.runtime_api_version };
    },
    status: async () => {
      const reply = await ask<StatusReply>('Status', {});
      const condition = (type: string) => reply.status?.conditions.find((found) => found.type === type);
      const runtime = condition('RuntimeReady');
      const ready = runtime?.status === true;
      const why =
        runtime === undefined ? ['the runtime gives no RuntimeReady'] : [runtime.reason, runtime.message];
      return {
        runtimeReady: ready,
        networkReady: condition('NetworkReady')?.status === true,
        reason: ready ? '' : oneLine(why.filter((part) => part !== '').join(': ')),
        handlers:
          reply.runtime_handlers.length > 0
            ? named(reply.runtime_handlers.map((handler) => handler.name))
            : // containerd before 2.0 tells them only here; asked apart, because it is large and rarely needed.
              handlersOf((await ask<StatusReply>('Status', { verbose: true })).info.config),
      };
    },
    sandboxes: async () =>
      (await ask<SandboxesReply>('ListPodSandbox', {})).items.map((item) => ({
        id: item.id,
        handler: item.runtime_handler,
        ready: item.state === 'SANDBOX_READY',
        createdAt: item.created_at,
        namespace: item.metadata?.namespace ?? '',
        name: item.metadata?.name ?? '',
      })),
    containers: async () =>
      (await ask<ContainersReply>('ListContainers', {})).containers.map((item) => ({
        id: item.id,
        sandbox: item.pod_sandbox_id,
        state: containerStates.get(item.state) ?? 'unknown',
        createdAt: item.created_at,
      })),
    close: socket.close,
  };
};

const containerStates: ReadonlyMap<string | number, ContainerFact['state']> = new Map([
  ['CONTAINER_CREATED', 'created'],
  ['CONTAINER_RUNNING', 'running'],
  ['CONTAINER_EXITED', 'exited'],
]);

const named = (names: readonly string[]): readonly string[] =>
  [...new Set(names)].filter((name) => name !== '');

/**
 * The handlers in the configuration that containerd 1.6 and 1.7 show as JSON: `containerd.runtimes`, whose keys are
 * compared without regard to case, since they come from the names of Go fields where a tag is missing.
 */
const handlersOf = (config: string | undefined): readonly string[] | 'unknown' => {
  try {
    const runtimes = member(member(JSON.parse(config ?? ''), 'containerd'), 'runtimes');
    return isObject(runtimes) ? named(Object.keys(runtimes)) : 'unknown';
  } catch {
    // Not JSON: another runtime's idea of `info`.
    return 'unknown';
  }
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const member = (value: unknown, key: string): unknown =>
  isObject(value) ? Object.entries(value).find(([name]) => name.toLowerCase() === key)?.[1] : undefined;

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

/** `descriptor` is a protobuf descriptor as JSON (see cri-messages.ts), `name` the full name of a service in it. */
export const loadService = (descriptor: object, name: string): ServiceDefinition => {
  const found = fromJSON(descriptor, { keepCase: true, longs: String, enums: String, defaults: true })[name];
  // A message has a format, a service has none.
  if (found === undefined || 'format' in found)
    throw new Failure({ code: 'internal', message: `the descriptor holds no service ${name}` });
  return found as ServiceDefinition;
};

/** Made once: the coders of its messages are compiled at first use, which takes longer than a tick's four calls. */
const runtimeService = loadService(inRuntimeV1(criTypes), 'runtime.v1.RuntimeService');

const maxReplyBytes = 64 * 1024 * 1024;

export const openSocket = (socketPath: string, options: { readonly deadlineMs: number }): CriSocket => {
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
      // Not a gRPC deadline, which is a time of day: a node's clock may leap when it first hears of NTP.
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
      message:
        lateMs === undefined
          ? why(socket, method, error)
          : `the runtime on ${socket} did not answer ${method} within ${lateMs} ms`,
    },
    error ?? undefined,
  );

const why = (socket: string, method: string, error: Caught): string => {
  const said = oneLine(error?.details ?? '');
  switch (error?.code) {
    case status.UNAVAILABLE:
      if (said.includes('ENOENT')) return `there is no socket ${socket}`;
      if (said.includes('ECONNREFUSED')) return `nobody listens on ${socket}`;
      if (said.includes('EACCES')) return `we may not connect to ${socket}`;
      return `the connection to ${socket} failed during ${method}: ${said}`;
    case status.UNIMPLEMENTED:
      return said.includes('unknown service') || said.includes('does not implement the method')
        ? `the runtime on ${socket} answers but serves no CRI: its CRI plugin is disabled or failed to start (${said})`
        : `the runtime on ${socket} does not know ${method}: ${said}`;
    case status.RESOURCE_EXHAUSTED:
      return `the answer to ${method} on ${socket} is too large: ${said}`;
    case undefined:
      return `the runtime on ${socket} answered ${method} with nothing`;
    default:
      return `the runtime on ${socket} refused ${method}: ${said} (${status[error?.code ?? 2]})`;
  }
};

const oneLine = (text: string): string =>
  text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, 300);
