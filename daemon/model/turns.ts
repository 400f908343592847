/**
 * What a node knows of whose turn it is, beside what it is asked for: kept in cluster.json, so that a start without a
 * network and commands know it too. Whatever is damaged here counts as not known, which lets nothing go ahead.
 */
import type { Approval } from './turn.ts';

/** Why something does not have its turn yet. */
export type Hold =
  /** Its rolloutStrategy says so. */
  | 'paused'
  /** The controller stopped its rollout. */
  | 'stopped'
  /** The controller has not come to this node yet. */
  | 'queued'
  /** No controller gives turns; this node goes ahead by itself at a moment of its own. */
  | 'alone'
  /** Whether there is a controller is not known yet. */
  | 'unknown';

/** A change that may only be made in its turn; without `hold` it has it. */
export type NeededTurn = {
  readonly shim: string;
  /** What it leads to: a revision of the Shim, or `goneRevision`. */
  readonly revision: string;
  readonly hold?: Hold;
};

/** Whether somebody gives turns, by the last look that told. */
export type ControllerFact = {
  readonly answer: 'alive' | 'none';
  /** ISO 8601. */
  readonly looked: string;
};

/** When this node goes ahead by itself with one revision; ISO 8601. */
export type AloneTime = { readonly revision: string; readonly at: string };

/** As cluster.json keeps it. */
export type Turns = {
  /** The annotation `approved` of the own Node, as it stands. */
  readonly approved?: string;
  readonly controller?: ControllerFact;
  /** By Shim; only of what waits. */
  readonly alone?: Readonly<Record<string, AloneTime>>;
};

/** As a decision takes it. */
export type TurnFacts = {
  readonly approval: Approval | undefined;
  readonly controller: ControllerFact | undefined;
  readonly alone: Readonly<Record<string, AloneTime>>;
  /** What the cluster says of each Shim that selects this node, whether or not it can be had here. */
  readonly shims: Readonly<
    Record<string, { readonly revision: string; readonly paused: boolean; readonly stopped: boolean }>
  >;
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTime = (value: unknown): value is string =>
  typeof value === 'string' && !Number.isNaN(Date.parse(value));

/** Leaves out what is damaged; undefined where nothing is left. */
export const parseTurns = (value: unknown): Turns | undefined => {
  if (!isRecord(value)) return undefined;
  const { approved, controller } = value;
  const answer = isRecord(controller) && isTime(controller.looked) ? controller.answer : undefined;
  const alone = Object.entries(isRecord(value.alone) ? value.alone : {}).flatMap(([shim, one]) =>
    isRecord(one) && typeof one.revision === 'string' && isTime(one.at)
      ? [[shim, { revision: one.revision, at: one.at }] as const]
      : [],
  );
  return trimTurns({
    approved: typeof approved === 'string' ? approved : undefined,
    controller:
      answer === 'alive' || answer === 'none'
        ? { answer, looked: (controller as ControllerFact).looked }
        : undefined,
    alone: Object.fromEntries(alone),
  });
};

/** Without what says nothing: a file that says nothing of turns looks as it did before there were any. */
export const trimTurns = (given: {
  readonly approved: string | undefined;
  readonly controller: ControllerFact | undefined;
  readonly alone: Readonly<Record<string, AloneTime>>;
}): Turns | undefined => {
  const { approved, controller, alone } = given;
  const turns: Turns = {
    ...(approved === undefined ? {} : { approved }),
    ...(controller === undefined ? {} : { controller }),
    ...(Object.keys(alone).length === 0 ? {} : { alone }),
  };
  return Object.keys(turns).length === 0 ? undefined : turns;
};
