/** The answers of CRI-O 1.36.3, call by call, as far as they are recorded and Pods need them. */
import type { Image, Images } from '../run/images.ts';
import type { Ended } from '../run/monitor.ts';
import type { Pods } from '../run/pods.ts';
import type { Container, Sandbox } from '../run/records.ts';
import { version } from '../version.ts';
import type { Handlers } from './handlers.ts';
import type {
  CreateContainer,
  Filtered,
  Labels,
  OneContainer,
  OneImage,
  OneSandbox,
  RunSandbox,
} from './requests.ts';
import type { Services } from './server.ts';

const matches = (labels: Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);

const states = { created: 0, running: 1, exited: 2 } as const;

const imageOf = (image: Image): object => ({
  id: image.id,
  repo_tags: image.names,
  repo_digests: [],
  size: '1',
  spec: { image: image.names[0] ?? '', annotations: image.annotations },
});

/** `networkReady`: whether there is a network configuration. */
export const servicesOf = (
  handlers: Handlers,
  pods: Pods,
  images: Images,
  networkReady: () => boolean,
): Services => {
  const sandboxOf = (sandbox: Sandbox): object => ({
    id: sandbox.id,
    metadata: sandbox.config.metadata,
    state: pods.isReady(sandbox) ? 0 : 1,
    created_at: String(sandbox.createdAt),
    labels: sandbox.config.labels,
    annotations: sandbox.config.annotations,
    // CRI-O does not tell it.
    runtime_handler: '',
  });
  /** `ended` is read once for an answer: a container may end between two reads, and would have ended with 0. */
  const stateOf = (container: Container, ended: Ended | undefined): number => {
    if (container.startedAt === 0) return states.created;
    return ended === undefined ? states.running : states.exited;
  };
  const containerOf = (container: Container, ended = pods.endedOf(container.process)): object => ({
    id: container.id,
    pod_sandbox_id: container.sandbox,
    metadata: container.config.metadata,
    image: container.config.image,
    image_ref: container.imageId,
    state: stateOf(container, ended),
    created_at: String(container.createdAt),
    labels: container.config.labels,
    annotations: container.config.annotations,
  });

  const network = (): object =>
    networkReady()
      ? { type: 'NetworkReady', status: true, reason: '', message: '' }
      : {
          type: 'NetworkReady',
          status: false,
          reason: 'NetworkPluginNotReady',
          message:
            'Network plugin returns error: No CNI configuration file in /etc/cni/net.d/. Has your network provider started?',
        };

  return {
    RuntimeService: {
      Version: () => ({
        version: '0.1.0',
        runtime_name: 'cri-o',
        runtime_version: version,
        runtime_api_version: 'v1',
      }),
      Status: ({ verbose }: { readonly verbose: boolean }) => ({
        status: {
          conditions: [{ type: 'RuntimeReady', status: true, reason: '', message: '' }, network()],
        },
        info: verbose ? { config: handlers.info() } : {},
        runtime_handlers: handlers.told(),
        features: { supplemental_groups_policy: true },
      }),
      RunPodSandbox: async (request: RunSandbox) => ({ pod_sandbox_id: await pods.runSandbox(request) }),
      StopPodSandbox: async ({ pod_sandbox_id: id }: OneSandbox) => {
        await pods.stopSandbox(id);
        return {};
      },
      RemovePodSandbox: async ({ pod_sandbox_id: id }: OneSandbox) => {
        await pods.removeSandbox(id);
        return {};
      },
      PodSandboxStatus: ({ pod_sandbox_id: id, verbose }: OneSandbox) => {
        const sandbox = pods.sandbox(id);
        const { annotations: chosen, labels } = sandbox.config;
        // CRI-O copies those of the Pod over its own: runPodSandbox in its server/sandbox_run_linux.go.
        const annotations = { 'io.kubernetes.cri-o.RuntimeHandler': sandbox.handler, ...chosen, ...labels };
        const info = JSON.stringify({ runtimeSpec: { annotations } });
        return { status: sandboxOf(sandbox), info: verbose ? { info } : {} };
      },
      ListPodSandbox: ({ filter }: Filtered) => ({
        items: pods.sandboxes
          .all()
          .filter(({ id }) => filter === null || filter.id === '' || filter.id === id)
          .filter(({ config }) => matches(config.labels, filter?.label_selector ?? {}))
          .map(sandboxOf),
      }),
      CreateContainer: async (request: CreateContainer) => ({
        container_id: await pods.createContainer(request),
      }),
      StartContainer: async ({ container_id: id }: OneContainer) => {
        await pods.startContainer(id);
        return {};
      },
      StopContainer: async ({ container_id: id, timeout }: OneContainer) => {
        await pods.stopContainer(id, Number(timeout));
        return {};
      },
      RemoveContainer: async ({ container_id: id }: OneContainer) => {
        await pods.removeContainer(id);
        return {};
      },
      ContainerStatus: ({ container_id: id }: OneContainer) => {
        const container = pods.container(id);
        const ended = pods.endedOf(container.process);
        const code = ended?.exitCode ?? 0;
        return {
          status: {
            ...containerOf(container, ended),
            started_at: String(container.startedAt),
            finished_at: ended === undefined ? '0' : String(Date.now() * 1_000_000),
            exit_code: code,
            reason: ended === undefined ? '' : code === 0 ? 'Completed' : 'Error',
            log_path: container.process.log,
          },
          info: {},
        };
      },
      ListContainers: ({ filter }: Filtered) => ({
        containers: pods.containers
          .all()
          .filter(({ id }) => filter === null || filter.id === '' || filter.id === id)
          .filter(({ sandbox }) => !filter?.pod_sandbox_id || filter.pod_sandbox_id === sandbox)
          .filter(({ config }) => matches(config.labels, filter?.label_selector ?? {}))
          .map((container) => containerOf(container)),
      }),
    },
    ImageService: {
      ImageStatus: ({ image }: OneImage) => {
        const found = images.find(image?.image ?? '');
        return { image: found === undefined ? null : imageOf(found), info: {} };
      },
      ListImages: () => ({ images: images.all().map(imageOf) }),
      PullImage: ({ image }: OneImage) => ({ image_ref: images.pull(image?.image ?? '').id }),
    },
    StandIn: { Config: () => ({ text: handlers.text() }) },
  };
};
