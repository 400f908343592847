/** How each step of a plan is applied and rolled back. Both are idempotent. */
import { folderOf, isUnitFile, paths } from '../../protocol/host-paths.ts';
import { sameContent } from '../../host/files/files.ts';
import type { Synced } from '../../host/files/hashing-writer.ts';
import type { Host } from '../../host/host.ts';
import type { Journal } from '../model/journal.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Step, StepKind } from '../model/plan.ts';
import { detailOf, Failure, problemOf } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { type FirstLook, mustActivate, prove, quiet } from './proof/activation.ts';
import { proveStarts } from './proof/start-proof.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { whichRuntime } from './observe/which.ts';
import { clearRemnant } from './takeover/remnants.ts';
import { placeStandIn } from './artifacts/stand-in.ts';
import { saveJournal, saveLedger } from '../state/state.ts';

/** Restart and rollback take 165 s at most, so starting sandboxes may take ten more, however long the proof before took. */
const proofMs = 45_000;

/** A sandbox may crash the whole node at each start: after this many starts it has failed. A single one may be a power failure. */
const mostBegun = 2;

export type Run = {
  readonly host: Host;
  readonly settings: Settings;
  journal: Journal;
  ledger: Ledger;
  /** Of the containers, before the plan was carried out. */
  readonly first?: Promise<FirstLook> | undefined;
};

export const note = async (run: Run, change: Partial<Journal>): Promise<void> => {
  const next = { ...run.journal, ...change };
  await saveJournal(run.host, next);
  run.journal = next;
};

/**
 * Steps that a killed run may begin again, from the first: a second time they find what they did, or nothing to do. A note on the
 * disk before each would only be waited for.
 */
const again: ReadonlySet<StepKind> = new Set<StepKind>([
  'fetch',
  'place',
  'quiet',
  'folder',
  'link',
  'write',
  // It makes a note of its own, right before the restart.
  'activate',
]);

/** Before a step. */
export const reach = async (run: Run, at: number, kind: StepKind): Promise<void> => {
  if (again.has(kind)) run.journal = { ...run.journal, at };
  else await note(run, { at });
};

/** The last step that a killed run may have begun, by the note that it left. */
export const lastBegun = ({ plan: { steps }, at }: Journal): number => {
  const noted = steps.findIndex(({ kind }, index) => index > at && !again.has(kind));
  return noted < 0 ? steps.length - 1 : noted - 1;
};

/** During a rollback the journal helps a later resume; a full disk must not stop the rollback. */
export const trace = async (run: Run, change: Partial<Journal>): Promise<void> => {
  run.journal = { ...run.journal, ...change };
  await saveJournal(run.host, run.journal).catch((error) => run.host.log('error', problemOf(error).message));
};

type StepOf<K extends StepKind> = Extract<Step, { kind: K }>;

const nothing = async (): Promise<void> => undefined;

/** How each step is applied. A second run must find nothing left to do. */
export const forward: { readonly [K in StepKind]: (run: Run, step: StepOf<K>) => Promise<void> } = {
  fetch: nothing,
  place: nothing,
  quiet: ({ host, journal, first }, step) => quiet(host, journal.socket, step.seconds, first),
  folder: ({ host }, step) => host.files.makeFolder(step.path),
  unfolder: ({ host }, step) => host.files.dropFolder(step.path),
  write: async ({ host }, step) => {
    if (!sameContent(await host.files.look(step.path), step.after))
      await host.files.swap(step.path, step.before, step.after);
    await reloadFor(host, step.path);
  },
  link: async ({ host }, step) => {
    const now = await host.files.linkAt(step.path);
    if (now.foreign !== undefined)
      throw new Failure({
        code: 'not-ours',
        message: `it is ${now.foreign} now`,
        where: { file: step.path },
      });
    // The link may be gone and its folder left: a kill between the two removals.
    if (now.target !== step.after || step.after === null) await host.files.point(step.path, step.after);
  },
  activate: async (run, step) => {
    // A rollback must restart in this case too.
    if (step.started) return note(run, { forwardFrom: run.journal.forwardFrom ?? 'before its first start' });
    if (run.journal.forwardFrom === undefined) await mustStand(run);
    await mustActivate(run.host, step.unit, run.journal.forwardFrom, {
      intend: async (invocation) => {
        // The note comes before the restart is asked for: what was counted without it was not done.
        if (run.journal.forwardFrom !== undefined || !isCounted(run))
          await countRestart(run, 'with the next');
        await note(run, { forwardFrom: invocation });
      },
    });
  },
  prove: async (run, step) => {
    const { host, settings, journal } = run;
    const end = host.clock.elapsed() + proofMs;
    // Without a restart only artifacts changed: the runtime needs no proof of stability.
    if (journal.plan.disrupts) {
      const gate = { unit: step.unit, serve: step.serve, keep: step.keep, deadlineMs: proofMs };
      await note(run, { proven: await prove(host, settings, journal.socket, gate) });
    }
    if (!step.start) return;
    const begun = run.journal.begun ?? 0;
    const [only, ...others] = Object.keys(step.start);
    if (begun >= mostBegun)
      throw new Failure({
        code: 'not-started',
        ...(only !== undefined && others.length === 0 ? { handler: only } : {}),
        message: `rcm-node, or the node, ended ${begun} times while it started sandboxes with ${Object.keys(step.start).join(', ')}`,
      });
    await note(run, { begun: begun + 1 });
    const { starts, failed } = await proveStarts(host, settings, journal.socket, step.start, end);
    await note(run, { starts, failed });
    const bad = Object.values(failed);
    // Report all of them together: one after the other would take two restarts each.
    if (bad[0]) throw new Failure({ ...bad[0], ...detailOf(...bad) });
  },
  'stand-in': ({ host }) => placeStandIn(host),
  discard: ({ host }, step) => host.files.removeTree(`${paths.store}/${step.key}`),
  clear: ({ host }, step) => clearRemnant(host, step.remnant),
  record: async (run, step) => {
    const { loaded } = step.ledger;
    const { restarts, trusted } = run.ledger;
    run.ledger = {
      ...step.ledger,
      starts: { ...step.ledger.starts, ...run.journal.starts },
      restarts,
      trusted,
      loaded: loaded && (await loadedBy(run, loaded)),
    };
    await saveLedger(run.host, run.ledger);
  },
};

