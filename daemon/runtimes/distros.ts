/**
 * Differences between distributions of Kubernetes that the running host does not show. One row each: the file that
 * identifies the distribution, and why that is right.
 */
export type Distro = {
  readonly name: string;
  /** This file exists only on hosts of this distribution. */
  readonly evidence: string;
  /** The kubeconfig of the kubelet. */
  readonly kubeconfig: string;
  readonly why: string;
};

export const distros: readonly Distro[] = [
  {
    name: 'kubeadm',
    evidence: '/var/lib/kubelet/kubeadm-flags.env',
    kubeconfig: '/etc/kubernetes/kubelet.conf',
    why: 'kubeadm writes both when a node joins, and its reset removes both',
  },
  {
    name: 'a cloud provider or OpenShift',
    evidence: '/var/lib/kubelet/kubeconfig',
    kubeconfig: '/var/lib/kubelet/kubeconfig',
    why: 'the units of EKS, GKE, AKS and OpenShift start their kubelet with this file',
  },
  {
    name: 'k3s',
    evidence: '/var/lib/rancher/k3s/agent/kubelet.kubeconfig',
    kubeconfig: '/var/lib/rancher/k3s/agent/kubelet.kubeconfig',
    why: 'the kubelet is a part of the k3s process, so no command line names it',
  },
  {
    name: 'RKE2',
    evidence: '/var/lib/rancher/rke2/agent/kubelet.kubeconfig',
    kubeconfig: '/var/lib/rancher/rke2/agent/kubelet.kubeconfig',
    why: 'the agent writes it before it starts its kubelet',
  },
  {
    name: 'k0s',
    evidence: '/var/lib/k0s/kubelet.conf',
    kubeconfig: '/var/lib/k0s/kubelet.conf',
    why: 'a worker writes it when it joins, and starts its kubelet later',
  },
  {
    name: 'MicroK8s',
    evidence: '/var/snap/microk8s/current/args/kubelet',
    kubeconfig: '/var/snap/microk8s/current/credentials/kubelet.config',
    why: 'the kubelet is a part of the kubelite process, which reads its flags from this file',
  },
];
