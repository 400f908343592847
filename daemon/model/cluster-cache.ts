/**
 * What the cluster last said that this node shall serve, as /var/lib/rcm-node/cluster.json keeps it: so that a node whose
 * API server is away, or that starts before its network, knows it all the same. And what of a Node and a Shim is looked at.
 */
import * as s from './schema.ts';
import { isHalted, type Metadata, type ShimObject } from '../../protocol/shim-object.ts';
import { parseTurns, type Turns } from './rollout-wait.ts';

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

/** As the API server sent it, whatever that is: who reads a field of it checks the field. */
const asSent = s.optional(s.json(100)) as s.Read<never>;

const answer = s.object({
  version: s.one(1),
  /** The Node that this is meant for: a node that was given another name has no answer yet. */
  node: name,
  /** The Shims that select it, by name. */
  shims: s.list(s.object<ShimObject>({ metadata, spec: asSent, status: asSent })),
  /** The type was away, and is not back for long: who starts now must not take an empty list for the cluster's wish. */
  away: s.optional(s.one(true)),
  /** What is known of whose turn it is. */
  turns: ({ value }): Turns | undefined => parseTurns(value),
});

export type ClusterCache = s.Infer<typeof answer>;

/** Throws `state-damaged` or `state-newer`. */
export const parseClusterCache = (source: string, file: string): ClusterCache =>
  s.parseVersioned(source, file, answer);

/**
 * What is of no account to a node, bookkeeping and how far a rollout is, would have it written anew at every touch of a
 * controller. That one stands still outlives the controller that saw to it.
 */
export const trimShim = ({ metadata, spec, status }: ShimObject): ShimObject => ({
  metadata: {
    name: metadata.name,
    ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
    ...(metadata.creationTimestamp === undefined ? {} : { creationTimestamp: metadata.creationTimestamp }),
  },
  ...(spec === undefined ? {} : { spec }),
  ...(status?.rollout && isHalted({ metadata, status })
    ? {
        status: {
          rollout: {
            revision: status.rollout.revision,
            phase: status.rollout.phase,
            since: status.rollout.since,
          },
        },
      }
    : {}),
});

export const printClusterCache = (answer: ClusterCache): string => `${JSON.stringify(answer, null, 1)}\n`;
