/**
 * The distributions of Kubernetes, one row each: how a host of it is recognised, and in what it differs from a host on which
 * containerd.service or crio.service reads its own main file. To add one, add a row, and a folder of test/cases.
 * What stands for each row, and what is not verified, is a table in docs/distributions.md.
 */
import type { KnownKubeconfig } from '../../host/processes/kubelet.ts';
import type { Distro, KubeletFiles, ProviderFiles, Rendered, Runner, Served } from './distro.ts';
import { microk8sUnit, refused, snapFile } from './refused.ts';

const kubeadm: KubeletFiles = {
  kubeconfig: '/etc/kubernetes/kubelet.conf',
  evidence: '/var/lib/kubelet/kubeadm-flags.env',
};

const provided: KubeletFiles = {
  kubeconfig: '/var/lib/kubelet/kubeconfig',
  evidence: '/var/lib/kubelet/kubeconfig',
};

const own = (kubeconfig: string): KubeletFiles => ({ kubeconfig, evidence: kubeconfig });

/**
 * A restart that is over only when the kubelet, and on a server etcd and the API server, are back. With its proof, a rollback and
 * the proof of that it stays below 300 s, after which Pods may be evicted (tolerationSeconds of not-ready).
 */
const withKubernetes = 90_000;

/** k3s and RKE2 have the same code for containerd. */
const byVersion: readonly Rendered[] = [
  { from: 3, folder: 'config-v3.toml.d', template: 'config-v3.toml.tmpl' },
  { from: 0, folder: 'config.toml.d', template: 'config.toml.tmpl' },
];

const runner = (units: RegExp, binary: string, config: string, socket: string): Runner => ({
  units,
  argv: [binary, '--config', config, '--address', socket],
});

const rancher = (name: 'k3s' | 'rke2', units: RegExp): Runner =>
  runner(
    units,
    `/var/lib/rancher/${name}/data/current/bin/containerd`,
    `/var/lib/rancher/${name}/agent/etc/containerd/config.toml`,
    '/run/k3s/containerd/containerd.sock',
  );

