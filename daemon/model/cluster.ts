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
import { parseTurns, type Turns } from './turns.ts';

/** The resource type: its discovery document, and its objects. */
export const typePath = '/apis/runtime.spinkube.dev/v1alpha1';
export const shimsPath = `${typePath}/shims`;

export type Labels = Readonly<Record<string, string>>;

export type Metadata = {
  readonly name: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly generation?: number;
  readonly finalizers?: readonly string[];
  readonly labels?: Labels;
  readonly annotations?: Labels;
};

export type NodeObject = { readonly metadata: Metadata };

/** How a change reaches the nodes; what is absent has the defaults of the CRD. */
export type RolloutStrategy = {
  readonly type?: 'rolling' | 'recreate';
  readonly rolling?: { readonly maxUpdate?: number | string; readonly maxFailures?: number | string };
  /** No further node gets its turn. */
  readonly paused?: boolean;
  /** `restarts`: only what restarts the runtime waits for its turn; `all`: every change of the handler does. */
  readonly scope?: 'restarts' | 'all';
};

/** The state of the rollout of one revision, as the controller writes it and finds it again after a restart. */
export type RolloutState = {
  readonly revision: string;
  readonly phase: 'Rolling' | 'Paused' | 'Stopped' | 'Refused' | 'Complete';
  /** ISO 8601: since when it is in this phase. */
  readonly since: string;
  /** Nodes whose failure stopped it, at most ten. */
  readonly stoppedBy?: readonly string[];
  /** Failures that a person saw and went on with: only more of them stop it again. */
  readonly forgiven?: number;
  /** The value of the `resume` annotation that was obeyed last. */
  readonly resumed?: string;
};

/** The rest of `spec` is read by model/shim-resource.ts, under the node's policy; of `status` a node reads `rollout`. */
export type ShimObject = {
  readonly metadata: Metadata;
  readonly spec?: {
    readonly nodeSelector?: Labels;
    readonly rolloutStrategy?: RolloutStrategy;
    readonly runtimeClass?: { readonly name?: string; readonly handler?: string };
  };
  readonly status?: { readonly rollout?: RolloutState; readonly [other: string]: unknown };
};

export type Answer = {
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

const answer: Read<Answer> = object<Answer>({
  version: one(1),
  node: name,
  shims: list(object<ShimObject>({ metadata, spec: asSent, status: asSent })),
  away: optional(one(true)),
  turns: ({ value }) => parseTurns(value),
});

/** Throws `state-damaged` or `state-newer`. */
export const parseAnswer = (source: string, file: string): Answer => parseVersioned(source, file, answer);

/** Whether nothing more of its present revision is approved, whoever is there to say so. */
export const isHalted = ({ status }: ShimObject): boolean =>
  status?.rollout?.phase === 'Stopped' || status?.rollout?.phase === 'Refused';

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

export const printAnswer = (answer: Answer): string => `${JSON.stringify(answer, null, 1)}\n`;
