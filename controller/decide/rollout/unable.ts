/**
 * Which nodes can never run rcm-node, by labels that their makers set. The DaemonSet leaves the same ones out
 * (bootstrap/manifests/daemonset.yaml; test/bootstrap/manifests/manifests.test.ts compares the two): a Pod that never becomes ready there
 * would use up `maxUnavailable`, and no other node would be upgraded.
 */
import type { Labels } from '../../../protocol/shim-object.ts';

export type Unable = { readonly key: string } & (
  | { readonly not: readonly string[] }
  | { readonly only: readonly string[] }
  | { readonly absent: true }
);

const skipKey = 'rcm.spinkube.dev/bootstrap';

/** Where a label is missing, `only` says nothing: a kubelet sets both of these, and what has none is not known to be unable. */
export const unable: readonly Unable[] = [
  { key: 'kubernetes.io/os', only: ['linux'] },
  { key: 'kubernetes.io/arch', only: ['amd64', 'arm64'] },
  // Virtual kubelets: ACI, ECI, CCI, Cube, Admiralty (`virtual-kubelet`); Liqo before 1.0 (`virtual-node`); kwok.
  { key: 'type', not: ['virtual-kubelet', 'virtual-node', 'kwok'] },
  { key: 'liqo.io/type', not: ['virtual-node'] },
  { key: 'virtual-node.interlink/type', not: ['virtual-kubelet'] },
  // ACI, its second generation.
  { key: 'virtualization', not: ['virtualnode2'] },
  // Super nodes of TKE.
  { key: 'node.kubernetes.io/instance-type', not: ['eklet'] },
  { key: 'vcluster.loft.sh/fake-node', absent: true },
  // Fargate has one Pod for a node; the nodes of EKS Auto Mode are Bottlerocket, whose file system is read-only.
  { key: 'eks.amazonaws.com/compute-type', not: ['fargate', 'auto'] },
  // A person says so: an immutable host, or one that does not come back.
  { key: skipKey, not: ['skip'] },
];

/** As `key=value`; undefined where nothing is known against it. */
export const unableBy = (labels: Labels): string | undefined => {
  for (const one of unable) {
    const value = Object.hasOwn(labels, one.key) ? labels[one.key] : undefined;
    if (value === undefined) continue;
    const isOut = 'not' in one ? one.not.includes(value) : 'only' in one ? !one.only.includes(value) : true;
    if (isOut) return `${one.key}=${value}`;
  }
  return undefined;
};
