/**
 * The distributions that are never served, one row each: recognised, and refused with the reason and the way out, on the node, by
 * bootstrap and by the controller, as far as each of them can know it. distros.ts has the others.
 */
import type { Refused } from './distro.ts';

export const microk8sUnit = /^snap\.microk8s\.daemon-containerd\.service$/;
export const snapFile = '/snap/microk8s/current/meta/snap.yaml';

export const refused: readonly Refused[] = [
  {
    name: 'k3d',
    level: 'distribution',
    evidence: [{ init: /\/k3s$/ }],
    why: 'k3s is process 1 of the container, and runs nothing but Kubernetes',
    osImage: /^K3s /,
    refused: 'a container without systemd, so that a restart of containerd would end the whole node',
    wayOut:
      'For tests use kind, whose nodes have systemd; or install k3s on a machine. Leave these nodes out: kubectl label node NODE rcm.spinkube.dev/bootstrap=skip.',
  },
  {
    name: 'Talos Linux',
    level: 'distribution',
    evidence: [{ release: { ID: 'talos' } }],
    why: 'its releases say so',
    osImage: /^Talos /,
    refused: 'it has no systemd, and its machine configuration alone decides what containerd reads',
    wayOut:
      'Install the shim as a system extension of Talos, and leave these nodes out: kubectl label node NODE rcm.spinkube.dev/bootstrap=skip.',
  },
  {
    name: 'Bottlerocket',
    level: 'distribution',
    evidence: [{ release: { ID: 'bottlerocket' } }],
    why: 'its packages/release writes it, and packages/host-ctr has the unit',
    unit: 'host-containerd.service',
    osImage: /^Bottlerocket /,
    refused:
      'its root file system is verified, and its settings API alone writes the configuration of containerd',
    wayOut:
      'Use a node group with another system, on EKS Amazon Linux 2023; and leave these nodes out: kubectl label node NODE rcm.spinkube.dev/bootstrap=skip.',
  },
  {
    name: 'Container-Optimized OS',
    level: 'distribution',
    evidence: [{ release: { ID: 'cos' } }],
    why: 'its releases say so, and its manual names the unit, which is on by default',
    unit: 'cis-level1.service',
    osImage: /^Container-Optimized OS /,
    refused: '/etc is written anew at each boot, and no program may be run from /var, /home or /opt',
    wayOut:
      'Use a node pool with the image type ubuntu_containerd; and leave these nodes out: kubectl label node NODE rcm.spinkube.dev/bootstrap=skip.',
  },
  {
    name: 'MicroK8s with strict confinement',
    level: 'distribution',
    evidence: [{ units: microk8sUnit }, { file: snapFile, says: /^confinement: strict$/m }],
    why: 'snapd installs the unit, and the image of a snap is read-only',
    refused:
      'its containerd may run programs below /var/snap/microk8s/common alone, and shims are in /opt/rcm-node',
    wayOut: 'Install MicroK8s from a channel with classic confinement (snap info microk8s).',
  },
];

/** The row that refuses a node whose kubelet calls its system so. */
export const refusedSystem = (osImage: string): string | undefined =>
  refused.find((row) => row.osImage?.test(osImage))?.name;