const k3sUnits = /^k3s(-.+)?\.service$/;
const rke2Units = /^rke2-(server|agent)\.service$/;
const k0sUnits = /^k0s(worker|controller)\.service$/;
export const distros: readonly Distro[] = [
  ...refused,
  {
    name: 'k3s',
    level: 'distribution',
    evidence: [{ units: k3sUnits }, { folder: '/var/lib/rancher/k3s/agent' }],
    why: 'its installer writes the unit, and its agent the folder; its uninstaller removes both',
    kubelet: own('/var/lib/rancher/k3s/agent/kubelet.kubeconfig'),
    // Its kubelet is a part of its own process, which hides its arguments (docs of k3s, cli/agent).
    providers: {
      config: '/var/lib/rancher/credentialprovider/config.yaml',
      bin: '/var/lib/rancher/credentialprovider/bin',
    },
    runner: rancher('k3s', k3sUnits),
    placing: { kind: 'rendered', byVersion, base: '{{ template "base" . }}\n' },
    deadlineMs: withKubernetes,
  },
  {
    name: 'RKE2',
    level: 'distribution',
    evidence: [{ units: rke2Units }, { folder: '/var/lib/rancher/rke2/agent' }],
    why: 'its packages have both units, and its agent writes the folder',
    kubelet: own('/var/lib/rancher/rke2/agent/kubelet.kubeconfig'),
    runner: rancher('rke2', rke2Units),
    placing: { kind: 'rendered', byVersion, base: '{{ template "base" . }}\n' },
    deadlineMs: withKubernetes,
  },
  {
    name: 'k0s',
    level: 'distribution',
    evidence: [{ units: k0sUnits }, { folder: '/var/lib/k0s' }],
    why: 'k0s install writes the unit, and k0s its data folder',
    kubelet: own('/var/lib/k0s/kubelet.conf'),
    runner: runner(
      k0sUnits,
      '/var/lib/k0s/bin/containerd',
      '/etc/k0s/containerd.toml',
      '/run/k0s/containerd.sock',
    ),
    placing: { kind: 'merged', folder: '/etc/k0s/containerd.d', firstLine: '# k0s_managed=true' },
    watched: '/etc/k0s/containerd.d',
  },
  {
    name: 'MicroK8s',
    level: 'distribution',
    evidence: [{ units: microk8sUnit }, { file: snapFile, says: /^confinement: classic$/m }],
    why: 'snapd installs the unit, and the image of a snap is read-only',
    kubelet: {
      kubeconfig: '/var/snap/microk8s/current/credentials/kubelet.config',
      evidence: '/var/snap/microk8s/current/args/kubelet',
    },
    runner: runner(
      microk8sUnit,
      '/snap/microk8s/current/bin/containerd',
      '/var/snap/microk8s/current/args/containerd.toml',
      '/var/snap/microk8s/common/run/containerd.sock',
    ),
    placing: { kind: 'template', path: '/var/snap/microk8s/current/args/containerd-template.toml' },
  },
  {
    name: 'kind',
    level: 'distribution',
    evidence: [{ file: '/kind/version' }],
    why: 'kind build node-image writes it (pkg/build/nodeimage/buildcontext.go)',
    kubelet: kubeadm,
  },
  {
    name: 'minikube',
    level: 'distribution',
    evidence: [{ folder: '/var/lib/minikube/binaries' }],
    why: 'minikube puts the kubelet there',
    kubelet: kubeadm,
  },
  {
    name: 'kops',
    level: 'distribution',
    evidence: [{ units: /^kops-configuration\.service$/ }],
    why: 'the unit that runs nodeup (nodeup/pkg/bootstrap/install.go)',
    kubelet: provided,
  },
  {
    name: 'kubespray',
    level: 'distribution',
    evidence: [{ file: '/etc/kubernetes/kubelet.env' }, { file: kubeadm.evidence }],
    why: 'its role kubernetes/node writes the first, and kubeadm, which it calls, the second',
    kubelet: kubeadm,
  },
  {
    name: 'AKS',
    level: 'distribution',
    evidence: [{ folder: '/opt/azure/containers' }],
    why: 'the scripts that provision a node are there (Azure/AgentBaker)',
    kubelet: provided,
  },
  {
    name: 'EKS on Amazon Linux 2023',
    level: 'distribution',
    evidence: [{ release: { ID: 'amzn' } }, { units: /^nodeadm-run\.service$/ }],
    why: 'the unit that writes the configuration of containerd at each boot (awslabs/amazon-eks-ami)',
    kubelet: provided,
  },
  {
    name: 'GKE on Ubuntu',
    level: 'distribution',
    evidence: [{ release: { ID: 'ubuntu' } }, { folder: '/home/kubernetes/bin' }],
    why: 'the scripts of GCE that set up a node have their folder there (cluster/gce/gci/configure.sh)',
    kubelet: provided,
  },
  {
    name: 'OpenShift',
    level: 'distribution',
    evidence: [{ file: '/etc/machine-config-daemon/currentconfig' }],
    why: 'the machine-config daemon writes it on each of its nodes (pkg/daemon/constants)',
    kubelet: provided,
  },
  {
    name: 'Flatcar',
    level: 'system',
    evidence: [{ release: { ID: 'flatcar' } }],
    why: 'its releases say so',
    placing: {
      kind: 'override',
      original: '/usr/share/containerd/config.toml',
      copyTo: '/etc/containerd/config.toml',
      unitDropIn: '/etc/systemd/system/containerd.service.d/50-rcm-node.conf',
      variable: 'CONTAINERD_CONFIG',
    },
  },
  {
    name: 'Fedora CoreOS',
    level: 'system',
    evidence: [{ release: { ID: 'fedora', VARIANT_ID: 'coreos' } }],
    why: 'its releases say so',
  },
  {
    name: 'kubeadm',
    level: 'installer',
    evidence: [{ file: kubeadm.evidence }],
    why: 'kubeadm writes it when a node joins, and its reset removes it',
    kubelet: kubeadm,
  },
  {
    name: 'DigitalOcean',
    level: 'machine',
    evidence: [{ file: '/sys/class/dmi/id/sys_vendor', says: /^DigitalOcean$/m }],
    why: 'the firmware says so, as cloud-init reads it; nothing else is known of its managed nodes',
  },
];

/** Several rows have the same one. */
export const kubeconfigs: readonly KnownKubeconfig[] = [
  ...new Set(distros.flatMap((row) => ('refused' in row ? [] : (row.kubelet ?? [])))),
];

/** Files beside the configuration of a runtime that may be ours, and that name a main file of ours. */
export const unitDropIns: readonly string[] = distros.flatMap((row) =>
  'placing' in row && row.placing?.kind === 'override' ? [row.placing.unitDropIn] : [],
);

/** By the name of its row. */
export const providersOf = (distro: string | undefined): ProviderFiles | undefined =>
  distros.flatMap((row) => ('refused' in row || row.name !== distro ? [] : (row.providers ?? [])))[0];

const rowOf = (unit: string): Served | undefined => {
  for (const row of distros) if (!('refused' in row) && row.runner?.units.test(unit)) return row;
  return undefined;
};

/** The folder that the distribution of this unit watches: it restarts the runtime by itself when that changes. */
export const watchedBy = (unit: string): string | undefined => rowOf(unit)?.watched;

/** In ms. Restart and rollback of a runtime alone, with their proofs, stay below 240 s. */
export const restartDeadline = (unit: string): number => rowOf(unit)?.deadlineMs ?? 60_000;
