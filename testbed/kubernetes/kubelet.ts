/**
 * What a test node has on it to be a node of a cluster: network, kubelet, its configuration in the places where kubeadm
 * puts it. The kubelet starts at boot once it has a certificate.
 */
import type { ClusterNetwork } from './network.ts';

export const kubeletConf = '/etc/kubernetes/kubelet.conf';
export const pkiFolder = '/var/lib/kubelet/pki';
/** A link to a file with certificate and key, as the kubelet itself keeps it. */
export const currentCertificate = `${pkiFolder}/kubelet-client-current.pem`;
export const kubeletProgram = '/usr/bin/kubelet';

/** Kernel settings that a kubelet insists on; in the node each is an ordinary file, and this machine keeps its own. */
const kernelSettings = [
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
];

const setUp = (address: string, gateway: string): string => `#!/bin/sh -e
ip address replace ${address}/24 dev host0
ip link set host0 up
ip route replace default via ${gateway}
echo 1 > /proc/sys/net/ipv4/ip_forward
ln -sfn /dev/null /dev/kmsg
for setting in ${kernelSettings.join(' ')}; do
  mkdir -p "/run/kernel-settings/$(dirname $setting)"
  cat "/proc/sys/$setting" > "/run/kernel-settings/$setting"
  mount --bind "/run/kernel-settings/$setting" "/proc/sys/$setting"
done
`;

const setUpService = 'set-up-test-node.service';

const setUpUnit = `[Unit]
Description=Network and kernel settings of a test node
DefaultDependencies=no
After=local-fs.target
Before=containerd.service kubelet.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/set-up-test-node
`;

const kubeletUnit = (flags: readonly string[]): string => `[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=containerd.service
After=containerd.service ${setUpService}
ConditionPathExists=${currentCertificate}
StartLimitIntervalSec=0
[Service]
ExecStart=${kubeletProgram} ${flags.join(' ')}
Restart=always
RestartSec=1
`;

/** Also what a node without cgroup controllers needs; the rest is as on any node. */
export const kubeletConfiguration = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
nodeStatusUpdateFrequency: 2s
resolvConf: ""
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
localStorageCapacityIsolation: false
featureGates:
  KubeletInUserNamespace: true
evictionHard:
  memory.available: 0%
  nodefs.available: 0%
  nodefs.inodesFree: 0%
  imagefs.available: 0%
  imagefs.inodesFree: 0%
imageGCHighThresholdPercent: 100
`;

const podNetwork = (pods: string): string =>
  `${JSON.stringify({
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipam: { type: 'host-local', ranges: [[{ subnet: pods }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
    ],
  })}\n`;

export type KubeletSettings = {
  readonly name: string;
  readonly number: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: ClusterNetwork;
  readonly ca: string;
  /** The text of its kubeconfig. */
  readonly kubeconfig: string;
};

/** Path to text: network and kernel settings, without a kubelet. */
export const setUpFiles = (network: ClusterNetwork, number: number): Readonly<Record<string, string>> => {
  const { address, pods } = network.node(number);
  return {
    '/usr/local/sbin/set-up-test-node': setUp(address, network.address),
    [`/etc/systemd/system/${setUpService}`]: setUpUnit,
    '/etc/systemd/system/multi-user.target.d/set-up.conf': `[Unit]\nWants=${setUpService}\n`,
    '/etc/cni/net.d/10-node.conflist': podNetwork(pods),
  };
};

/** Path to text. */
export const kubeletFiles = (settings: KubeletSettings): Readonly<Record<string, string>> => {
  const { address } = settings.network.node(settings.number);
  const labels = Object.entries(settings.labels).map(([key, value]) => `${key}=${value}`);
  const flags = [
    `--kubeconfig=${kubeletConf}`,
    '--config=/var/lib/kubelet/config.yaml',
    `--hostname-override=${settings.name}`,
    `--node-ip=${address}`,
    ...(labels.length > 0 ? [`--node-labels=${labels.join(',')}`] : []),
  ];
  return {
    ...setUpFiles(settings.network, settings.number),
    '/etc/systemd/system/kubelet.service': kubeletUnit(flags),
    '/etc/systemd/system/multi-user.target.d/cluster.conf': '[Unit]\nWants=kubelet.service\n',
    '/etc/kubernetes/pki/ca.crt': settings.ca,
    [kubeletConf]: settings.kubeconfig,
    '/var/lib/kubelet/config.yaml': kubeletConfiguration,
  };
};
