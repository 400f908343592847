/** CRI's plugins by the version of the configuration: their names, and their settings with the compiled-in ones below them. */
import { deep, type Table, tableOf } from './tables.ts';

export const v2Cri = 'io.containerd.grpc.v1.cri';
export const v3Runtime = 'io.containerd.cri.v1.runtime';
export const v3Images = 'io.containerd.cri.v1.images';
export const v4Grpc = 'io.containerd.server.v1.grpc';

const runcOptions = {
  BinaryName: '',
  CriuImagePath: '',
  CriuWorkPath: '',
  IoGid: 0,
  IoUid: 0,
  NoNewKeyring: false,
  Root: '',
  ShimCgroup: '',
  SystemdCgroup: false,
};

const emptyRuntime = (major: number): Table => ({
  base_runtime_spec: '',
  cni_conf_dir: '',
  cni_max_conf_num: 0,
  container_annotations: [],
  pod_annotations: [],
  privileged_without_host_devices: false,
  runtime_path: '',
  runtime_type: '',
  snapshotter: '',
  ...(major === 1
    ? { runtime_engine: '', runtime_root: '', sandbox_mode: 'podsandbox' }
    : { sandboxer: 'podsandbox' }),
  options: {},
});

/** The CRI plugin's settings with the compiled-in ones below them. */
export const decodeCri = (given: Table, major: number): Table => {
  const defaults: Table = {
    enable_selinux: false,
    max_container_log_line_size: 16384,
    ...(major === 1 ? { sandbox_image: 'registry.k8s.io/pause:3.8' } : {}),
    containerd: { default_runtime_name: 'runc', snapshotter: 'overlayfs' },
  };
  const merged = deep(defaults, given) as Table;
  const containerd = tableOf(merged.containerd);
  const runc = { ...emptyRuntime(major), runtime_type: 'io.containerd.runc.v2', options: runcOptions };
  const named = tableOf(tableOf(given.containerd).runtimes);
  // go-toml v1 makes a new map where the file has one, so the built-in runc goes; go-toml v2 decodes into the old one.
  const base: Table = major === 1 && Object.keys(named).length > 0 ? {} : { runc };
  const runtimes = Object.fromEntries(
    [...new Set([...Object.keys(base), ...Object.keys(named)])].map((name) => [
      name,
      deep(base[name] ?? emptyRuntime(major), tableOf(named[name])),
    ]),
  );
  return { ...merged, containerd: { ...containerd, runtimes } };
};

/** 2.x splits CRI; the other two plugins print their settings in full as well. */
export const decodeOthers = (plugins: Table): Table => ({
  [v3Images]: deep(
    {
      max_concurrent_downloads: 3,
      pinned_images: { sandbox: 'registry.k8s.io/pause:3.10' },
      registry: { config_path: '' },
      snapshotter: 'overlayfs',
    },
    tableOf(plugins[v3Images]),
  ),
  [v2Cri]: deep({ disable_tcp_service: true, stream_server_port: '0' }, tableOf(plugins[v2Cri])),
});
