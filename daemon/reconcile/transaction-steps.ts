/** How each step of a plan is done, and how it is taken back. Either may be run twice, and finds then that nothing is left to do. */
import { folderOf, paths } from '../../protocol/host-paths.ts';
import { sameContent } from '../../host/files/files.ts';
import type { Host } from '../../host/host.ts';
import type { Journal } from '../model/journal.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Step, StepKind } from '../model/plan.ts';
import { Failure, problemOf } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { mustActivate, prove, quiet } from './proof/activation.ts';
import { proveStarts } from './proof/start-proof.ts';
import { saveJournal, saveLedger } from '../state/state.ts';

/** Restart and undo take 165 s at most, so that starting sandboxes may have ten more, whatever the proof before took. */
const proofMs = 45_000;

/** A sandbox may take the whole node down, and would at each start: after this many it has failed. One may be a lost power line. */
const mostBegun = 2;

export type Run = { readonly host: Host; readonly settings: Settings; journal: Journal; ledger: Ledger };

export const note = async (run: Run, change: Partial<Journal>): Promise<void> => {
  const next = { ...run.journal, ...change };
  await saveJournal(run.host, next);
  run.journal = next;
};

/** On the way back the journal helps whoever resumes; a disk too full to write it must not keep the runtime broken. */
export const trace = async (run: Run, change: Partial<Journal>): Promise<void> => {
  run.journal = { ...run.journal, ...change };
  await saveJournal(run.host, run.journal).catch((error) => run.host.log('error', problemOf(error).message));
};

type StepOf<K extends StepKind> = Extract<Step, { kind: K }>;

const nothing = async (): Promise<void> => undefined;

/** How each step is done. Running one a second time has to find that nothing is left to do. */
export const forward: { readonly [K in StepKind]: (run: Run, step: StepOf<K>) => Promise<void> } = {
  fetch: nothing,
  place: nothing,
  quiet: ({ host, journal }, step) => quiet(host, journal.socket, step.seconds),
  folder: ({ host }, step) => host.files.makeFolder(step.path),
  unfolder: ({ host }, step) => host.files.dropFolder(step.path),
  write: async ({ host }, step) => {
    if (!sameContent(await host.files.look(step.path), step.after))
      await host.files.swap(step.path, step.before, step.after);
  },
  link: async ({ host }, step) => {
    const now = await host.files.linkAt(step.path);
    if (now.foreign !== undefined)
      throw new Failure({
        code: 'not-ours',
        message: `it is ${now.foreign} now`,
        where: { file: step.path },
      });
    // A link that is gone already may have left its folder: a kill came between the two.
    if (now.target !== step.after || step.after === null) await host.files.point(step.path, step.after);
  },
  activate: async (run, step) => {
    // Whoever undoes it has to restart all the same.
    if (step.started) return note(run, { forwardFrom: run.journal.forwardFrom ?? 'before its first start' });
    await mustActivate(run.host, step.unit, run.journal.forwardFrom, {
      intend: async (invocation) => {
        await countRestart(run);
        await note(run, { forwardFrom: invocation });
      },
    });
  },
  prove: async (run, step) => {
    const { host, settings, journal } = run;
    const end = host.clock.elapsed() + proofMs;
    // Without a restart nothing but the artifacts is another: the runtime needs no time to prove itself.
    if (journal.plan.disrupts)
      await prove(host, settings, journal.socket, {
        unit: step.unit,
        serve: step.serve,
        keep: step.keep,
        deadlineMs: proofMs,
      });
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
    await note(run, { starts: await proveStarts(host, settings, journal.socket, step.start, end) });
  },
  discard: ({ host }, step) => host.files.removeTree(`${paths.store}/${step.key}`),
  record: async (run, step) => {
    const unit = run.journal.plan.steps.find((one) => one.kind === 'activate')?.unit;
    const invocation = unit === undefined ? undefined : (await run.host.systemd?.unit(unit))?.invocation;
    const { loaded } = step.ledger;
    const { restarts, trusted } = run.ledger;
    run.ledger = {
      ...step.ledger,
      starts: { ...step.ledger.starts, ...run.journal.starts },
      restarts,
      trusted,
      loaded: loaded && invocation !== undefined ? { ...loaded, invocation } : loaded,
    };
    await saveLedger(run.host, run.ledger);
  },
};

/** Counted before it happens: a kill in between must not make restarts free. */
export const countRestart = async (run: Run): Promise<void> => {
  run.ledger = { ...run.ledger, restarts: [...run.ledger.restarts, run.host.clock.now()] };
  await saveLedger(run.host, run.ledger);
};

/**
 * How each step is taken back; what has no entry leaves nothing behind. Each looks first: what a step could not do, on a file
 * system that is read-only perhaps, need not be undone, and could not be.
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
    if (sameContent(now, step.before)) return;
    // What cannot be seen now may be ours all the same: to pass it by would keep what just failed.
    if (now.kind === 'unreadable' && now.errno !== undefined)
      throw new Failure({
        code: 'unreadable-source',
        message: `the file cannot be read: ${now.errno}`,
        where: { file: step.path },
      });
    // Another program wrote it after us: its text stays, and the next tick looks at it anew.
    if (!sameContent(now, step.after))
      return host.log('warn', `${step.path} was changed by someone else meanwhile; it is left as it is`);
    await host.files.swap(step.path, step.after, step.before, 'undo');
  },
  link: async ({ host }, step) => {
    const now = await host.files.linkAt(step.path);
    if (now.foreign !== undefined || (now.target !== step.after && now.target !== step.before))
      return host.log('warn', `${step.path} was changed by someone else meanwhile; it is left as it is`);
    if (now.target !== step.before) return host.files.point(step.path, step.before);
    const folder = folderOf(step.path);
    if (step.before === null && (await host.files.isFolder(folder))) await host.files.dropFolder(folder);
  },
};
