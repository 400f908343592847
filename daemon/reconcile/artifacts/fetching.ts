/**
 * The downloads of a tick, one after the other, each artifact once for all handlers that need it; and the work beside them: a
 * download may take long, and changes that do not need it must not wait.
 */
import { longestDownload } from '../../decide/backoff.ts';
import { askedAt } from '../../decide/handlers/failed-revisions.ts';
import { artifactId } from '../../decide/handlers/handlers.ts';
import type { Host } from '../../../host/host.ts';
import type { Observed } from '../../decide/observed.ts';
import { registriesOf } from '../registries/registries.ts';
import type { Registries } from './ways.ts';
import { type Handler, storeKey } from '../../model/desired.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Step } from '../../model/plan.ts';
import { hintLead, hintOf, logFields, printProblem, problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import type { SignatureProof } from '../../model/signatures.ts';
import { printUrl } from '../../../protocol/problem/mask.ts';
import { downloadOptions, dropArtifact, type Fetched, fetchArtifact, placeArtifact } from './artifacts.ts';
import { proveSigned } from './signatures.ts';
import { addProof, inspect } from './store.ts';
import { attempted, succeeded } from './unpacking.ts';

const lookMs = 10_000;
/** A download that ends by then shares one restart with other changes. */
const sharedMs = 60_000;

type Change = (ledger: Ledger) => Ledger;

/** Begins the downloads. `attend` waits for their results. */
export const beginFetch = (
  host: Host,
  settings: Settings,
  { runtime, ledger: before }: Pick<Observed, 'runtime' | 'ledger'>,
  steps: readonly Step[],
  did: string[],
  stop?: AbortSignal,
): Fetching => {
  const count = steps.filter((step) => step.kind === 'fetch').length;
  const longest = count * longestDownload(settings.downloadTimeout * 1000, settings.attempts);
  const work = downloads(host, settings, registriesOf(host, settings, runtime), steps, before, did, stop);
  // It is attended to later.
  work.catch(() => undefined);
  return { since: host.clock.elapsed(), longest, work };
};

/** `work`: the results, for the ledger. */
export type Fetching = {
  readonly since: number;
  readonly longest: number;
  readonly work: Promise<Change>;
};

/**
 * Returns the results for the ledger. `meanwhile` is called repeatedly until they end; `restart`: changes that are ready have
 * waited long enough for a restart of their own.
 */
export const attend = async (
  { clock }: Host,
  { since, longest, work }: Fetching,
  meanwhile: (restart: boolean) => Promise<void>,
): Promise<Change> => {
  try {
    while (!(await clock.within(work, lookMs))) {
      const spent = clock.elapsed() - since;
      // It hangs. Another observation would count as progress, which would keep the watchdog from acting (watchdog.ts).
      if (spent > longest) break;
      await meanwhile(spent >= sharedMs);
    }
  } finally {
    // Wait for it in every case: the lock must be held until it ends.
    await work.catch(() => undefined);
  }
  return work;
};

/** One download and its handlers. `sha256` is absent for trust on first use. */
type Group = { readonly sha256: string | undefined; readonly handlers: readonly Handler[] };

/** The same digest at several addresses is the same artifact. */
const groupsOf = (steps: readonly Step[], trusted: Ledger['trusted']): readonly Group[] => {
  const groups = new Map<string, Group>();
  for (const step of steps) {
    if (step.kind !== 'fetch') continue;
    const { handler } = step;
    const { url } = handler.artifact;
    // After trust on first use the digest is required.
    const sha256 = handler.artifact.sha256 ?? trusted[url];
    // The digest of a manifest is not that of a file, even where a location of another shim names the manifest as one.
    const key = sha256 === undefined ? url : `${url.startsWith('oci:')} ${sha256}`;
    const known = groups.get(key)?.handlers ?? [];
    groups.set(key, { sha256, handlers: [...known, handler] });
  }
  return [...groups.values()];
};

/** Every download is tried, also after failures of others; failures are recorded with their count. */
const downloads = async (
  host: Host,
  settings: Settings,
  registries: Registries,
  steps: readonly Step[],
  before: Ledger,
  did: string[],
  stop: AbortSignal | undefined,
): Promise<Change> => {
  const changes: Change[] = [];
  const fail = (handler: Handler, error: unknown): void => {
    const problem = problemOf(error);
    const said = askedAt(problem, handler);
    host.log('error', `${printProblem(said)}; ${hintLead}${hintOf(said)}`, logFields(said));
    const at = host.clock.now();
    changes.push((ledger) => attempted(ledger, handler.name, artifactId(handler), problem, at));
  };
  for (const group of groupsOf(steps, before.trusted)) {
    if (stop?.aborted) break;
    const fetched = await fetchAny(host, settings, registries, group, fail, stop);
    if (!fetched) continue;
    const placed = new Set<string | undefined>();
    const proven = new Map<string, Promise<SignatureProof | undefined>>();
    for (const handler of group.handlers) {
      if (stop?.aborted) break;
      const { sha256 } = fetched;
      const { url } = handler.artifact;
      const key = storeKey(handler, sha256);
      host.progress();
      try {
        const proof = await once(proven, url, () =>
          proveSigned(
            host,
            settings,
            registries,
            url,
            fetched,
            downloadOptions(host, settings, handler, stop),
          ),
        );
        if (proof) host.log('info', `verified the signature: ${proof.signer}`, { handler: handler.name });
        // What Pods may start from now is not replaced for a proof.
        const isThere =
          placed.has(key) ||
          (proof && key !== undefined && (await inspect(host, key, true)).kind === 'whole');
        if (!isThere) await placeArtifact(host, settings, handler, fetched, group.handlers, proof);
        else if (proof && key !== undefined) await addProof(host, key, proof);
        const what = isThere && !placed.has(key) ? 'verified the signature of' : 'placed';
        did.push(`${what} ${handler.name} (sha256 ${sha256.slice(0, 12)}…)`);
        placed.add(key);
        changes.push((ledger) => succeeded(ledger, handler.name));
        if (handler.artifact.sha256 !== undefined || before.trusted[url] === sha256) continue;
        changes.push((ledger) => ({ ...ledger, trusted: { ...ledger.trusted, [url]: sha256 } }));
      } catch (error) {
        // No fault of the artifact.
        if (stop?.aborted) break;
        fail(handler, error);
      }
    }
    // The next tick removes what is left.
    await dropArtifact(host, fetched).catch((error) => host.log('warn', problemOf(error).message));
  }
  return (ledger) => changes.reduce((sum, change) => change(sum), ledger);
};

/** The same location has the same signatures. */
const once = <T>(known: Map<string, Promise<T>>, name: string, work: () => Promise<T>): Promise<T> => {
  const found = known.get(name) ?? work();
  known.set(name, found);
  return found;
};

/** From the first location that works; if none does, each handler reports its own location. */
const fetchAny = async (
  host: Host,
  settings: Settings,
  registries: Registries,
  { sha256, handlers }: Group,
  fail: (handler: Handler, error: unknown) => void,
  stop: AbortSignal | undefined,
): Promise<Fetched | undefined> => {
  const errors = new Map<string, unknown>();
  for (const handler of handlers) {
    const { url } = handler.artifact;
    if (errors.has(url)) continue;
    host.progress();
    const names = handlers.map(({ name }) => name).join(', ');
    host.log('info', `fetch ${printUrl(url)} for ${names}`, { handler: handler.name });
    try {
      return await fetchArtifact(host, settings, registries, handler, sha256, stop);
    } catch (error) {
      // No fault of the address.
      if (stop?.aborted) return undefined;
      errors.set(url, error);
    }
  }
  for (const handler of handlers) fail(handler, errors.get(handler.artifact.url));
  return undefined;
};
