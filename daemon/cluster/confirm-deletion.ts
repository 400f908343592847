/**
 * Decides which Shims count as deleted. A new or changed Shim is taken up at once; a missing one counts as deleted only
 * when that is certain: deleting the CRD deletes every Shim, event by event, and the nodes have to continue serving.
 */
import { type ClusterCache, trimShim } from '../model/cluster-cache.ts';
import type { Labels, ShimObject } from '../../protocol/shim-object.ts';
import { fields, items } from '../../protocol/json.ts';
import { selects } from '../../protocol/node-selector.ts';

export type Seen = {
  /** All Shims of the cluster; undefined as long as no list succeeded. */
  readonly shims: readonly ShimObject[] | undefined;
  /** Of the own Node; undefined before it was read, and after its deletion. */
  readonly labels: Labels | undefined;
};

export type Confirmation = {
  readonly answer: ClusterCache | undefined;
  /** Shims that were in the cache and are missing now; kept until their deletion is confirmed. */
  readonly doubted: readonly string[];
};

/** `sure`: Shims whose deletion is confirmed. */
export const confirmDeletion = (
  last: ClusterCache | undefined,
  node: string,
  seen: Seen,
  sure: ReadonlySet<string>,
): Confirmation => {
  const former = last?.node === node ? last.shims : [];
  const { shims, labels } = seen;
  if (shims === undefined || labels === undefined) return { answer: last, doubted: [] };
  const alive = shims.filter((one) => one.metadata.deletionTimestamp === undefined);
  const names = new Set(alive.map((one) => one.metadata.name));
  const gone = former.filter((one) => !names.has(one.metadata.name));
  const kept = gone.filter((one) => !sure.has(one.metadata.name));
  const selected = alive.filter((one) => selects(one.spec?.nodeSelector, labels)).map(trimShim);
  return {
    answer: {
      version: 1,
      node,
      shims: [...selected, ...kept].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    },
    doubted: kept.map((one) => one.metadata.name),
  };
};

/**
 * Whether the CRD is not being deleted, by its discovery document: during its deletion it still lists its objects, but no
 * longer offers `create`.
 * https://github.com/kubernetes/kubernetes/blob/v1.36.0/staging/src/k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_discovery_controller.go
 */
export const isTypeWhole = (discovery: unknown): boolean =>
  items(fields(discovery).resources)
    .map(fields)
    .some(({ name, verbs }) => name === 'shims' && items(verbs).includes('create'));
