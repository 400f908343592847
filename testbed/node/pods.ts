/**
 * Pods on a node, run the way a kubelet does: sandbox, container, start, log. They use the node's own network, so no
 * CNI plugin is needed.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AnyNode } from './test-node.ts';
import { callCri } from './cri.ts';

export type PodOptions = {
  /** The RuntimeClass's handler; empty is the default one. */
  readonly handler: string;
  readonly image: string;
  /** On the container, and on the Pod unless told. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly podAnnotations?: Readonly<Record<string, string>>;
  readonly command?: readonly string[];
  /** Of a kubelet with systemd as its driver of cgroups, a slice; without one, containerd chooses. */
  readonly cgroupParent?: string;
  /** Return when the container has ended, or as soon as it has started. */
  readonly wait: 'exited' | 'running';
};

export type Pod = {
  readonly id: string;
  readonly containerId: string;
  /** Undefined while it runs. */
  readonly exitCode: number | undefined;
  /** What the container wrote so far, without the CRI's prefixes. */
  readonly log: string;
  /** Starts one more container in it, as a kubelet does when one has ended. */
  readonly again: (options: Pick<PodOptions, 'image' | 'wait'>) => Promise<Omit<Pod, 'again'>>;
};

const exited = 2; // ContainerState CONTAINER_EXITED
const node = 2; // NamespaceMode NODE

/** Lines are `<time> <stream> <F or P> <text>`; P means that the line goes on. */
export const plainLog = (text: string): string =>
  text
    .split('\n')
    .map((line) => /^\S+ (?:stdout|stderr) ([FP]) ?(.*)$/s.exec(line))
    .map((parts) => (parts ? `${parts[2]}${parts[1] === 'F' ? '\n' : ''}` : ''))
    .join('');

type Status = { readonly state: number; readonly exit_code: number };

export const containerStatus = async (on: AnyNode, containerId: string): Promise<Status> =>
  (
    await callCri<{ status: Status }>(on.criSocket, 'ContainerStatus', {
      container_id: containerId,
    })
  ).status;

/** Waits until containerd answers CRI: it calls itself started a moment before it does. */
export const waitForCri = async (on: AnyNode, ms = 60_000): Promise<void> => {
  for (const began = performance.now(); ; await sleep(50)) {
    try {
      await callCri(on.criSocket, 'Status', {}, 5_000);
      return;
    } catch (error) {
      if (performance.now() - began > ms) throw error;
    }
  }
};

/** False when the container has ended; an error when the runtime does not know it, or does not answer. */
export const isRunning = async (on: AnyNode, containerId: string): Promise<boolean> =>
  (await containerStatus(on, containerId)).state === 1;

/** Removes the Pod with its container, running or not. */
export const removePod = async (on: AnyNode, id: string): Promise<void> => {
  await callCri(on.criSocket, 'StopPodSandbox', { pod_sandbox_id: id });
  await callCri(on.criSocket, 'RemovePodSandbox', { pod_sandbox_id: id });
};

type Sandbox = {
  readonly id: string;
  readonly name: string;
  readonly config: { readonly log_directory: string };
};

const runContainer = async (
  on: AnyNode,
  { id, name, config }: Sandbox,
  options: Pick<PodOptions, 'image' | 'command' | 'annotations' | 'wait'>,
  attempt: number,
): Promise<Omit<Pod, 'again'>> => {
  const log = `main/${attempt}.log`;
  const { container_id: containerId } = await callCri<{ container_id: string }>(
    on.criSocket,
    'CreateContainer',
    {
      pod_sandbox_id: id,
      sandbox_config: config,
      config: {
        metadata: { name: 'main', attempt },
        image: { image: options.image },
        command: options.command ?? [],
        annotations: options.annotations ?? {},
        log_path: log,
        linux: { security_context: { namespace_options: { network: node } } },
      },
    },
  );
  await callCri(on.criSocket, 'StartContainer', { container_id: containerId });
  let status = await containerStatus(on, containerId);
  for (let waited = 0; options.wait === 'exited' && status.state !== exited; waited += 50) {
    if (waited > 60_000) throw new Error(`the container of ${name} does not end`);
    await sleep(50);
    status = await containerStatus(on, containerId);
  }
  return {
    id,
    containerId,
    exitCode: status.state === exited ? status.exit_code : undefined,
    log: plainLog(await on.readFile(`${config.log_directory}/${log}`)),
  };
};

/** Runs a Pod of one container; on failure nothing of it is left, and the runtime's own error comes through. */
export const runPod = async (on: AnyNode, options: PodOptions): Promise<Pod> => {
  const uid = randomUUID();
  const name = `pod-${uid.slice(0, 8)}`;
  const config = {
    metadata: { name, uid, namespace: 'test' },
    log_directory: `/var/log/pods/test_${name}_${uid}`,
    annotations: options.podAnnotations ?? options.annotations ?? {},
    linux: {
      ...(options.cgroupParent === undefined ? {} : { cgroup_parent: options.cgroupParent }),
      security_context: { namespace_options: { network: node } },
    },
  };
  const { pod_sandbox_id: id } = await callCri<{ pod_sandbox_id: string }>(on.criSocket, 'RunPodSandbox', {
    config,
    runtime_handler: options.handler,
  });
  let attempts = 0;
  const run = (more: Pick<PodOptions, 'image' | 'wait'>): Promise<Omit<Pod, 'again'>> => {
    attempts += 1;
    return runContainer(on, { id, name, config }, more, attempts - 1);
  };
  try {
    await on.run(['mkdir', '-p', `${config.log_directory}/main`]);
    return { ...(await run(options)), again: run };
  } catch (error) {
    await removePod(on, id).catch(() => undefined);
    throw error;
  }
};
