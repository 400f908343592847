/**
 * The part of the CRI that this serves, as a protobuf descriptor: field numbers of
 * https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto. Apart from those that clients here use, so
 * that a wrong number on one side is noticed. Enumerations are numbers.
 */

type Field = {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: string;
};
type Fields = Readonly<Record<string, Field>>;

const one = (type: string, id: number): Field => ({ type, id });
const many = (type: string, id: number): Field => ({ type, id, rule: 'repeated' });
const map = (id: number): Field => ({ keyType: 'string', type: 'string', id });

const messages: Readonly<Record<string, Fields>> = {
  Empty: {},
  VersionResponse: {
    version: one('string', 1),
    runtime_name: one('string', 2),
    runtime_version: one('string', 3),
    runtime_api_version: one('string', 4),
  },
  StatusRequest: { verbose: one('bool', 1) },
  StatusResponse: {
    status: one('RuntimeStatus', 1),
    info: map(2),
    runtime_handlers: many('RuntimeHandler', 3),
    features: one('RuntimeFeatures', 4),
  },
  RuntimeStatus: { conditions: many('RuntimeCondition', 1) },
  RuntimeCondition: {
    type: one('string', 1),
    status: one('bool', 2),
    reason: one('string', 3),
    message: one('string', 4),
  },
  RuntimeHandler: { name: one('string', 1), features: one('RuntimeHandlerFeatures', 2) },
  RuntimeHandlerFeatures: { recursive_read_only_mounts: one('bool', 1), user_namespaces: one('bool', 2) },
  RuntimeFeatures: { supplemental_groups_policy: one('bool', 1) },

  PodSandboxMetadata: {
    name: one('string', 1),
    uid: one('string', 2),
    namespace: one('string', 3),
    attempt: one('uint32', 4),
  },
  NamespaceOption: { network: one('int32', 1), pid: one('int32', 2), ipc: one('int32', 3) },
  LinuxSandboxSecurityContext: { namespace_options: one('NamespaceOption', 1) },
  LinuxPodSandboxConfig: {
    cgroup_parent: one('string', 1),
    security_context: one('LinuxSandboxSecurityContext', 2),
  },
  PodSandboxConfig: {
    metadata: one('PodSandboxMetadata', 1),
    hostname: one('string', 2),
    log_directory: one('string', 3),
    labels: map(6),
    annotations: map(7),
    linux: one('LinuxPodSandboxConfig', 8),
  },
  RunPodSandboxRequest: { config: one('PodSandboxConfig', 1), runtime_handler: one('string', 2) },
  OneSandbox: { pod_sandbox_id: one('string', 1), verbose: one('bool', 2) },
  PodSandboxStatus: {
    id: one('string', 1),
    metadata: one('PodSandboxMetadata', 2),
    state: one('int32', 3),
    created_at: one('int64', 4),
    labels: map(7),
    annotations: map(8),
    runtime_handler: one('string', 9),
  },
  PodSandboxStatusResponse: { status: one('PodSandboxStatus', 1), info: map(2) },
  PodSandbox: {
    id: one('string', 1),
    metadata: one('PodSandboxMetadata', 2),
    state: one('int32', 3),
    created_at: one('int64', 4),
    labels: map(5),
    annotations: map(6),
    runtime_handler: one('string', 7),
  },
  SandboxFilter: { id: one('string', 1), label_selector: map(3) },
  ListPodSandboxRequest: { filter: one('SandboxFilter', 1) },
  ListPodSandboxResponse: { items: many('PodSandbox', 1) },

  ContainerMetadata: { name: one('string', 1), attempt: one('uint32', 2) },
  ImageSpec: { image: one('string', 1), annotations: map(2) },
  KeyValue: { key: one('string', 1), value: one('string', 2) },
  Mount: { container_path: one('string', 1), host_path: one('string', 2), readonly: one('bool', 3) },
  LinuxContainerSecurityContext: { namespace_options: one('NamespaceOption', 3) },
  LinuxContainerConfig: { security_context: one('LinuxContainerSecurityContext', 2) },
  ContainerConfig: {
    metadata: one('ContainerMetadata', 1),
    image: one('ImageSpec', 2),
    command: many('string', 3),
    args: many('string', 4),
    working_dir: one('string', 5),
    envs: many('KeyValue', 6),
    mounts: many('Mount', 7),
    labels: map(9),
    annotations: map(10),
    log_path: one('string', 11),
    linux: one('LinuxContainerConfig', 15),
  },
  CreateContainerRequest: { pod_sandbox_id: one('string', 1), config: one('ContainerConfig', 2) },
  OneContainer: { container_id: one('string', 1), timeout: one('int64', 2) },
  ContainerStatusRequest: { container_id: one('string', 1), verbose: one('bool', 2) },
  ContainerStatus: {
    id: one('string', 1),
    metadata: one('ContainerMetadata', 2),
    state: one('int32', 3),
    created_at: one('int64', 4),
    started_at: one('int64', 5),
    finished_at: one('int64', 6),
    exit_code: one('int32', 7),
    image: one('ImageSpec', 8),
    image_ref: one('string', 9),
    reason: one('string', 10),
    labels: map(12),
    annotations: map(13),
    log_path: one('string', 15),
  },
  ContainerStatusResponse: { status: one('ContainerStatus', 1), info: map(2) },
  Container: {
    id: one('string', 1),
    pod_sandbox_id: one('string', 2),
    metadata: one('ContainerMetadata', 3),
    image: one('ImageSpec', 4),
    image_ref: one('string', 5),
    state: one('int32', 6),
    created_at: one('int64', 7),
    labels: map(8),
    annotations: map(9),
  },
  ContainerFilter: { id: one('string', 1), pod_sandbox_id: one('string', 3), label_selector: map(4) },
  ListContainersRequest: { filter: one('ContainerFilter', 1) },
  ListContainersResponse: { containers: many('Container', 1) },

  ImageRequest: { image: one('ImageSpec', 1), verbose: one('bool', 2) },
  Image: {
    id: one('string', 1),
    repo_tags: many('string', 2),
    repo_digests: many('string', 3),
    size: one('uint64', 4),
    spec: one('ImageSpec', 7),
  },
  ImageStatusResponse: { image: one('Image', 1), info: map(2) },
  ListImagesResponse: { images: many('Image', 1) },
  PullImageResponse: { image_ref: one('string', 1) },
  ConfigResponse: { text: one('string', 1) },
};

