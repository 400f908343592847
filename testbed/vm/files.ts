/**
 * What the disk of a virtual machine has beyond Debian's packages. Unlike a node in a container it has controllers of cgroups, and
 * all capabilities: containerd is set up as kubeadm asks for it.
 */
import { cniConfiguration, pauseImage } from '../node/configuration.ts';

/** The port at which the machine offers its CRI socket to this one. */
export const criPort = 2049;

const containerd = `# Written by the image's owner, not by any installer.
version = 2

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"   # no registry is reachable

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
`;

/** The network is the image's, its disk has its size, there is no sshd, and there is no other source that cloud-init could wait for. */
const image = `network: {config: disabled}
datasource_list: [NoCloud, None]
resize_rootfs: false
growpart: {mode: "off"}
ssh_deletekeys: false
ssh_genkeytypes: []
`;

export const vmFiles: Readonly<Record<string, string>> = {
  '/etc/containerd/config.toml': containerd,
  '/etc/cni/net.d/10-node.conflist': cniConfiguration,
  '/etc/hosts': '127.0.0.1 localhost\n',
  '/etc/hostname': 'new-machine\n',
  '/etc/systemd/network/50-any.network': '[Match]\nName=en*\n[Network]\nDHCP=ipv4\n',
  '/etc/cloud/cloud.cfg.d/90-image.cfg': image,
  '/etc/systemd/system/cri.socket': `[Socket]\nListenStream=${criPort}\n[Install]\nWantedBy=sockets.target\n`,
  '/etc/systemd/system/cri.service':
    '[Service]\nExecStart=/usr/lib/systemd/systemd-socket-proxyd /run/containerd/containerd.sock\n',
};

/** Units of it that start at boot. */
export const vmUnits = ['systemd-networkd.service', 'cri.socket'] as const;

/**
 * A stand-in for a kubelet that an image starts by itself: it keeps what rcm-node had reported when it started, which is when a kubelet
 * begins to register its node.
 */
export const standInKubelet = {
  files: {
    '/usr/lib/systemd/system/kubelet.service': `[Unit]
Description=Stand-in for a kubelet
Wants=network-online.target
After=network-online.target
[Service]
ExecStart=/bin/sh -c 'cp /run/rcm-node/status.json /run/kubelet-saw.json; exec sleep infinity'
[Install]
WantedBy=multi-user.target
`,
  },
  units: ['kubelet.service'],
} as const;
