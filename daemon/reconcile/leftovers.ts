/**
 * Leftovers of a killed run: a partial download, a temporary file beside its target, a trial. Only for the holder of the lock,
 * and only where no process writes without the lock. A trial of `plan` may be running, but not for an hour.
 */
import { folderOf, paths } from '../../protocol/host-paths.ts';
import { isTemporary } from '../../host/files/hashing-writer.ts';
import type { Host } from '../../host/host.ts';
import type { Journal } from '../model/journal.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { isMark } from './artifacts/unpacking.ts';

/** A leftover that cannot be removed does not stop the tick: it is logged, and retried at the next tick. */
export const sweep = async (host: Host, journal: Journal | undefined): Promise<void> => {
  const writes = journal?.plan.steps.flatMap((step) =>
    step.kind === 'write' ? [folderOf(step.path), folderOf(folderOf(step.path))] : [],
  );
  await clear(host, paths.incoming, (name) => !isMark(name));
  for (const folder of new Set([paths.state, ...(writes ?? [])])) await clear(host, folder, isTemporary);
  const now = host.clock.now();
  await clear(host, paths.trials, (name) => !(Math.abs(now - Number.parseInt(name, 10)) < 3_600_000));
};

const clear = async (host: Host, folder: string, goes: (name: string) => boolean): Promise<void> => {
  try {
    for (const name of (await host.files.names(folder)) ?? [])
      if (goes(name)) await host.files.removeTree(`${folder}/${name}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    host.log('warn', `cannot remove the leftovers of an interrupted run: ${error.message}`);
  }
};

/** Without a running runtime nothing is restarted: the writes of an interrupted plan are rolled back without a proof. */
export const startless = (journal: Journal | undefined): Journal | undefined => {
  if (!journal?.plan.disrupts) return journal;
  const { forwardFrom: _forward, undoFrom: _undo, ...rest } = journal;
  const problem = { code: 'no-runtime', message: 'the runtime does not run' } as const;
  // Steps that can be done again are not noted one by one: any of them may have been done.
  const at = journal.direction === 'undo' ? journal.at : journal.plan.steps.length - 1;
  return { ...rest, at, direction: 'undo', problem: journal.problem ?? problem };
};
