/**
 * What the cluster last said that this node shall serve, as /var/lib/rcm-node/cluster.json keeps it: so that a node whose
 * API server is away, or that starts before its network, knows it all the same. And what of a Node and a Shim is looked at.
 */
import {
  json,
  list,
  object,
  one,
  optional,
  parseVersioned,
  type Read,
  record,
  text,
  whole,
} from './schema.ts';
import { isHalted, type Metadata, type ShimObject } from '../../protocol/shim-object.ts';
import { parseTurns, type Turns } from './rollout-wait.ts';

export type ClusterCache = {
  readonly version: 1;
  /** The Node that this is meant for: a node that was given another name has no answer yet. */
  readonly node: string;
  /** The Shims that select it, by name. */
  readonly shims: readonly ShimObject[];
  /** The type was away, and is not back for long: who starts now must not take an empty list for the cluster's wish. */
  readonly away?: true;
  /** What is known of whose turn it is. */
  readonly turns?: Turns;
};

const name = text(/^[^\0/]{1,253}$/);
const labels = record(/^/, text());

const metadata: Read<Metadata> = object<Metadata>({
  name,
  uid: optional(text()),
  resourceVersion: optional(text()),
  creationTimestamp: optional(text()),
  deletionTimestamp: optional(text()),
  generation: optional(whole(0, Number.MAX_SAFE_INTEGER)),
  finalizers: optional(list(text())),
  labels: optional(labels),
  annotations: optional(labels),
});

/** As the API server sent it, whatever that is: who reads a field of it checks the field. */
const asSent = optional(json(100)) as Read<never>;

const answer: Read<ClusterCache> = object<ClusterCache>({
  version: one(1),
  node: name,
  shims: list(object<ShimObject>({ metadata, spec: asSent, status: asSent })),
  away: optional(one(true)),
  turns: ({ value }) => parseTurns(value),
});

/** Throws `state-damaged` or `state-newer`. */
export const parseClusterCache = (source: string, file: string): ClusterCache =>
  parseVersioned(source, file, answer);

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
