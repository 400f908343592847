/** What the controller knows of the cluster, and what it wants done: values that the pure decision takes and gives. */
import type { NodeDetail } from '../../protocol/node-annotations.ts';
import type { Held } from './class-holders.ts';
import type { ClassSettings } from './class-settings.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { Skew } from '../../protocol/version.ts';
import type { Labels, RolloutState, RolloutStrategy } from '../../protocol/shim-object.ts';
import type { RolloutLabels } from '../../protocol/node-labels.ts';

/** One Node, as far as the controller looks at it. */
export type NodeFacts = {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels: Labels;
  /** Its kubelet says that it is ready. */
  readonly ready: boolean;
  /** Since when it is not, epoch milliseconds; undefined where it is ready, or its conditions do not say. */
  readonly unreadySince: number | undefined;
  /** `spec.unschedulable`. */
  readonly cordoned: boolean;
  /** Handlers by `Node.status.runtimeHandlers`; undefined where the kubelet does not say. */
  readonly kubeletSees: readonly string[] | undefined;
  /** The machine that its kubelet runs on, and the boot of it, against those that rcm-node spoke of. */
  readonly machine: 'same' | 'rebooted' | 'replaced';
  /** rcm-node's annotation `state`; undefined: it never spoke on this machine. */
  readonly state: string | undefined;
  /** What the node says of itself. Any user with control of the node can write it: it is a message, and proves nothing. */
  readonly detail: NodeReport | undefined;
  /** How the release that it says it has differs from the controller's; absent where they are of one minor version. */
  readonly skew?: Skew;
  /** What the controller wrote: of what a node may do and has done, this alone counts. */
  readonly rollout: RolloutLabels;
  /** Absent: it has no startup taint. */
  readonly starting?: Starting;
  /** The system that its kubelet reports, where it is an unsupported one. */
  readonly unserved?: string;
};

/** Of a node's status annotation. */
export type NodeReport = Pick<NodeDetail, 'shims' | 'trunc'>;

/** A node with a startup taint: its node template set it, and no Pod that does not tolerate it is bound to the node. */
export type Starting = {
  /** Its other taints, as they stay when this one is taken off. */
  readonly others: readonly unknown[];
  /** A cloud provider or Karpenter is still to write labels and taints of its own: more Shims may select it then. */
  readonly unfinished: boolean;
  /** Its effect is PreferNoSchedule: it keeps no Pod away. */
  readonly isSoft?: true;
};

/** One Shim, as far as the controller looks at it. */
export type ShimFacts = {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** Epoch milliseconds. */
  readonly created: number;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly annotations: Labels;
  readonly revision: string;
  /** What it is called by a node that cannot read it, because its release is older. */
  readonly unreadRevision?: string;
  /** Why no node takes it, by what it asks for alone. */
  readonly fault?: Problem | undefined;
  /** Empty: it asks for a slot, and has none. */
  readonly handler: string;
  /** It asks for a prepared handler with this table: daemon/shims/slot-table.ts. */
  readonly seeks?: string;
  /** It restarts no runtime, and this prepares a handler for it in the settings of nodes; with the placeholder slot-NAME where it names none. */
  readonly entry?: string;
  readonly runtimeClass: string;
  /** What its RuntimeClass is to have besides name and handler. */
  readonly classSettings: ClassSettings | undefined;
  readonly nodeSelector: Labels | undefined;
  readonly strategy: RolloutStrategy;
  readonly status: ShimStatus | undefined;
};

export type ClassFacts = {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly deleting: boolean;
  readonly handler: string;
  readonly labels: Labels;
  readonly nodeSelector: Labels;
  /** What others set on it. */
  readonly settings: ClassSettings | undefined;
  /** What the controller set on it for its Shim. */
  readonly applied: ClassSettings | undefined;
  /** These count as set by us, because we made it with them; not to stay so. */
  readonly holdsSettings: boolean;
  /** Who set last what is always ours of it, where that is another one. */
  readonly overwrittenBy: string | undefined;
  /** Which settings others have on it, the last writer first. */
  readonly setBy: readonly { readonly name: string; readonly held: Held }[];
  readonly owners: readonly { readonly kind: string; readonly name: string; readonly uid: string }[];
};

