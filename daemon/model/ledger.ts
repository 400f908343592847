/**
 * What rcm-node did to this host, as evidence: only what stands here, unchanged since, is ours to change or remove.
 * Kept in /var/lib/rcm-node/ledger.json. The journal beside it holds the plan that is being carried out.
 */
import type { Handler } from './desired.ts';
import type { Plan, StepKind } from './plan.ts';
import { Failure, type Problem } from './problem.ts';

export type Installed = {
  readonly handler: Handler;
  readonly key: string;
  readonly sha256: string;
  /** The stable path that the configuration names. */
  readonly path: string;
};

/** `created`: the whole file is ours. `edited`: only the marked block or the import in it is. */
export type OwnedFile = {
  readonly kind: 'created' | 'edited';
  /** sha256 of the file as we left it. */
  readonly digest: string;
  /** sha256 of the file as we found it; absent when there was none. */
  readonly found?: string;
  /** What the splice needs to know to take itself out again, byte for byte. */
  readonly edit?: unknown;
};

export type Ledger = {
  readonly version: 1;
  readonly handlers: Readonly<Record<string, Installed>>;
  readonly files: Readonly<Record<string, OwnedFile>>;
  /** Folders that were not there before, deepest last. */
  readonly folders: readonly string[];
  /** Which configuration the runtime's invocation is known to have loaded and proven. */
  readonly loaded: { readonly invocation: string; readonly config: string } | null;
  readonly bad: {
    readonly revision: string;
    readonly problem: Problem;
    readonly at: number;
    /** By Shim, the revision that was taken up with it: it failed here, whatever else is asked for meanwhile. */
    readonly tried?: Readonly<Record<string, string>>;
  } | null;
  /** Restarts that we asked for, epoch milliseconds. */
  readonly restarts: readonly number[];
  /** Times at which a file of ours was put right after someone else changed it, by path. */
  readonly repairs: Readonly<Record<string, readonly number[]>>;
  /** Digests trusted on first use, by URL. */
  readonly trusted: Readonly<Record<string, string>>;
  /** Store folders out of service, with the sandboxes that may still depend on them (null: not yet looked). */
  readonly retired: Readonly<
    Record<string, { readonly handler: string; readonly sandboxes: readonly string[] | null }>
  >;
  /** Artifacts that could not be had, by handler: when and how often it was tried. */
  readonly attempts: Readonly<
    Record<
      string,
      { readonly artifact: string; readonly count: number; readonly at: number; readonly problem: Problem }
    >
  >;
};

export const emptyLedger: Ledger = {
  version: 1,
  handlers: {},
  files: {},
  folders: [],
  loaded: null,
  bad: null,
  restarts: [],
  repairs: {},
  trusted: {},
  retired: {},
  attempts: {},
};

/** The transaction under way: written before each mutation, so that the next start can finish or undo it. */
export type Journal = {
  readonly version: 1;
  readonly plan: Extract<Plan, { kind: 'steps' }>;
  readonly direction: 'forward' | 'undo';
  /** Index of the step about to run (forward) or about to be undone (undo). */
  readonly at: number;
  /** Where CRI answers. */
  readonly socket: string;
  /** The ledger as it was before the plan. */
  readonly ledger: Ledger;
  /**
   * InvocationID of the runtime, read after the files were written and before the restart was asked for. Any
   * other ID seen later proves that a restart happened since: it is observed, not remembered.
   */
  readonly forwardFrom?: string;
  readonly undoFrom?: string;
  /** Why it is being undone. */
  readonly problem?: Problem;
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const parseVersioned = (text: string, file: string): Record<string, unknown> => {
  let value: unknown;
  try {
    value = JSON.parse(text, revive);
  } catch (error) {
    throw new Failure(
      { code: 'state-damaged', message: 'the file is not valid JSON', where: { file } },
      error,
    );
  }
  if (!isRecord(value) || typeof value.version !== 'number')
    throw new Failure({ code: 'state-damaged', message: 'the file has no version', where: { file } });
  if (value.version > 1)
    throw new Failure({
      code: 'state-newer',
      message: `the file has version ${value.version}, and this rcm-node knows version 1`,
      where: { file },
    });
  return value;
};

/** Options may hold 64-bit integers, which JSON cannot: they travel as `{"$int":"…"}`. */
const revive = (_key: string, value: unknown): unknown =>
  isRecord(value) && typeof value.$int === 'string' && Object.keys(value).length === 1
    ? BigInt(value.$int)
    : value;

const replace = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? { $int: value.toString() } : value;

export const printState = (value: Ledger | Journal): string => `${JSON.stringify(value, replace, 1)}\n`;

const shape: Record<keyof Ledger, (value: unknown) => boolean> = {
  version: (value) => value === 1,
  handlers: isRecord,
  files: isRecord,
  folders: Array.isArray,
  loaded: (value) => value === null || isRecord(value),
  bad: (value) => value === null || isRecord(value),
  restarts: Array.isArray,
  repairs: isRecord,
  trusted: isRecord,
  retired: isRecord,
  attempts: isRecord,
};

const checkLedger = (found: Record<string, unknown>, file: string): Ledger => {
  const value = { ...emptyLedger, ...found };
  for (const [key, fits] of Object.entries(shape))
    if (!fits(value[key as keyof Ledger]))
      throw new Failure({ code: 'state-damaged', message: `"${key}" has a wrong shape`, where: { file } });
  return value;
};

/** Throws `state-damaged` or `state-newer`. */
export const parseLedger = (text: string, file: string): Ledger =>
  checkLedger(parseVersioned(text, file), file);

const stepKinds: ReadonlySet<unknown> = new Set(
  Object.keys({
    fetch: true,
    place: true,
    quiet: true,
    folder: true,
    unfolder: true,
    write: true,
    link: true,
    activate: true,
    prove: true,
    discard: true,
    record: true,
  } satisfies Record<StepKind, true>),
);

const isStep = (value: unknown): boolean => isRecord(value) && stepKinds.has(value.kind);

/** Throws `state-damaged` or `state-newer`. */
export const parseJournal = (text: string, file: string): Journal => {
  const value = parseVersioned(text, file);
  const plan = value.plan;
  if (
    !isRecord(plan) ||
    !Array.isArray(plan.steps) ||
    !plan.steps.every(isStep) ||
    !Number.isInteger(value.at) ||
    Number(value.at) < 0 ||
    typeof value.socket !== 'string' ||
    !isRecord(value.ledger) ||
    (value.direction !== 'forward' && value.direction !== 'undo')
  )
    throw new Failure({ code: 'state-damaged', message: 'the journal has a wrong shape', where: { file } });
  return { ...value, ledger: checkLedger(value.ledger, file) } as unknown as Journal;
};
