/**
 * The downloads of a tick, one after the other, and what goes on beside them: a download may take as long as a tick has
 * patience, and what can be done without it must not wait for that.
 */
import { longestDownload } from '../decide/cadence.ts';
import { sentence } from '../decide/sentences.ts';
import { artifactId } from '../decide/wanted.ts';
import type { Host } from '../host/host.ts';
import type { Handler } from '../model/desired.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Step } from '../model/plan.ts';
import { type Problem, problemOf } from '../model/problem.ts';
import type { Settings } from '../model/settings.ts';
import { fetchArtifact, placeArtifact } from './artifacts.ts';

const lookMs = 10_000;
/** A download that is over by then shares its restart with whatever else needs one. */
const sharedMs = 60_000;

type Change = (ledger: Ledger) => Ledger;

/**
 * Answers what the downloads taught, for the ledger as it is by then. `meanwhile` is called again and again while they
 * last; `restart` says whether what is ready has waited long enough to be worth a restart of its own.
 */
export const fetchAll = async (
  host: Host,
  settings: Settings,
  steps: readonly Step[],
  before: Ledger,
  did: string[],
  meanwhile: (restart: boolean) => Promise<void>,
  stop?: AbortSignal,
): Promise<Change> => {
  const { clock } = host;
  const since = clock.elapsed();
  const count = steps.filter((step) => step.kind === 'fetch').length;
  const longest = count * longestDownload(settings.downloadTimeout * 1000, settings.attempts);
  const work = downloads(host, settings, steps, before, did, stop);
  try {
    while (!(await clock.within(work, lookMs))) {
      const spent = clock.elapsed() - since;
      // It hangs. To look on would be a sign of life, and the watchdog has to hear of it (pulse.ts).
      if (spent > longest) break;
      await meanwhile(spent >= sharedMs);
    }
  } finally {
    // Whatever became of the rest: nobody else may work on this host while it goes on.
    await work.catch(() => undefined);
  }
  return work;
};

/** Every download is tried, whatever becomes of the others; failures are written down with their count. */
const downloads = async (
  host: Host,
  settings: Settings,
  steps: readonly Step[],
  before: Ledger,
  did: string[],
  stop: AbortSignal | undefined,
): Promise<Change> => {
  const changes: Change[] = [];
  const trusted: Record<string, string> = { ...before.trusted };
  for (const step of steps) {
    if (step.kind !== 'fetch') continue;
    if (stop?.aborted) break;
    const { handler } = step;
    const { url } = handler.artifact;
    try {
      host.log('info', sentence(step) ?? '', { handler: handler.name });
      // What was trusted on first use is asked for by its digest from then on.
      const pinned = handler.artifact.sha256 ?? trusted[url];
      const sha256 = await fetchArtifact(host, settings, handler, pinned, stop);
      await placeArtifact(host, settings, handler, sha256);
      did.push(`placed ${handler.name} (sha256 ${sha256.slice(0, 12)}…)`);
      if (handler.artifact.sha256 !== undefined || trusted[url] === sha256) continue;
      trusted[url] = sha256;
      changes.push((ledger) => ({ ...ledger, trusted: { ...ledger.trusted, [url]: sha256 } }));
    } catch (error) {
      // No fault of the artifact.
      if (stop?.aborted) break;
      const problem = problemOf(error);
      host.log('error', problem.message, { handler: handler.name, code: problem.code });
      changes.push(attempt(handler, problem, host.clock.now()));
    }
  }
  return (ledger) => changes.reduce((sum, change) => change(sum), ledger);
};

const attempt =
  (handler: Handler, problem: Problem, at: number): Change =>
  (ledger) => {
    const artifact = artifactId(handler);
    const known = ledger.attempts[handler.name];
    const count = known?.artifact === artifact ? known.count + 1 : 1;
    return {
      ...ledger,
      attempts: {
        ...ledger.attempts,
        [handler.name]: { artifact, count, at, problem: { ...problem, handler: handler.name } },
      },
    };
  };
