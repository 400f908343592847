/** The consent of a person on this node to a takeover, kept in the ledger: after a kill the service goes on with it. */
import type { Host } from '../../../host/host.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Settings } from '../../model/settings.ts';
import { withdrawn } from '../../decide/takeover/taken.ts';
import { saveLedger } from '../../state/state.ts';
import { observeRuntime } from '../observe/runtime.ts';
import { consentTo, type Found, findPredecessors } from './find.ts';

/** Throws `no-runtime` and what else hides the configuration. */
export const lookForPredecessors = async (host: Host, settings: Settings): Promise<Found> => {
  const runtime = await observeRuntime(host, settings);
  if (runtime.name === 'none') throw new Failure(runtime.problem);
  return findPredecessors(host, runtime);
};

/** The ledger with the consent to all of it; the same one if nothing was found. */
export const allowed = (ledger: Ledger, found: Found, unused: boolean): Ledger =>
  found.tables.length + found.remnants.length === 0
    ? ledger
    : { ...ledger, takeover: consentTo(found, unused, ledger.takeover) };

export const allowTakeover = async (
  host: Host,
  settings: Settings,
  ledger: Ledger,
  unused: boolean,
): Promise<Ledger> => {
  const next = allowed(ledger, await lookForPredecessors(host, settings), unused);
  if (next !== ledger) await saveLedger(host, next);
  return next;
};

export const withdraw = async (host: Host, ledger: Ledger): Promise<Ledger> => {
  const next = withdrawn(ledger);
  await saveLedger(host, next);
  return next;
};
