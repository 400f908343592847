/**
 * The plan that is being applied, in /var/lib/rcm-node/journal.json. It is applied as root, so each step must be one that
 * this program can have planned.
 */
import { storedLedger } from './ledger.ts';
import type { Plan, Step } from './plan.ts';
import * as s from './schema.ts';
import { fail } from '../toml/cursor.ts';
import type { FileState } from '../../host/facts.ts';
import { label } from '../../protocol/names.ts';
import { storedRemnant } from './takeover.ts';
import { handlerName, keptStart, short, storedHandler, storedProblem } from './stored.ts';

const most = 4_294_967_294;

const fileState: s.Read<FileState> = s.variant<FileState, 'kind'>('kind', {
  absent: { kind: s.one('absent') },
  text: {
    kind: s.one('text'),
    text: s.text(),
    mode: s.whole(0, 0o7777),
    uid: s.whole(0, most),
    gid: s.whole(0, most),
  },
});

const linkPath: s.Read<string> = (cursor) =>
  s.text(/^\/opt\/rcm-node\/shims\/[^/]+\/[^/]+$/)({ ...cursor, value: s.path(cursor) });
const linkTarget = s.text(/^\/opt\/rcm-node\/store\/[0-9a-f]{64}\/(launch\/)?[A-Za-z0-9][A-Za-z0-9._+-]*$/);
const unit = s.text(/^[A-Za-z0-9:_.@\\-]{1,247}\.service$/);
const names = s.list(short);

const step: s.Read<Step> = s.variant<Step, 'kind'>('kind', {
  fetch: { kind: s.one('fetch'), handler: storedHandler },
  place: { kind: s.one('place'), handler: storedHandler },
  quiet: { kind: s.one('quiet'), seconds: s.whole(0, 86_400) },
  folder: { kind: s.one('folder'), path: s.path },
  unfolder: { kind: s.one('unfolder'), path: s.path },
  write: { kind: s.one('write'), path: s.path, before: fileState, after: fileState },
  link: { kind: s.one('link'), path: linkPath, before: s.nullable(short), after: s.nullable(linkTarget) },
  activate: { kind: s.one('activate'), unit, started: s.optional(s.one(true)) },
  prove: {
    kind: s.one('prove'),
    unit,
    serve: s.list(handlerName),
    keep: names,
    former: names,
    start: s.optional(s.record(label, s.digest)),
  },
  'stand-in': { kind: s.one('stand-in') },
  discard: { kind: s.one('discard'), key: s.digest },
  clear: { kind: s.one('clear'), remnant: storedRemnant },
  record: { kind: s.one('record'), ledger: storedLedger },
});

/** The current transaction: written before each mutation, so that the next start can finish or undo it. */
const fields = s.object({
  version: s.one(1),
  plan: s.object<Extract<Plan, { kind: 'steps' }>>({
    kind: s.one('steps'),
    revision: s.digest,
    steps: s.list(step),
    because: s.list(s.text()),
    disrupts: s.flag,
  }),
  direction: s.one('forward', 'undo'),
  /** Index of the step about to run (forward) or about to be undone (undo). */
  at: s.whole(0, Number.MAX_SAFE_INTEGER),
  /** Where CRI answers; empty without a runtime: then no step needs it. */
  socket: short,
  /** The ledger as it was before the plan. */
  ledger: storedLedger,
  /** The invocation that was there before any file was written: it has read nothing of the plan. Older versions ignore it. */
  seen: s.optional(s.text(/^[ -~]{0,64}$/)),
  /**
   * InvocationID of the runtime, read after the files were written and before the restart was asked for. Any
   * other ID seen later proves that a restart happened since: it is observed, not remembered.
   */
  forwardFrom: s.optional(s.text(/^[ -~]{0,64}$/)),
  undoFrom: s.optional(s.text(/^[ -~]{0,64}$/)),
  /** How often the start of sandboxes was begun: more than once if rcm-node ended meanwhile. */
  begun: s.optional(s.whole(0, 16)),
  /** The results of starting sandboxes in this run, by handler. Older versions ignore it. */
  starts: s.optional(s.record(label, keptStart)),
  /** The invocation with which the proof succeeded. Older versions ignore it. */
  proven: s.optional(s.text(/^[ -~]{0,64}$/)),
  /** Handlers with which no sandbox started in this run, each with its reason. */
  failed: s.optional(s.record(label, storedProblem)),
  /** Why it is being undone. */
  problem: s.optional(storedProblem),
});

export type Journal = s.Infer<typeof fields>;

const storedJournal: s.Read<Journal> = (cursor) => {
  const journal = fields(cursor);
  if (journal.at > journal.plan.steps.length) fail(cursor, '"at" is behind the last step');
  if (journal.direction === 'undo' && !journal.problem) fail(cursor, 'it does not say why it is undone');
  return journal;
};

/** Throws `state-damaged` or `state-newer`. */
export const parseJournal = (source: string, file: string): Journal =>
  s.parseVersioned(source, file, storedJournal, s.reviveIntegers);
