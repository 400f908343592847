/**
 * The plan that is being carried out, in /var/lib/rcm-node/journal.json: what it says is done as root, so each step of it has
 * to be one that this program can have planned.
 */
import { type Ledger, reviveIntegers, storedLedger } from './ledger.ts';
import type { Plan, Step } from './plan.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import {
  digest,
  flag,
  list,
  nullable,
  object,
  one,
  optional,
  parseVersioned,
  path,
  type Read,
  record,
  text,
  variant,
  whole,
} from './schema.ts';
import { fail } from '../toml/cursor.ts';
import type { KeptStart } from './start.ts';
import type { FileState } from '../../host/facts.ts';
import { label } from '../../protocol/names.ts';
import { handlerName, keptStart, short, storedHandler, storedProblem } from './stored.ts';

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
  /** How often starting sandboxes was begun: more than once where rcm-node ended meanwhile. */
  readonly begun?: number;
  /** What starting sandboxes came to in this run, by handler. A version that does not know it does without. */
  readonly starts?: Readonly<Record<string, KeptStart>>;
  /** The invocation with which the proof ended well. A version that does not know it does without. */
  readonly proven?: string;
  /** Handlers with which no sandbox started in this run, each with its reason. */
  readonly failed?: Readonly<Record<string, Problem>>;
  /** Why it is being undone. */
  readonly problem?: Problem;
};

const most = 4_294_967_294;

const fileState: Read<FileState> = variant<FileState, 'kind'>('kind', {
  absent: { kind: one('absent') },
  text: {
    kind: one('text'),
    text: text(),
    mode: whole(0, 0o7777),
    uid: whole(0, most),
    gid: whole(0, most),
  },
});

const linkPath: Read<string> = (cursor) =>
  text(/^\/opt\/rcm-node\/shims\/[^/]+\/[^/]+$/)({ ...cursor, value: path(cursor) });
const linkTarget = text(/^\/opt\/rcm-node\/store\/[0-9a-f]{64}\/(launch\/)?[A-Za-z0-9][A-Za-z0-9._+-]*$/);
const unit = text(/^[A-Za-z0-9:_.@\\-]{1,247}\.service$/);
const names = list(short);

const step: Read<Step> = variant<Step, 'kind'>('kind', {
  fetch: { kind: one('fetch'), handler: storedHandler },
  place: { kind: one('place'), handler: storedHandler },
  quiet: { kind: one('quiet'), seconds: whole(0, 86_400) },
  folder: { kind: one('folder'), path },
  unfolder: { kind: one('unfolder'), path },
  write: { kind: one('write'), path, before: fileState, after: fileState },
  link: { kind: one('link'), path: linkPath, before: nullable(short), after: nullable(linkTarget) },
  activate: { kind: one('activate'), unit, started: optional(one(true)) },
  prove: {
    kind: one('prove'),
    unit,
    serve: list(handlerName),
    keep: names,
    former: names,
    start: optional(record(label, digest)),
  },
  discard: { kind: one('discard'), key: digest },
  record: { kind: one('record'), ledger: storedLedger },
});

type Steps = Extract<Plan, { kind: 'steps' }>;

const fields: Read<Journal> = object<Journal>({
  version: one(1),
  plan: object<Steps>({
    kind: one('steps'),
    revision: digest,
    steps: list(step),
    because: list(text()),
    disrupts: flag,
  }),
  direction: one('forward', 'undo'),
  at: whole(0, Number.MAX_SAFE_INTEGER),
  socket: short,
  ledger: storedLedger,
  forwardFrom: optional(text(/^[ -~]{0,64}$/)),
  undoFrom: optional(text(/^[ -~]{0,64}$/)),
  begun: optional(whole(0, 16)),
  starts: optional(record(label, keptStart)),
  proven: optional(text(/^[ -~]{0,64}$/)),
  failed: optional(record(label, storedProblem)),
  problem: optional(storedProblem),
});

const storedJournal: Read<Journal> = (cursor) => {
  const journal = fields(cursor);
  if (journal.at > journal.plan.steps.length) fail(cursor, '"at" is behind the last step');
  if (journal.direction === 'undo' && !journal.problem) fail(cursor, 'it does not say why it is undone');
  return journal;
};

/** Throws `state-damaged` or `state-newer`. */
export const parseJournal = (source: string, file: string): Journal =>
  parseVersioned(source, file, storedJournal, reviveIntegers);
