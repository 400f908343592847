/**
 * The last known desired state of the cluster, in /var/lib/rcm-node/cluster.json, for a node whose API server is
 * unavailable or that starts before its network. Also: which fields of a Node and a Shim are kept.
 */
import { oncePerText } from '../toml/once-per-text.ts';
import * as s from './schema.ts';
import { isHalted, type Metadata, type ShimObject, slotOf, wantsSlot } from '../../protocol/shim-object.ts';
import { parseApprovals, type KnownApprovals } from './rollout-wait.ts';

const name = s.text(/^[^\0/]{1,253}$/);
const labels = s.record(/^/, s.text());

const metadata: s.Read<Metadata> = s.object<Metadata>({
  name,
  uid: s.optional(s.text()),
  resourceVersion: s.optional(s.text()),
  creationTimestamp: s.optional(s.text()),
  deletionTimestamp: s.optional(s.text()),
  generation: s.optional(s.whole(0, Number.MAX_SAFE_INTEGER)),
  finalizers: s.optional(s.list(s.text())),
  labels: s.optional(labels),
  annotations: s.optional(labels),
});

/** As the API server sent it, unchecked: each reader of a field checks the field. */
const asSent = s.optional(s.json(100)) as s.Read<never>;

const fields = s.object({
  version: s.one(1),
  /** The Node of this cache: after a change of the Node's name, the cache does not apply. */
  node: name,
  /** The Shims that select it, by name. */
  shims: s.list(s.object<ShimObject>({ metadata, spec: asSent, status: asSent })),
  /** The CRD was missing until a short time ago: after a restart of rcm-node, an empty list must not count as a deletion. */
  away: s.optional(s.one(true)),
  /** What is known of approvals. */
  approvals: ({ value }): KnownApprovals | undefined => parseApprovals(value),
});

const answer = s.renamed('turns', 'approvals', fields);

export type ClusterCache = s.Infer<typeof fields>;

const cacheIn = oncePerText<ClusterCache>();

/** Throws `state-damaged` or `state-newer`. */
export const parseClusterCache = (source: string, file: string): ClusterCache =>
  cacheIn(source, () => s.parseVersioned(source, file, answer));

/**
 * Drops fields the node ignores, so cluster.json is not rewritten on every controller update. A stopped rollout is kept:
 * the stop must outlive the controller. So is the handler that the controller gave it.
 */
export const trimShim = ({ metadata, spec, status }: ShimObject): ShimObject => ({
  metadata: {
    name: metadata.name,
    ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
    ...(metadata.creationTimestamp === undefined ? {} : { creationTimestamp: metadata.creationTimestamp }),
  },
  ...(spec === undefined ? {} : { spec }),
  ...statusOf({ metadata, spec, status } as ShimObject),
});

const statusOf = ({ metadata, spec, status }: ShimObject): Pick<ShimObject, 'status'> => {
  const { rollout } = status ?? {};
  const slot = wantsSlot({ ...(spec === undefined ? {} : { spec }) })
    ? slotOf({ ...(status ? { status } : {}) })
    : undefined;
  const halted =
    rollout && status && isHalted({ metadata, status })
      ? { rollout: { revision: rollout.revision, phase: rollout.phase, since: rollout.since } }
      : {};
  const kept = { ...halted, ...(slot === undefined ? {} : { slot }) };
  return Object.keys(kept).length === 0 ? {} : { status: kept };
};

export const printClusterCache = (answer: ClusterCache): string => s.printVersioned(answer);
