/**
 * The init container of the DaemonSet on a node without Kubernetes: run over CRI with what the manifest says, as a
 * kubelet would, so that what is proven here is proven of the manifest.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { callCri } from './cri.ts';
import type { TestNode } from './test-node.ts';
import { containerStatus, plainLog, removePod } from './pods.ts';
import { until } from './service.ts';

/** More than it waits for anything itself. */
const mostMs = 1_000_000;

const manifest = join(import.meta.dirname, '..', '..', 'bootstrap', 'manifests', 'daemonset.yaml');

type Container = {
  readonly args: readonly string[];
  readonly securityContext: {
    readonly runAsUser: number;
    readonly runAsGroup: number;
    readonly privileged: boolean;
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: { readonly add?: readonly string[]; readonly drop: readonly string[] };
  };
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
};

type PodSpec = {
  readonly initContainers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
};

const spec = (): PodSpec =>
  (parseDocument(readFileSync(manifest, 'utf8')).toJS() as { spec: { template: { spec: PodSpec } } }).spec
    .template.spec;

/** Where the ConfigMap's files are on a node; there is one when this folder is there. */
export const configMapAt = '/srv/configmap';

export type BootstrapPod = {
  readonly id: string;
  readonly containerId: string;
  log(): Promise<string>;
  /** Waits until it ended; then it is removed. */
  ended(): Promise<{ readonly code: number; readonly log: string }>;
  /** SIGKILL, as when the node's memory runs out; then it is removed. */
  kill(): Promise<void>;
};

/** What the container runtime masks and protects unless told otherwise; the kubelet tells it. */
const masked = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
];
const protectedPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export const startBootstrap = async (
  on: TestNode,
  image: string,
  more: readonly string[] = [],
): Promise<BootstrapPod> => {
  const { initContainers, volumes } = spec();
  const [container] = initContainers;
  if (container === undefined) throw new Error(`${manifest} has no init container`);
  const { securityContext } = container;
  const mounts: object[] = [];
  for (const { name, mountPath, readOnly } of container.volumeMounts) {
    const path = volumes.find((one) => one.name === name)?.hostPath?.path ?? configMapAt;
    await on.run(['mkdir', '-p', path]);
    mounts.push({ container_path: mountPath, host_path: path, readonly: readOnly === true });
  }
  const uid = randomUUID();
  const name = `bootstrap-${uid.slice(0, 8)}`;
  const logs = `/var/log/pods/rcm-node_${name}_${uid}`;
  const network = { network: 2 };
  const sandboxConfig = {
    metadata: { name, uid, namespace: 'rcm-node' },
    log_directory: logs,
    linux: { security_context: { namespace_options: network } },
  };
  const { pod_sandbox_id: id } = await callCri<{ pod_sandbox_id: string }>(on.criSocket, 'RunPodSandbox', {
    config: sandboxConfig,
    runtime_handler: '',
  });
  await on.run(['mkdir', '-p', `${logs}/bootstrap`]);
  const { container_id: containerId } = await callCri<{ container_id: string }>(
    on.criSocket,
    'CreateContainer',
    {
      pod_sandbox_id: id,
      sandbox_config: sandboxConfig,
      config: {
        metadata: { name: 'bootstrap', attempt: 0 },
        image: { image },
        args: [...container.args, ...more],
        mounts,
        log_path: 'bootstrap/0.log',
        linux: {
          security_context: {
            namespace_options: network,
            run_as_user: { value: securityContext.runAsUser },
            run_as_group: { value: securityContext.runAsGroup },
            privileged: securityContext.privileged,
            no_new_privs: !securityContext.allowPrivilegeEscalation,
            readonly_rootfs: securityContext.readOnlyRootFilesystem,
            capabilities: {
              add_capabilities: securityContext.capabilities.add ?? [],
              drop_capabilities: securityContext.capabilities.drop,
            },
            masked_paths: masked,
            readonly_paths: protectedPaths,
            seccomp: { profile_type: 0 },
          },
        },
      },
    },
  );
  await callCri(on.criSocket, 'StartContainer', { container_id: containerId });
  const log = async (): Promise<string> => plainLog(await on.readFile(`${logs}/bootstrap/0.log`));
  return {
    id,
    containerId,
    log,
    ended: async () => {
      const look = async () => {
        const status = await containerStatus(on, containerId).catch(() => undefined);
        return status?.state === 2 && status;
      };
      const { exit_code: code } = await until(on, `the end of ${name}`, look, mostMs);
      const said = { code, log: await log() };
      await removePod(on, id);
      return said;
    },
    kill: async () => {
      await callCri(on.criSocket, 'StopContainer', { container_id: containerId, timeout: 0 });
      await removePod(on, id);
    },
  };
};

export const runBootstrap = async (
  on: TestNode,
  image: string,
  more: readonly string[] = [],
): Promise<{ readonly code: number; readonly log: string }> =>
  (await startBootstrap(on, image, more)).ended();

/** Puts an image archive that lies on the node where its runtime finds it. */
export const importArchive = async (on: TestNode, path: string): Promise<void> => {
  await on.run(['ctr', '-n', 'k8s.io', 'images', 'import', path]);
};
