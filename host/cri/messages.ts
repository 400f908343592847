/**
 * The part of the CRI that the daemon uses, as a protobuf descriptor in code: a single executable has no .proto
 * file to read. Field numbers from pkg/apis/runtime/v1/api.proto of https://github.com/kubernetes/cri-api; fields
 * that rcm-node does not read are left out; a decoder skips them.
 *
 * To add a message: name it as the CRI does, keep the snake_case field names, and give the number of each field.
 */

import type { Enum, Field, Message, ProtoTypes } from './protobuf.ts';

export const criTypes = {
  RuntimeService: {
    methods: {
      Version: { requestType: 'VersionRequest', responseType: 'VersionResponse' },
      Status: { requestType: 'StatusRequest', responseType: 'StatusResponse' },
      ListPodSandbox: { requestType: 'ListPodSandboxRequest', responseType: 'ListPodSandboxResponse' },
      PodSandboxStatus: { requestType: 'PodSandboxStatusRequest', responseType: 'PodSandboxStatusResponse' },
      ListContainers: { requestType: 'ListContainersRequest', responseType: 'ListContainersResponse' },
      RunPodSandbox: { requestType: 'RunPodSandboxRequest', responseType: 'RunPodSandboxResponse' },
      StopPodSandbox: { requestType: 'OneSandboxRequest', responseType: 'Empty' },
      RemovePodSandbox: { requestType: 'OneSandboxRequest', responseType: 'Empty' },
    },
  },
  ImageService: {
    methods: { ImageStatus: { requestType: 'ImageStatusRequest', responseType: 'ImageStatusResponse' } },
  },

  VersionRequest: { fields: { version: { type: 'string', id: 1 } } },
  VersionResponse: {
    fields: {
      version: { type: 'string', id: 1 },
      runtime_name: { type: 'string', id: 2 },
      runtime_version: { type: 'string', id: 3 },
      runtime_api_version: { type: 'string', id: 4 },
    },
  },

  StatusRequest: { fields: { verbose: { type: 'bool', id: 1 } } },
  StatusResponse: {
    fields: {
      status: { type: 'RuntimeStatus', id: 1 },
      info: { keyType: 'string', type: 'string', id: 2 },
      runtime_handlers: { rule: 'repeated', type: 'RuntimeHandler', id: 3 },
    },
  },
  RuntimeStatus: { fields: { conditions: { rule: 'repeated', type: 'RuntimeCondition', id: 1 } } },
  RuntimeCondition: {
    fields: {
      type: { type: 'string', id: 1 },
      status: { type: 'bool', id: 2 },
      reason: { type: 'string', id: 3 },
      message: { type: 'string', id: 4 },
    },
  },
  RuntimeHandler: { fields: { name: { type: 'string', id: 1 } } },

  ListPodSandboxRequest: { fields: {} },
  ListPodSandboxResponse: { fields: { items: { rule: 'repeated', type: 'PodSandbox', id: 1 } } },
  PodSandboxStatusRequest: {
    fields: { pod_sandbox_id: { type: 'string', id: 1 }, verbose: { type: 'bool', id: 2 } },
  },
  PodSandboxStatusResponse: { fields: { info: { keyType: 'string', type: 'string', id: 2 } } },
  PodSandbox: {
    fields: {
      id: { type: 'string', id: 1 },
      metadata: { type: 'PodSandboxMetadata', id: 2 },
      state: { type: 'PodSandboxState', id: 3 },
      labels: { keyType: 'string', type: 'string', id: 5 },
      annotations: { keyType: 'string', type: 'string', id: 6 },
      runtime_handler: { type: 'string', id: 7 },
    },
  },
  PodSandboxMetadata: {
    fields: {
      name: { type: 'string', id: 1 },
      uid: { type: 'string', id: 2 },
      namespace: { type: 'string', id: 3 },
      attempt: { type: 'uint32', id: 4 },
    },
  },
  PodSandboxState: { values: { SANDBOX_READY: 0, SANDBOX_NOTREADY: 1 } },

  ListContainersRequest: { fields: {} },
  ListContainersResponse: { fields: { containers: { rule: 'repeated', type: 'Container', id: 1 } } },
  Container: {
    fields: {
      id: { type: 'string', id: 1 },
      pod_sandbox_id: { type: 'string', id: 2 },
      state: { type: 'ContainerState', id: 6 },
    },
  },
  NamespaceOption: {
    fields: {
      network: { type: 'NamespaceMode', id: 1 },
      pid: { type: 'NamespaceMode', id: 2 },
      ipc: { type: 'NamespaceMode', id: 3 },
    },
  },
  NamespaceMode: { values: { POD: 0, CONTAINER: 1, NODE: 2 } },
  LinuxSandboxSecurityContext: { fields: { namespace_options: { type: 'NamespaceOption', id: 1 } } },
  LinuxPodSandboxConfig: {
    fields: {
      cgroup_parent: { type: 'string', id: 1 },
      security_context: { type: 'LinuxSandboxSecurityContext', id: 2 },
    },
  },
  PodSandboxConfig: {
    fields: {
      metadata: { type: 'PodSandboxMetadata', id: 1 },
      labels: { keyType: 'string', type: 'string', id: 6 },
      linux: { type: 'LinuxPodSandboxConfig', id: 8 },
    },
  },
  RunPodSandboxRequest: {
    fields: { config: { type: 'PodSandboxConfig', id: 1 }, runtime_handler: { type: 'string', id: 2 } },
  },
  RunPodSandboxResponse: { fields: { pod_sandbox_id: { type: 'string', id: 1 } } },
  OneSandboxRequest: { fields: { pod_sandbox_id: { type: 'string', id: 1 } } },
  Empty: { fields: {} },

  ImageSpec: { fields: { image: { type: 'string', id: 1 } } },
  ImageStatusRequest: { fields: { image: { type: 'ImageSpec', id: 1 } } },
  ImageStatusResponse: { fields: { image: { type: 'Image', id: 1 } } },
  Image: { fields: { id: { type: 'string', id: 1 } } },
  ContainerState: {
    values: { CONTAINER_CREATED: 0, CONTAINER_RUNNING: 1, CONTAINER_EXITED: 2, CONTAINER_UNKNOWN: 3 },
  },
} as const satisfies ProtoTypes;

type Types = typeof criTypes;

type One<Name extends string> = Name extends keyof Types
  ? Types[Name] extends Enum
    ? /** The name of a value, or a number that was not known when this was written. */ string | number
    : Reply<Name> | null
  : { readonly string: string; readonly bool: boolean; readonly uint32: number }[Name & 'string'];

type Value<F extends Field> = F extends { readonly keyType: string }
  ? Readonly<Record<string, One<F['type']>>>
  : F extends { readonly rule: 'repeated' }
    ? readonly NonNullable<One<F['type']>>[]
    : One<F['type']>;

/** The decoded form of a message above: every scalar and list is present, a missing message is null. */
export type Reply<Name extends keyof Types> = Types[Name] extends Message
  ? { readonly [Key in keyof Types[Name]['fields']]: Value<Types[Name]['fields'][Key] & Field> }
  : never;
