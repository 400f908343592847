/** All CRI calls of this program: the state of the container runtime, and the sandboxes of a proof. */
import { criTypes, type Reply } from './messages.ts';
import { loadService } from './protobuf.ts';
import { type CriSocket, openSocket, type SocketOptions } from './socket.ts';
import { fields, isFields, member, parseJson } from '../../protocol/json.ts';
import { oneLine } from '../../protocol/one-line.ts';

export { loadService } from './protobuf.ts';
export { type CriSocket, endOfCall, openSocket } from './socket.ts';

const runtimeService = loadService(criTypes, 'runtime.v1.RuntimeService');
const imageService = loadService(criTypes, 'runtime.v1.ImageService');

export type CriStatus = {
  readonly runtimeReady: boolean;
  /** Why the runtime is not ready, as it says; '' when it is. */
  readonly reason: string;
  /** Without the empty name, which stands for the default handler; `unknown` if the runtime does not report them. */
  readonly handlers: readonly string[] | 'unknown';
};
export type Sandbox = {
  readonly id: string;
  /** '' is the default handler. */
  readonly handler: string;
  readonly ready: boolean;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};
/** A sandbox in the host's network, so that no CNI plugin is needed. */
export type SandboxOrder = {
  /** '' is the default handler. */
  readonly handler: string;
  readonly namespace: string;
  readonly name: string;
  /** No two sandboxes may have the same. */
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The slice, if the runtime has systemd make its cgroups; otherwise ''. */
  readonly cgroupParent: string;
};
export type ContainerFact = {
  readonly id: string;
  /** The id of its sandbox. */
  readonly sandbox: string;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
};

/** Every call throws Failure 'runtime-unreachable', with a message for each case. */
export type Cri = {
  version(): Promise<{ readonly name: string; readonly version: string; readonly api: string }>;
  status(): Promise<CriStatus>;
  /** `keys`: of labels and annotations, only these are kept, however many Pods have. */
  sandboxes(keys?: readonly string[]): Promise<readonly Sandbox[]>;
  /** The runtime's own verbose information about a sandbox: any form; null if there is none. */
  sandboxInfo(id: string): Promise<unknown>;
  containers(): Promise<readonly ContainerFact[]>;
  /** The loaded configuration, as the runtime prints it: any form, and it may hold passwords. */
  configuration(): Promise<unknown>;
  hasImage(name: string): Promise<boolean>;
  /** Returns its id. Pulls the image of sandboxes if it is missing. */
  startSandbox(order: SandboxOrder, deadlineMs: number): Promise<string>;
  /** Ends and removes one; that it is gone already is no error. */
  removeSandbox(id: string, deadlineMs: number): Promise<void>;
  /** Frees the socket; calls still pending fail. */
  close(): void;
};

/** Connects at the first call, and again after a restart of the runtime. */
export const connectCri = (socketPath: string, options: SocketOptions): Cri =>
  clientOn(openSocket(socketPath, options));

export const clientOn = (socket: CriSocket): Cri => {
  const { methods } = criTypes.RuntimeService;
  const ask = <Method extends keyof typeof methods>(
    method: Method,
    request: object,
    ...how: readonly [deadlineMs?: number, keys?: readonly string[]]
  ) => socket.call<Reply<(typeof methods)[Method]['responseType']>>(runtimeService, method, request, ...how);

  return {
    version: async () => {
      const reply = await ask('Version', {});
      return { name: reply.runtime_name, version: reply.runtime_version, api: reply.runtime_api_version };
    },
    status: async () => {
      const reply = await ask('Status', {});
      const condition = (type: string) => reply.status?.conditions.find((found) => found.type === type);
      const runtime = condition('RuntimeReady');
      const ready = runtime?.status === true;
      const why =
        runtime === undefined ? ['the runtime gives no RuntimeReady'] : [runtime.reason, runtime.message];
      return {
        runtimeReady: ready,
        reason: ready ? '' : oneLine(why.filter((part) => part !== '').join(': ')),
        handlers:
          reply.runtime_handlers.length > 0
            ? named(reply.runtime_handlers.map((handler) => handler.name))
            : // Older ones tell them only here; asked apart, because it is large and rarely needed.
              handlersOf((await ask('Status', { verbose: true })).info.config),
      };
    },
    sandboxes: async (keys) =>
      (await ask('ListPodSandbox', {}, undefined, keys)).items.map((item) => ({
        id: item.id,
        handler: item.runtime_handler,
        ready: item.state === 'SANDBOX_READY',
        namespace: item.metadata?.namespace ?? '',
        name: item.metadata?.name ?? '',
        labels: item.labels,
        annotations: item.annotations,
      })),
    sandboxInfo: async (id) =>
      parseJson((await ask('PodSandboxStatus', { pod_sandbox_id: id, verbose: true })).info.info ?? '') ??
      null,
    containers: async () =>
      (await ask('ListContainers', {})).containers.map((item) => ({
        id: item.id,
        sandbox: item.pod_sandbox_id,
        state: containerStates.get(item.state) ?? 'unknown',
      })),
    configuration: async () => parseJson((await ask('Status', { verbose: true })).info.config ?? '') ?? null,
    hasImage: async (name) =>
      (
        await socket.call<Reply<'ImageStatusResponse'>>(imageService, 'ImageStatus', {
          image: { image: name },
        })
      ).image !== null,
    startSandbox: async ({ handler, namespace, name, uid, labels, cgroupParent }, deadlineMs) => {
      const namespaces = { network: 'NODE', pid: 'POD', ipc: 'POD' };
      const config = {
        metadata: { name, uid, namespace },
        labels,
        linux: { cgroup_parent: cgroupParent, security_context: { namespace_options: namespaces } },
      };
      const request = { config, runtime_handler: handler };
      return (await ask('RunPodSandbox', request, deadlineMs)).pod_sandbox_id;
    },
    removeSandbox: async (id, deadlineMs) => {
      // Some runtimes return an error for the stop of an unknown sandbox, but not for its removal.
      await ask('StopPodSandbox', { pod_sandbox_id: id }, deadlineMs).catch(() => undefined);
      await ask('RemovePodSandbox', { pod_sandbox_id: id }, deadlineMs);
    },
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

/** The handlers in the configuration that a runtime shows as JSON: the names of `runtimes` in one of its tables. */
const handlersOf = (config: string | undefined): readonly string[] | 'unknown' => {
  // `info` of another runtime may not be JSON.
  const tables = Object.values(fields(parseJson(config ?? '')));
  const runtimes = tables.map((table) => member(table, 'runtimes')).find(isFields);
  return runtimes ? named(Object.keys(runtimes)) : 'unknown';
};
