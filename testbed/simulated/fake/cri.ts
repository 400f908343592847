/** CRI of the fake container runtime: what it serves, and sandboxes that start as the test says. */
import type { Cri } from '../../../host/cri/cri.ts';
import { CallError } from '../../../host/cri/grpc.ts';
import type { Files } from '../../../host/files/files.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Loaded } from '../runtimes/loaded.ts';
import type { Process } from './process.ts';
import type { VirtualTime } from './time.ts';

export const fakeCri = (
  root: string,
  { daemon, isCrio, isReady, crash }: Process,
  time: VirtualTime,
  real: Files['real'],
): ((socket: string) => Cri) => {
  let lastSandbox = 0;
  return (socket) => {
    const alive = (): Loaded & { kind: 'loaded' } => {
      const { loaded, unit } = daemon;
      const down = (message: string): Failure => new Failure({ code: 'runtime-unreachable', message });
      if (unit.active !== 'active' || loaded?.kind !== 'loaded' || socket !== real(loaded.socket))
        throw down(`nothing listens on ${socket.slice(root.length)}`);
      if (loaded.criFault !== undefined) throw down('unknown service runtime.v1.RuntimeService');
      return loaded;
    };
    return {
      version: async () => {
        alive();
        const { version } = daemon;
        if (isCrio) return { name: 'cri-o', version, api: 'v1' };
        return { name: 'containerd', version: version.startsWith('1.') ? version : `v${version}`, api: 'v1' };
      },
      status: async () => {
        alive();
        const runtimeReady = isReady();
        return {
          runtimeReady,
          reason: runtimeReady ? '' : 'cni is not the reason',
          handlers: daemon.served(),
        };
      },
      sandboxes: async (keys) => {
        alive();
        return daemon.sandboxes.map((one) => ({
          ...one,
          // CRI-O's list has no handlers.
          handler: isCrio ? '' : one.handler,
          ready: true,
          namespace: one.namespace ?? 'default',
          name: one.id,
          labels: only(one.labels ?? { 'io.kubernetes.pod.uid': one.id }, keys),
          annotations: only(one.annotations ?? {}, keys),
        }));
      },
      sandboxInfo: async (id) => {
        const sandbox = daemon.sandboxes.find((one) => one.id === id);
        const own = { 'io.kubernetes.cri-o.RuntimeHandler': sandbox?.handler };
        // CRI-O copies those of the Pod over its own.
        return { runtimeSpec: { annotations: { ...own, ...sandbox?.annotations, ...sandbox?.labels } } };
      },
      containers: async () => {
        alive();
        return daemon.containers;
      },
      // As 1.7.24 and 2.1.9 print it, of what is read there; 2.x does not report the image of sandboxes.
      configuration: async () =>
        alive() &&
        (isCrio
          ? { crio: { CgroupManagerName: 'systemd' }, sandboxImage: 'registry.k8s.io/pause:3.10.1' }
          : {
              containerd: {
                defaultRuntimeName: 'runc',
                runtimes: { runc: { options: { SystemdCgroup: true } } },
              },
              ...(daemon.version.startsWith('1.') ? { sandboxImage: 'registry.k8s.io/pause:3.8' } : {}),
              containerdRootDir: '/var/lib/containerd',
            }),
      hasImage: async (name) => {
        alive();
        return daemon.pauseImage && name.startsWith('registry.k8s.io/pause:');
      },
      startSandbox: async ({ handler, namespace, labels, cgroupParent }, deadlineMs) => {
        alive();
        daemon.sandboxJobs.push(
          `start ${handler || '(default)'}${cgroupParent === 'system.slice' ? '' : '!'}`,
        );
        const known = handler === '' || daemon.runs().includes(handler);
        const how = known ? daemon.starts(handler) : 'refused';
        if (how === 'late') time.advance(deadlineMs);
        if (how === 'drags') time.advance(deadlineMs - 100);
        if (how === 'kills') {
          time.cancelAll();
          crash(1000);
        }
        if (how !== 'works' && how !== 'stays') throw callFailed(how, handler);
        time.advance(250);
        lastSandbox += 1;
        const id = `proof-${lastSandbox}`;
        daemon.sandboxes = [...daemon.sandboxes, { id, handler, namespace, labels }];
        return id;
      },
      removeSandbox: async (id) => {
        alive();
        daemon.sandboxJobs.push(`remove ${id}`);
        const handler = daemon.sandboxes.find((one) => one.id === id)?.handler;
        if (handler !== undefined && daemon.starts(handler) === 'stays') throw callFailed('refused', handler);
        daemon.sandboxes = daemon.sandboxes.filter((one) => one.id !== id);
      },
      close: () => undefined,
    };
  };
};

/** Of a map, as the real client keeps it. */
const only = (all: Readonly<Record<string, string>>, keys: readonly string[] | undefined) =>
  Object.fromEntries(Object.entries(all).filter(([key]) => keys?.includes(key) !== false));

/** As the real client reports it; the text is that of containerd 2.1.9 for a shim that is `exit 0`. */
const callFailed = (how: 'refused' | 'drags' | 'late' | 'kills', handler: string): Failure => {
  const status = ({ refused: 'UNKNOWN', drags: 'UNKNOWN', late: 'CANCELLED', kills: 'UNAVAILABLE' } as const)[
    how
  ];
  const detail = `failed to start sandbox: failed to start shim: start failed: dial unix: connect: connection refused`;
  return new Failure(
    { code: 'runtime-unreachable', message: `the runtime refused RunPodSandbox of ${handler}`, detail },
    new CallError(status, detail, { late: how === 'late' }),
  );
};