/**
 * systemd starts a unit by the files that it has read. A kill between a write and this is no loss: a second run finds the file
 * as it should be, and has it read all the same.
 */
const reloadFor = async ({ systemd }: Host, path: string): Promise<void> => {
  if (isUnitFile(path)) await systemd?.daemonReload();
};

/** A killed run may resume much later: no restart for files that others have replaced since. */
const mustStand = async ({ host, journal: { plan, at } }: Run): Promise<void> => {
  for (const step of plan.steps.slice(0, at))
    if (step.kind === 'write' && !sameContent(await host.files.look(step.path), step.after))
      throw new Failure({
        code: 'changed-meanwhile',
        message: 'the file was changed by another program after it was written',
        where: { file: step.path },
      });
};

/** The invocation that loaded the writes of the plan; a later invocation is evaluated by what it loaded. */
const loadedBy = async (
  { host, settings, journal }: Run,
  loaded: NonNullable<Ledger['loaded']>,
): Promise<Ledger['loaded']> => {
  const { steps } = journal.plan;
  const unit = steps.find((one) => one.kind === 'activate')?.unit;
  if (unit !== undefined) {
    const invocation = journal.proven ?? (await host.systemd?.unit(unit))?.invocation;
    return invocation === undefined ? loaded : { ...loaded, invocation };
  }
  if (!steps.some((one) => one.kind === 'write')) return loaded;
  // Restarted by others after the observation: it may have read the files from before our write.
  const now = (await currentUnit(host, settings).catch(() => undefined))?.invocation;
  const isKnown = now === undefined || now === '' || now === loaded.invocation;
  return isKnown ? loaded : { invocation: now, config: 'none' };
};

const currentUnit = async (host: Host, settings: Settings): Promise<UnitFacts | undefined> =>
  host.systemd?.unit((await whichRuntime(host, settings)).unit);

/** Whether a restart of this plan was counted, by a run that was killed since. */
const isCounted = ({ ledger, journal }: Run): boolean =>
  ledger.restarts.some((at) => !journal.ledger.restarts.includes(at));

/** Counted before the restart: a kill in between must not bypass the budget. */
export const countRestart = async (run: Run, synced?: Synced): Promise<void> => {
  run.ledger = { ...run.ledger, restarts: [...run.ledger.restarts, run.host.clock.now()] };
  await saveLedger(run.host, run.ledger, synced);
};

/**
 * How each step is rolled back; steps without an entry leave nothing behind. Each reads the state first: a step that failed,
 * on a read-only file system for instance, needs no rollback.
 */
export const backward: { readonly [K in StepKind]?: (run: Run, step: StepOf<K>) => Promise<void> } = {
  folder: async ({ host }, step) => {
    if (await host.files.isFolder(step.path)) await host.files.dropFolder(step.path);
  },
  unfolder: async ({ host }, step) => {
    if (!(await host.files.isFolder(step.path))) await host.files.makeFolder(step.path);
  },
  write: async ({ host }, step) => {
    const now = await host.files.look(step.path);
    if (sameContent(now, step.before)) return reloadFor(host, step.path);
    // What cannot be seen now may be ours all the same: to pass it by would keep what just failed.
    if (now.kind === 'unreadable' && now.errno !== undefined)
      throw new Failure({
        code: 'unreadable-source',
        message: `the file cannot be read: ${now.errno}`,
        where: { file: step.path },
      });
    // Another program wrote it after us: its text stays, and the next tick looks at it anew.
    if (!sameContent(now, step.after))
      return host.log('warn', `${step.path} was changed by another program meanwhile; it is not changed`);
    await host.files.swap(step.path, step.after, step.before, 'undo');
    await reloadFor(host, step.path);
  },
  link: async ({ host }, step) => {
    const now = await host.files.linkAt(step.path);
    if (now.foreign !== undefined || (now.target !== step.after && now.target !== step.before))
      return host.log('warn', `${step.path} was changed by another program meanwhile; it is not changed`);
    if (now.target !== step.before) return host.files.point(step.path, step.before);
    const folder = folderOf(step.path);
    if (step.before === null && (await host.files.isFolder(folder))) await host.files.dropFolder(folder);
  },
};
