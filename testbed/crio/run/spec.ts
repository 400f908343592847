/** The OCI runtime's config.json of a container: what a WASI module and a static program need, and no more. */
import { filtered } from '../config/annotations.ts';
import { type Handler, list, map } from '../config/model.ts';
import type { ContainerConfig, Labels, Namespaces } from '../serve/requests.ts';
import type { Image } from './images.ts';

/** Of the CRI's NamespaceMode. */
export const mode = { pod: 0, container: 1, node: 2 } as const;

export type SpecOrder = {
  readonly args: readonly string[];
  readonly image: Image;
  readonly namespaces: Namespaces;
  /** The process whose namespaces the container shares; undefined for the first of a Pod. */
  readonly sharedPid: number | undefined;
  readonly annotations: Labels;
  readonly config: Pick<ContainerConfig, 'envs' | 'mounts' | 'working_dir'> | undefined;
};

const capabilities = [
  ...['CHOWN', 'DAC_OVERRIDE', 'FSETID', 'FOWNER', 'SETGID', 'SETUID'],
  ...['SETPCAP', 'NET_BIND_SERVICE', 'KILL'],
].map((name) => `CAP_${name}`);

const namespacesOf = ({ namespaces, sharedPid }: SpecOrder): readonly object[] => {
  const shared = (type: string, file: string, own: number): readonly object[] => {
    if (own === mode.node) return [];
    return sharedPid === undefined || own === mode.container
      ? [{ type }]
      : [{ type, path: `/proc/${sharedPid}/ns/${file}` }];
  };
  return [
    { type: 'mount' },
    { type: 'uts' },
    ...shared('pid', 'pid', namespaces.pid),
    ...shared('ipc', 'ipc', namespaces.ipc),
    ...shared('network', 'net', namespaces.network),
  ];
};

export const specOf = (order: SpecOrder): object => ({
  ociVersion: '1.0.2',
  process: {
    args: order.args,
    env: [
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ...order.image.environment,
      ...(order.config?.envs ?? []).map(({ key, value }) => `${key}=${value}`),
    ],
    cwd: order.config?.working_dir || order.image.workingDirectory || '/',
    user: { uid: 0, gid: 0 },
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: true,
  },
  root: { path: 'rootfs' },
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
    { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=1777'] },
    ...(order.config?.mounts ?? []).map((mount) => ({
      destination: mount.container_path,
      type: 'bind',
      source: mount.host_path,
      options: ['rbind', mount.readonly ? 'ro' : 'rw'],
    })),
  ],
  annotations: order.annotations,
  linux: { namespaces: namespacesOf(order) },
});

/** The Pod's, the container's and the image's, as far as the handler allows them; its own defaults where a Pod says nothing. */
export const annotationsOf = (handler: Handler, ...given: readonly Labels[]): Labels => ({
  ...map(handler.default_annotations),
  ...filtered(Object.assign({}, ...given) as Labels, list(handler.allowed_annotations)),
});