/** Pods that name a RuntimeClass, as they were counted at `at`, epoch milliseconds. */
export type ClassUse = { readonly at: number; readonly pods: number; readonly examples: readonly string[] };

export type View = {
  /** Epoch milliseconds. */
  readonly now: number;
  readonly nodes: readonly NodeFacts[];
  readonly shims: readonly ShimFacts[];
  readonly classes: readonly ClassFacts[];
  /** By name of the RuntimeClass; only those that were asked for. */
  readonly use: ReadonlyMap<string, ClassUse>;
  /** By name of a RuntimeClass, why the API server refused what was last wanted of it; a person has to act. */
  readonly refused?: ReadonlyMap<string, string>;
  /** By name of a RuntimeClass that is changed back again and again, who does it, as far as is known. */
  readonly overwritten?: ReadonlyMap<string, readonly string[]>;
  /** By name of a Node, why the API server rejects writes to it: it gets neither approvals nor proofs. */
  readonly unmarked?: ReadonlyMap<string, string>;
  /** Names of Nodes whose last write failed, and is not due again yet: what is decided of them would not be written. */
  readonly held?: ReadonlySet<string>;
};

/** The last three say the same to tools that know no Shims: decide/status/verdict.ts. */
export const conditionTypes = [
  ...(['Available', 'Progressing', 'Degraded', 'Conflict'] as const),
  ...(['Ready', 'Reconciling', 'Stalled'] as const),
] as const;

export type ConditionType = (typeof conditionTypes)[number];

/** https://kubernetes.io/docs/reference/kubernetes-api/definitions/condition-v1-meta/ */
export type Condition = {
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  /** For people; names at most ten nodes. */
  readonly message: string;
  /** ISO 8601. */
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
};

export type ShimStatus = {
  readonly observedGeneration: number;
  /** Nodes that it is meant for. */
  readonly nodes: number;
  /** Of these, nodes that are proven to serve its handler, in whatever revision. */
  readonly nodesReady: number;
  /** Of these, nodes that serve the present revision. */
  readonly nodesUpdated: number;
  /** Nodes that cannot serve it. */
  readonly nodesFailed: number;
  readonly rollout?: RolloutState;
  /** The prepared handler that it was given, for its life. */
  readonly slot?: string;
  /** What others set on its RuntimeClass, for one that is made anew: model/class-settings.ts prints and reads it. */
  readonly runtimeClass?: string;
  readonly conditions: readonly Condition[];
};

/** A merge patch of labels: null takes a key away. */
export type NodeChange = {
  readonly node: string;
  readonly labels: Readonly<Record<string, string | null>>;
  /** All taints that are to stay: the startup taint is taken off, in the same write. */
  readonly taints?: readonly unknown[];
};

export type ClassChange =
  /** Server-side apply of what is ours of it; one that is made has what others set on its predecessor, too. */
  | {
      readonly kind: 'apply';
      readonly name: string;
      readonly shim: ShimFacts;
      readonly settings?: ClassSettings;
    }
  /** Only if it still is this very one: with its uid and resourceVersion as preconditions. */
  | {
      readonly kind: 'delete';
      readonly class: ClassFacts;
      /** One that is made for this Shim takes its place. */
      readonly next?: ShimFacts;
    };

export type FinalizerChange = { readonly shim: ShimFacts; readonly finalizers: readonly string[] };

/** Told on the Shim; `reason` is CamelCase. */
export type Notice = {
  readonly shim: ShimFacts;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
};

export type Decision = {
  readonly nodes: readonly NodeChange[];
  readonly classes: readonly ClassChange[];
  readonly finalizers: readonly FinalizerChange[];
  /** The wanted status of each Shim; also unchanged ones. */
  readonly statuses: readonly { readonly shim: ShimFacts; readonly status: ShimStatus }[];
  /** RuntimeClasses whose Pods have to be counted before more can be said. */
  readonly count: readonly string[];
  /** Epoch milliseconds at which time alone changes the answer; undefined: never. */
  readonly wakeAt: number | undefined;
};
