/**
 * The state of rollout waits on a node, kept in cluster.json for commands and for a start without a network. A damaged value
 * counts as unknown, which approves nothing.
 */
import type { Labels } from '../../protocol/shim-object.ts';
import { approvedPrefix, parseApproval, slackMs, approvalMs } from '../../protocol/node-labels.ts';
import { fields, isFields } from '../../protocol/json.ts';

/** Why a change waits. */
export type WaitReason =
  /** Its rolloutStrategy says so. */
  | 'paused'
  /** The controller stopped its rollout. */
  | 'stopped'
  /** The controller has not approved this node yet. */
  | 'queued'
  /** No controller runs; this node makes the change at a time of its own. */
  | 'self-scheduled'
  /** Whether there is a controller is not known yet. */
  | 'unknown';

/** A change that needs an approval; without `hold` it has one. */
export type NeededApproval = {
  readonly shim: string;
  /** The target of the change: a revision of the Shim, or `goneRevision`. */
  readonly revision: string;
  readonly hold?: WaitReason;
};

/** Whether a controller runs, by the last conclusive read of its Lease. */
export type ControllerFact = {
  readonly answer: 'alive' | 'none';
  /** ISO 8601. */
  readonly looked: string;
};

/** When this node makes the change to one revision by itself; ISO 8601. */
export type AloneTime = { readonly revision: string; readonly at: string };

/** An approval on the own Node, from the first time that this node saw it. */
export type SeenApproval = {
  /** Of the label: another value is another approval. */
  readonly value: string;
  /** ISO 8601, by the clock of this node: at most the lifetime of an approval after it was first seen. */
  readonly until: string;
};

/** By the name that stands for the Shim in the label's key. */
export type SeenApprovals = Readonly<Record<string, SeenApproval>>;

/** As cluster.json keeps it. */
export type KnownApprovals = {
  readonly approved?: SeenApprovals;
  readonly controller?: ControllerFact;
  /** By Shim; only for waiting changes. */
  readonly alone?: Readonly<Record<string, AloneTime>>;
};

/** As a decision takes it. */
export type ApprovalFacts = {
  readonly approved: SeenApprovals;
  readonly controller: ControllerFact | undefined;
  readonly alone: Readonly<Record<string, AloneTime>>;
  /** The state of each Shim that selects this node, whether or not this node can serve it. */
  readonly shims: Readonly<
    Record<string, { readonly revision: string; readonly paused: boolean; readonly stopped: boolean }>
  >;
};

const isTime = (value: unknown): value is string =>
  typeof value === 'string' && !Number.isNaN(Date.parse(value));

/** Leaves out what is damaged; undefined where nothing is left. */
export const parseApprovals = (value: unknown): KnownApprovals | undefined => {
  if (!isFields(value)) return undefined;
  const { approved, controller } = value;
  const answer = isFields(controller) && isTime(controller.looked) ? controller.answer : undefined;
  const alone = Object.entries(fields(value.alone)).flatMap(([shim, one]) =>
    isFields(one) && typeof one.revision === 'string' && isTime(one.at)
      ? [[shim, { revision: one.revision, at: one.at }] as const]
      : [],
  );
  const seen = Object.entries(fields(approved)).flatMap(([name, one]) =>
    isFields(one) && typeof one.value === 'string' && isTime(one.until)
      ? [[name, { value: one.value, until: one.until }] as const]
      : [],
  );
  return trimApprovals({
    approved: Object.fromEntries(seen),
    controller:
      answer === 'alive' || answer === 'none'
        ? { answer, looked: (controller as ControllerFact).looked }
        : undefined,
    alone: Object.fromEntries(alone),
  });
};

/** Leaves out what is empty: without approvals cluster.json has the form that it had before approvals existed. */
export const trimApprovals = (given: {
  readonly approved: SeenApprovals;
  readonly controller: ControllerFact | undefined;
  readonly alone: Readonly<Record<string, AloneTime>>;
}): KnownApprovals | undefined => {
  const { approved, controller, alone } = given;
  const known: KnownApprovals = {
    ...(Object.keys(approved).length === 0 ? {} : { approved }),
    ...(controller === undefined ? {} : { controller }),
    ...(Object.keys(alone).length === 0 ? {} : { alone }),
  };
  return Object.keys(known).length === 0 ? undefined : known;
};

/** The controller writes one for each approved Shim: far fewer. */
const mostApprovals = 128;

/** Expired by every clock. */
const spent = new Date(0).toISOString();

/**
 * What is known of the approvals that are on the own Node now. `now`: this node's clock; `aheadMs`: how far it is ahead of
 * the API server's. The controller wrote the end of an approval; a late end never extends it beyond its lifetime.
 */
export const seeApprovals = (
  former: SeenApprovals,
  labels: Labels,
  now: number,
  aheadMs: number,
): SeenApprovals =>
  Object.fromEntries(
    Object.entries(labels)
      .filter(([key]) => key.startsWith(approvedPrefix))
      .slice(0, mostApprovals)
      .flatMap(([key, value]) => {
        const name = key.slice(approvedPrefix.length);
        const known = Object.hasOwn(former, name) ? former[name] : undefined;
        if (known?.value === value) return [[name, known] as const];
        const approval = parseApproval(value);
        if (approval === undefined) return [];
        const until = new Date(Math.min(approval.until + aheadMs, now + approvalMs)).toISOString();
        return [[name, { value, until }] as const];
      }),
  );

/** The same, with the approvals in `names` expired. */
export const spendApprovals = (approved: SeenApprovals, names: ReadonlySet<string>): SeenApprovals =>
  Object.fromEntries(
    Object.entries(approved).map(([name, one]) => [name, names.has(name) ? { ...one, until: spent } : one]),
  );

/**
 * The remaining milliseconds of an approval; 0 or less: expired. If the clock was set back since it was first seen, the rest
 * is unknown, and it counts as expired.
 */
export const leftOf = ({ until }: SeenApproval, now: number): number => {
  const left = Date.parse(until) - now;
  return left <= approvalMs + slackMs ? left : 0;
};