const methodsOf = (rows: Readonly<Record<string, readonly [request: string, response: string]>>) => ({
  methods: Object.fromEntries(
    Object.entries(rows).map(([name, [requestType, responseType]]) => [name, { requestType, responseType }]),
  ),
});

const services = {
  RuntimeService: methodsOf({
    Version: ['Empty', 'VersionResponse'],
    Status: ['StatusRequest', 'StatusResponse'],
    RunPodSandbox: ['RunPodSandboxRequest', 'OneSandbox'],
    StopPodSandbox: ['OneSandbox', 'Empty'],
    RemovePodSandbox: ['OneSandbox', 'Empty'],
    PodSandboxStatus: ['OneSandbox', 'PodSandboxStatusResponse'],
    ListPodSandbox: ['ListPodSandboxRequest', 'ListPodSandboxResponse'],
    CreateContainer: ['CreateContainerRequest', 'OneContainer'],
    StartContainer: ['OneContainer', 'Empty'],
    StopContainer: ['OneContainer', 'Empty'],
    RemoveContainer: ['OneContainer', 'Empty'],
    ContainerStatus: ['ContainerStatusRequest', 'ContainerStatusResponse'],
    ListContainers: ['ListContainersRequest', 'ListContainersResponse'],
  }),
  ImageService: methodsOf({
    ImageStatus: ['ImageRequest', 'ImageStatusResponse'],
    ListImages: ['Empty', 'ListImagesResponse'],
    PullImage: ['ImageRequest', 'PullImageResponse'],
  }),
  /** Not of the CRI: how `crio status` asks, in place of CRI-O's HTTP on the same socket. */
  StandIn: methodsOf({ Config: ['Empty', 'ConfigResponse'] }),
};

const types = Object.fromEntries(Object.entries(messages).map(([name, fields]) => [name, { fields }]));

export const descriptor = { ...types, ...services };
