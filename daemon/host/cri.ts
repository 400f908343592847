/** What the container runtime says of itself over CRI: the four calls that this program makes. */
import {
  type ContainersReply,
  criTypes,
  inRuntimeV1,
  type SandboxesReply,
  type StatusReply,
  type VersionReply,
} from './cri-messages.ts';
import { loadService, oneLine, openSocket, type SocketOptions } from './cri-socket.ts';

export { type CriSocket, loadService, openSocket } from './cri-socket.ts';

/** Made once: the coders of its messages are compiled at first use, which takes longer than a tick's four calls. */
const runtimeService = loadService(inRuntimeV1(criTypes), 'runtime.v1.RuntimeService');

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
export const connectCri = (socketPath: string, options: SocketOptions): Cri => {
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
