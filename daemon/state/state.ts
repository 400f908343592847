/**
 * The ledger and the journal on the disk, and what the cluster said last. A damaged file is set aside, never guessed at: what
 * is ours is then derived from what stands on the host. A ledger or journal of a newer version stops every change.
 */
import { isDeepStrictEqual } from 'node:util';
import { paths } from '../../protocol/host-paths.ts';
import { notLater } from '../decide/backoff.ts';
import { asides, setAside } from '../../host/files/aside.ts';
import type { Synced } from '../../host/files/hashing-writer.ts';
import type { Host } from '../../host/host.ts';
import { parseClusterCache } from '../model/cluster-cache.ts';
import { type Journal, parseJournal } from '../model/journal.ts';
import { emptyLedger, type Ledger, parseLedger, printState } from '../model/ledger.ts';
import { absent, type FileFact, stateOf } from '../../host/facts.ts';
import { Failure, logFields, type Problem, printProblem, problemOf } from '../../protocol/problem/problem.ts';

export type State = {
  readonly ledger: Ledger;
  readonly journal: Journal | undefined;
  /** What was found damaged just now. */
  readonly problems: readonly Problem[];
  /** What was set aside, now or before, and is still there. */
  readonly notes: readonly Problem[];
};

/** Reads only, for commands that change nothing. Throws `state-newer`, `untrusted`, and `unreadable-source` for what may pass. */
export const readState = async (host: Host): Promise<State> => {
  const state = await load(host, async () => []);
  return { ...state, ledger: notLater(state.ledger, host.clock.now()), notes: await notesOf(host) };
};

/** For the holder of the lock. Sets damaged files aside, so that the next save does not bury what a person might want to see. */
export const loadState = async (host: Host): Promise<State> => {
  const away = async (problem: Problem, path: string): Promise<readonly Problem[]> => {
    host.log('warn', printProblem(problem), logFields(problem));
    try {
      await setAside(host.files, path, host.clock.now());
      return [];
    } catch (error) {
      // On a disk that is read-only everything else goes on as well as it can.
      return [problemOf(error)];
    }
  };
  const state = await load(host, away);
  const cluster = await clusterTrouble(host);
  // One of a newer version is reported by `gather`, and stays for that version to go on with.
  const more = cluster?.code === 'state-damaged' ? [cluster, ...(await away(cluster, paths.cluster))] : [];
  const ledger = notLater(state.ledger, host.clock.now());
  // Kept, so that these times pass as others do.
  if (!isDeepStrictEqual(ledger, state.ledger))
    await saveLedger(host, ledger).catch((error) => host.log('warn', problemOf(error).message));
  return { ...state, ledger, problems: [...state.problems, ...more], notes: await notesOf(host) };
};

const load = async (
  host: Host,
  away: (problem: Problem, path: string) => Promise<readonly Problem[]>,
): Promise<Omit<State, 'notes'>> => {
  const problems: Problem[] = [];
  const read = async <T>(path: string, parse: (text: string, file: string) => T): Promise<T | undefined> => {
    // Who can write the journal has root carry out what it says.
    const fact = await host.files.lookTrusted(path);
    if (fact.kind === 'absent') return undefined;
    // A file that cannot be read now (EIO, EMFILE) may be intact: it must not count as lost, and its content with it.
    if (fact.kind === 'unreadable' && fact.errno !== undefined)
      throw new Failure({
        code: 'unreadable-source',
        message: `the file cannot be read: ${fact.errno}`,
        where: { file: path },
        hint: 'No change is made until it can be read.',
      });
    try {
      return parse(textOf(fact, path), path);
    } catch (error) {
      const problem = damageIn(error);
      problems.push(problem, ...(await away(problem, path)));
      return undefined;
    }
  };
  const ledger = await read(paths.ledger, parseLedger);
  const journal = await read(paths.journal, parseJournal);
  return { ledger: ledger ?? journal?.ledger ?? emptyLedger, journal, problems };
};

/** Throws `state-damaged` for what is no text at all. */
const textOf = (fact: FileFact, path: string): string => {
  if (fact.kind === 'regular') return fact.text;
  const message =
    fact.kind === 'foreign' ? `it is ${fact.what}` : fact.kind === 'absent' ? 'it is gone' : fact.why;
  throw new Failure({ code: 'state-damaged', message, where: { file: path } });
};

const damageIn = (error: unknown): Problem => {
  if (error instanceof Failure && error.problem.code === 'state-damaged') return error.problem;
  throw error;
};

/** `state-damaged` or `state-newer`, of the cluster's last answer; what cannot be read now may be whole. */
export const clusterTrouble = async (host: Host): Promise<Problem | undefined> => {
  const fact = await host.files.look(paths.cluster);
  if (fact.kind === 'absent' || (fact.kind === 'unreadable' && fact.errno !== undefined)) return undefined;
  try {
    parseClusterCache(textOf(fact, paths.cluster), paths.cluster);
    return undefined;
  } catch (error) {
    const problem = problemOf(error);
    return problem.code === 'state-newer' ? problem : damageIn(error);
  }
};

/** A person has to hear of it however short the tick was in which it happened. */
const notesOf = async (host: Host): Promise<readonly Problem[]> => {
  const found = await Promise.all(persisted.map((path) => asides(host.files, path).catch(() => [])));
  return found.flat().map((file) => ({
    code: 'state-damaged',
    message: 'the file was damaged and was renamed; its content was derived again from this host',
    where: { file },
    hint: 'Find out what damaged it (the disk, another program), then remove the file.',
  }));
};

/** What is kept in the state's folder, but for the token, which others bring. */
export const persisted: readonly string[] = [paths.ledger, paths.journal, paths.cluster];

/** `synced`: the journal is saved next, in the same folder. */
export const saveLedger = (host: Host, ledger: Ledger, synced?: Synced): Promise<void> =>
  put(host, paths.ledger, printState(ledger), synced);
export const saveJournal = (host: Host, journal: Journal): Promise<void> =>
  put(host, paths.journal, printState(journal));

export const dropJournal = async (host: Host): Promise<void> => {
  await host.files.swap(paths.journal, stateOf(await host.files.look(paths.journal)), absent);
};

const put = async (host: Host, path: string, text: string, synced?: Synced): Promise<void> => {
  if (!(await host.files.isFolder(paths.state))) await host.files.makeFolder(paths.state);
  // 0600: the journal holds foreign configuration, which may carry registry credentials.
  await host.files.put(path, text, 0o600, undefined, synced);
};
