/**
 * What a tick does while the changes that woke it may not be complete yet: it looks, has the configuration read by the runtime's own
 * parser, and brings artifacts whose digest is known. None of that changes the runtime or its configuration, and what goes wrong
 * may be of a file that is half written: it is not reported, and the tick looks again when the burst has ended.
 */
import type { Rules } from '../decide/baseline.ts';
import type { Host } from '../../host/host.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Observed } from '../decide/observed.ts';
import type { Step } from '../model/plan.ts';
import type { Settings } from '../model/settings.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import { type State, saveLedger } from '../state/state.ts';
import { canonical } from '../../protocol/digest.ts';
import { paths } from '../../protocol/host-paths.ts';
import { beginFetch, type Fetching } from './artifacts/fetching.ts';
import { observeStore } from './artifacts/store.ts';
import { countInterrupted } from './artifacts/unpacking.ts';
import { type Ahead, type Burst, type Considered, consider, type Tick } from './consider.ts';
import { type FirstLook, lookFirst } from './proof/activation.ts';
import type { Tried } from './trial.ts';

/** What the tick goes on with. */
export type Begun = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly tried: Tried;
  readonly first: Promise<FirstLook> | undefined;
  /** Downloads that go on. The lock must be held until they end. */
  readonly fetching?: Fetching | undefined;
};

const rules: Rules = { force: false, since: undefined };

/** Does none of it where there is no burst. Only for the holder of the lock. */
export const begin = async (
  host: Host,
  settings: Settings,
  tick: Tick,
  state: State,
  did: string[],
): Promise<Begun> => {
  const tried: Tried = new Map();
  const { burst } = tick;
  // An interrupted plan comes first.
  if (state.journal)
    return { settings: (await burst?.end()) ?? settings, ledger: state.ledger, tried, first: undefined };
  // From now on an artifact may be unpacked, whose marker would be taken for that of a killed run.
  const before = await countInterrupted(host, state.ledger);
  if (!burst) return { settings, ledger: before, tried, first: undefined };
  let first = burst.socket === undefined ? undefined : lookFirst(host, burst.socket);
  let fetching: Fetching | undefined;
  let ledger = before;
  let known: Observed['store'] | undefined;
  const end = new AbortController();
  const stop = AbortSignal.any([end.signal, ...(tick.stop ? [tick.stop] : [])]);
  try {
    host.log('debug', 'looking, before the end of the burst');
    const ahead: Ahead = (seen, artifacts) => {
      known ??= seen.store;
      fetching ??= bring(host, settings, seen, artifacts, burst, did, stop);
    };
    const considered = await consider(host, settings, before, { ...tick, deep: false }, rules, tried, ahead);
    const { plan } = considered.decision;
    first ??= lookAhead(host, considered);
    if (!fetching && plan.kind === 'steps') ahead(considered.before, plan.steps);
    const left = burst.until - host.clock.elapsed();
    if (fetching && left > 0 && (await host.clock.within(fetching.work, left))) {
      ledger = withoutNew(before, (await fetching.work)(before));
      if (ledger !== before) await saveLedger(host, ledger);
      fetching = undefined;
      host.log('debug', 'prepared');
    }
  } catch (error) {
    host.log('debug', `before the end of the burst: ${problemOf(error).message}`);
  }
  try {
    const now = await burst.end();
    if (!known || sourcesOf(now) === sourcesOf(settings))
      return { settings: now, ledger, tried, first, fetching };
    end.abort();
    await fetching?.work.catch(() => undefined);
    await dropNew(host, known);
    did.length = 0;
    return { settings: now, ledger, tried, first };
  } catch (error) {
    await fetching?.work.catch(() => undefined);
    throw error;
  }
};

/** By which an artifact is fetched, or refused. */
const sourcesOf = (settings: Settings): string => {
  const { allowUnpinned, allowedHosts, maxArtifactBytes, mirrors, signatures } = settings;
  const { proxy, extraCa = null, registries, closed } = settings;
  const { credentials = null, providers } = registries;
  return canonical([
    ...[allowUnpinned, allowedHosts, maxArtifactBytes, mirrors, signatures],
    ...[proxy, extraCa, credentials, providers, closed],
  ]);
};

/** What came by settings that are in force no more is judged by those that are: it is fetched again. Nothing leads to it yet. */
const dropNew = async (host: Host, known: Observed['store']): Promise<void> => {
  for (const key of Object.keys(await observeStore(host, false)))
    if (!(key in known)) await host.files.removeTree(`${paths.store}/${key}`);
};

/** The first of the two looks that must agree before a restart, where one may come. */
export const lookAhead = (
  host: Host,
  { before: { runtime }, decision: { plan } }: Considered,
): Promise<FirstLook> | undefined => {
  if (plan.kind !== 'steps' || runtime.name === 'none' || !runtime.unit) return undefined;
  const mayRestart = plan.disrupts || plan.steps.some(({ kind }) => kind === 'fetch');
  return mayRestart ? lookFirst(host, runtime.socket) : undefined;
};

/** Without a digest nothing is taken before it is certain that none will be written into the file. */
const bring = (
  host: Host,
  settings: Settings,
  before: Observed,
  artifacts: readonly Step[],
  { until }: Burst,
  did: string[],
  stop: AbortSignal | undefined,
): Fetching | undefined => {
  const wanted = artifacts.filter(
    (step) => step.kind === 'fetch' && step.handler.artifact.sha256 !== undefined,
  );
  if (wanted.length === 0) return undefined;
  const log: Host['log'] = (level, ...line) => {
    const isOver = host.clock.elapsed() >= until;
    if (isOver || level === 'info' || level === 'debug') host.log(level, ...line);
  };
  return beginFetch({ ...host, log }, settings, before, wanted, did, stop);
};

/** Without the failures that are new: they are tried again. */
const withoutNew = (before: Ledger, after: Ledger): Ledger => {
  if (after === before) return before;
  const attempts = Object.keys(after.attempts).flatMap((name) => {
    const known = before.attempts[name];
    return known ? [[name, known] as const] : [];
  });
  return { ...after, attempts: Object.fromEntries(attempts) };
};
