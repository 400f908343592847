/** Shims and Nodes as the API server has them: what this project reads of either, and where they are. */

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

export type Scope = 'restarts' | 'all' | 'no-restart';

/** How a change reaches the nodes; what is absent has the defaults of the CRD. */
export type RolloutStrategy = {
  readonly type?: 'rolling' | 'recreate';
  readonly rolling?: { readonly maxUpdate?: number | string; readonly maxFailures?: number | string };
  /** No further node is approved. */
  readonly paused?: boolean;
  /**
   * `restarts`: only changes that restart the runtime wait for approval; `all`: every change of the handler does; `no-restart`: a
   * change that restarts the runtime is not made at all.
   */
  readonly scope?: Scope;
};

/** The state of the rollout of one revision, as the controller writes it and finds it again after a restart. */
export type RolloutState = {
  readonly revision: string;
  readonly phase: 'Rolling' | 'Paused' | 'Stopped' | 'Refused' | 'Complete';
  /** ISO 8601: since when it is in this phase. */
  readonly since: string;
  /** Nodes whose failure stopped it, at most ten. */
  readonly stoppedBy?: readonly string[];
  /** Failures that a person accepted with a resume: only more of them stop it again. */
  readonly forgiven?: number;
  /** The value of the `resume` annotation that was applied last. */
  readonly resumed?: string;
};

/** The rest of `spec` is read by daemon/shims/resource.ts, under the node's policy; of `status` a node reads `rollout` and `slot`. */
export type ShimObject = {
  readonly metadata: Metadata;
  readonly spec?: {
    readonly nodeSelector?: Labels;
    readonly rolloutStrategy?: RolloutStrategy;
    readonly runtimeClass?: { readonly name?: string; readonly handler?: string };
  };
  readonly status?: {
    readonly rollout?: RolloutState;
    /** The prepared handler that the controller gave it. */
    readonly slot?: string;
    readonly [other: string]: unknown;
  };
};

/** Whether no further node is approved for its present revision, with or without a running controller. */
export const isHalted = ({ status }: ShimObject): boolean =>
  status?.rollout?.phase === 'Stopped' || status?.rollout?.phase === 'Refused';

/** Names of prepared handlers that the controller may give to a Shim. */
export const isSlot = (handler: unknown): handler is string =>
  typeof handler === 'string' && /^slot-[a-z0-9]([-a-z0-9]{0,56}[a-z0-9])?$/.test(handler);

/** It names no handler, and must not restart a runtime: the controller gives it a prepared handler, the same on all nodes. */
export const wantsSlot = ({ spec }: Pick<ShimObject, 'spec'>): boolean =>
  spec?.rolloutStrategy?.scope === 'no-restart' && spec.runtimeClass?.handler === undefined;

/** `undefined`: it has none yet. */
export const slotOf = ({ status }: Pick<ShimObject, 'status'>): string | undefined =>
  isSlot(status?.slot) ? status.slot : undefined;
