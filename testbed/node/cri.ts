/**
 * The part of the CRI that a kubelet uses to run a Pod, over the node's own socket. Fields that tests do not need are
 * left out; numbers are those of
 * https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto.
 */
import { loadService, openSocket } from '../../host/cri/cri.ts';

type Field = {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly keyType?: string;
};

const one = (type: string, id: number): Field => ({ type, id });
const many = (type: string, id: number): Field => ({ type, id, rule: 'repeated' });
const map = (id: number): Field => ({ keyType: 'string', type: 'string', id });

const messages = {
  PodSandboxMetadata: { name: one('string', 1), uid: one('string', 2), namespace: one('string', 3) },
  NamespaceOption: { network: one('int32', 1), pid: one('int32', 2) },
  LinuxSandboxSecurityContext: { namespace_options: one('NamespaceOption', 1) },
  LinuxPodSandboxConfig: {
    cgroup_parent: one('string', 1),
    security_context: one('LinuxSandboxSecurityContext', 2),
  },
  PodSandboxConfig: {
    metadata: one('PodSandboxMetadata', 1),
    log_directory: one('string', 3),
    labels: map(6),
    annotations: map(7),
    linux: one('LinuxPodSandboxConfig', 8),
  },
  RunPodSandboxRequest: { config: one('PodSandboxConfig', 1), runtime_handler: one('string', 2) },
  RunPodSandboxResponse: { pod_sandbox_id: one('string', 1) },
  PodRequest: { pod_sandbox_id: one('string', 1) },
  Empty: {},
  ContainerMetadata: { name: one('string', 1), attempt: one('uint32', 2) },
  ImageSpec: { image: one('string', 1) },
  Mount: { container_path: one('string', 1), host_path: one('string', 2), readonly: one('bool', 3) },
  Capability: { add_capabilities: many('string', 1), drop_capabilities: many('string', 2) },
  Int64Value: { value: one('int64', 1) },
  SecurityProfile: { profile_type: one('int32', 1) },
  LinuxContainerSecurityContext: {
    capabilities: one('Capability', 1),
    privileged: one('bool', 2),
    namespace_options: one('NamespaceOption', 3),
    run_as_user: one('Int64Value', 5),
    readonly_rootfs: one('bool', 7),
    no_new_privs: one('bool', 11),
    run_as_group: one('Int64Value', 12),
    masked_paths: many('string', 13),
    readonly_paths: many('string', 14),
    seccomp: one('SecurityProfile', 15),
  },
  LinuxContainerConfig: { security_context: one('LinuxContainerSecurityContext', 2) },
  ContainerConfig: {
    metadata: one('ContainerMetadata', 1),
    image: one('ImageSpec', 2),
    command: many('string', 3),
    args: many('string', 4),
    mounts: many('Mount', 7),
    labels: map(9),
    annotations: map(10),
    log_path: one('string', 11),
    linux: one('LinuxContainerConfig', 15),
  },
  CreateContainerRequest: {
    pod_sandbox_id: one('string', 1),
    config: one('ContainerConfig', 2),
    sandbox_config: one('PodSandboxConfig', 3),
  },
  CreateContainerResponse: { container_id: one('string', 1) },
  ContainerRequest: { container_id: one('string', 1) },
  StopContainerRequest: { container_id: one('string', 1), timeout: one('int64', 2) },
  ContainerStatus: {
    id: one('string', 1),
    state: one('int32', 3),
    exit_code: one('int32', 7),
    reason: one('string', 10),
    message: one('string', 11),
  },
  ContainerStatusResponse: { status: one('ContainerStatus', 1) },
  VersionResponse: { runtime_name: one('string', 2), runtime_version: one('string', 3) },
  RuntimeCondition: { type: one('string', 1), status: one('bool', 2), message: one('string', 4) },
  RuntimeStatus: { conditions: many('RuntimeCondition', 1) },
  RuntimeHandler: { name: one('string', 1), features: one('RuntimeHandlerFeatures', 2) },
  RuntimeHandlerFeatures: { recursive_read_only_mounts: one('bool', 1), user_namespaces: one('bool', 2) },
  StatusRequest: { verbose: one('bool', 1) },
  StatusResponse: {
    status: one('RuntimeStatus', 1),
    info: map(2),
    runtime_handlers: many('RuntimeHandler', 3),
  },
  PodSandbox: { id: one('string', 1), metadata: one('PodSandboxMetadata', 2), state: one('int32', 3) },
  ListPodSandboxResponse: { items: many('PodSandbox', 1) },
} as const;

const method = (requestType: keyof typeof messages, responseType: keyof typeof messages) => ({
  requestType,
  responseType,
});

const methods = {
  Version: method('Empty', 'VersionResponse'),
  Status: method('StatusRequest', 'StatusResponse'),
  RunPodSandbox: method('RunPodSandboxRequest', 'RunPodSandboxResponse'),
  StopPodSandbox: method('PodRequest', 'Empty'),
  RemovePodSandbox: method('PodRequest', 'Empty'),
  ListPodSandbox: method('Empty', 'ListPodSandboxResponse'),
  CreateContainer: method('CreateContainerRequest', 'CreateContainerResponse'),
  StartContainer: method('ContainerRequest', 'Empty'),
  StopContainer: method('StopContainerRequest', 'Empty'),
  ContainerStatus: method('ContainerRequest', 'ContainerStatusResponse'),
} as const;

const types = Object.fromEntries(Object.entries(messages).map(([name, fields]) => [name, { fields }]));

const service = loadService({ ...types, RuntimeService: { methods } }, 'runtime.v1.RuntimeService');

/** One call on a connection of its own, because containerd restarts under these tests. Rejects with a Failure. */
export const callCri = async <Answer>(
  socketPath: string,
  name: keyof typeof methods,
  request: object,
  deadlineMs = 60_000,
): Promise<Answer> => {
  const socket = openSocket(socketPath, { deadlineMs });
  try {
    return await socket.call<Answer>(service, name, request);
  } finally {
    socket.close();
  }
};
