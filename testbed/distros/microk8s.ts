/** The files that a MicroK8s snap comes with and its administrators change: a template of containerd's configuration, and flags. */
import { pauseImage } from '../node/configuration.ts';

const template = `# Filled in at each start; containerd.toml is what comes out.
version = 2
oom_score = 0

[grpc]
  uid = 0
  gid = 0

[metrics]
  address = "127.0.0.1:1338"

[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  enable_selinux = false
  sandbox_image = "${pauseImage}"
  # a test node hands out no cgroups
  disable_cgroup = true
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "\${SNAPSHOTTER}"
    default_runtime_name = "\${RUNTIME}"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "\${RUNTIME_TYPE}"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "\${SNAP_DATA}/opt/cni/bin"
    conf_dir = "\${SNAP_DATA}/args/cni-network"
`;

const flags = `--config \${SNAP_DATA}/args/containerd.toml
--root \${SNAP_COMMON}/var/lib/containerd
--state \${SNAP_COMMON}/run/containerd
--address \${SNAP_COMMON}/run/containerd.sock
`;

export const microk8sFiles = (folder: string): Readonly<Record<string, string>> => ({
  [`${folder}/containerd-template.toml`]: template,
  [`${folder}/containerd`]: flags,
});
