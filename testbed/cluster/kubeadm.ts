/**
 * kubeadm on nodes of a cluster. The control plane is the testbed's, as there are no images for static Pods; what `kubeadm init` leaves in
 * a cluster for nodes that join (its two ConfigMaps, the token, the rights of that token, cluster-info) comes from kubeadm's own phases.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { kubeadm, kubernetesVersion } from '../kubernetes/binaries.ts';
import { kubeletConfiguration } from '../kubernetes/kubelet.ts';
import { type Progress, run } from '../machine/command.ts';
import type { Cluster, ClusterOptions } from './cluster.ts';
import type { Installer } from './join.ts';
import { journalOf } from '../node/service.ts';

/** What kubeadm's own control plane is told; the rest is as in each cluster of the testbed. */
export const kubeadmControlPlane: ClusterOptions = {
  apiserver: ['--enable-bootstrap-token-auth=true'],
  controllers: ['--controllers=*,bootstrapsigner,tokencleaner'],
};

const program = '/usr/bin/kubeadm';
/** Not in a folder that `kubeadm reset` empties. */
const joinFile = '/root/join.yaml';
const token = 'rcmtst.0123456789abcdef';
const socket = 'unix:///run/containerd/containerd.sock';

/** As the packages of Kubernetes have them (kubernetes/release, cmd/krel/templates/latest/kubeadm). */
export const kubeadmUnits: Readonly<Record<string, string>> = {
  '/usr/lib/systemd/system/kubelet.service': `[Unit]
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`,
  '/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf': `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`,
};

/** Of the public key, as kubeadm prints it for `--discovery-token-ca-cert-hash`. */
const keyHash = (certificate: string): string => {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(key).digest('hex')}`;
};

const initConfiguration = (endpoint: string): string => `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{token: ${token}}]
localAPIEndpoint: {advertiseAddress: ${endpoint.split(':')[0]}}
nodeRegistration: {name: none, criSocket: ${socket}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: ${kubernetesVersion}
controlPlaneEndpoint: ${endpoint}
---
${kubeletConfiguration
  .replace(/^containerRuntimeEndpoint:.*\n/m, '')
  // kubeadm drops an empty list when it writes the file again, and the kubelet would then enforce something.
  .replace('enforceNodeAllocatable: []', 'enforceNodeAllocatable: [none]')}`;

/** kubeadm must know which node it is; all else is what a person passes to `kubeadm join`. */
const joinConfiguration = (
  endpoint: string,
  hash: string,
  node: Parameters<Installer['files']>[0],
): string => {
  const labels = Object.entries(node.labels).map(([key, value]) => `${key}=${value}`);
  const flags = [
    { name: 'node-ip', value: node.address },
    ...(labels.length > 0 ? [{ name: 'node-labels', value: labels.join(',') }] : []),
  ];
  return `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken: {token: ${token}, apiServerEndpoint: "${endpoint}", caCertHashes: ["${hash}"]}
timeouts: {kubeletHealthCheck: 90s}
nodeRegistration:
  name: ${node.name}
  criSocket: ${socket}
  kubeletExtraArgs: ${JSON.stringify(flags)}
  ignorePreflightErrors: [all] # the kernel of a test node is that of this machine, and its cgroups have no controllers
`;
};

/** Its phases on the cluster have been run; a cluster of `kubeadmControlPlane` alone lets nodes join by it. */
export const provideKubeadm = async (cluster: Cluster, progress: Progress): Promise<Installer> => {
  const path = await kubeadm(progress);
  const endpoint = cluster.server.replace('https://', '');
  const config = join(dirname(cluster.kubeconfig), 'kubeadm.yaml');
  await writeFile(config, initConfiguration(endpoint), { mode: 0o600 });
  for (const phase of [['upload-config', 'all'], ['bootstrap-token']])
    await run([path, 'init', 'phase', ...phase, '--config', config, '--kubeconfig', cluster.kubeconfig]);
  const hash = keyHash(cluster.authority.certificate);
  return {
    files: (node) => ({ [joinFile]: joinConfiguration(endpoint, hash, node) }),
    binds: { [program]: { from: path, readOnly: true } },
    join: async (host) => {
      await host.run(['systemctl', 'enable', '--now', 'kubelet']);
      const said = await host.exec([program, 'join', '--config', joinFile]);
      if (said.code !== 0)
        throw new Error(`kubeadm join: ${said.stderr.slice(-1500)}\n${await journalOf(host, 'kubelet', 40)}`);
    },
  };
};
