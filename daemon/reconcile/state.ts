/**
 * The ledger and the journal on the disk. A damaged file is set aside, never guessed at: what is ours is then derived
 * from what stands on the host. A file of a newer version stops every change.
 */
import { paths } from '../decide/paths.ts';
import type { Host } from '../host/host.ts';
import {
  emptyLedger,
  type Journal,
  type Ledger,
  parseJournal,
  parseLedger,
  printState,
} from '../model/ledger.ts';
import { Failure, type Problem } from '../model/problem.ts';

export type State = {
  readonly ledger: Ledger;
  readonly journal: Journal | undefined;
  readonly problems: readonly Problem[];
};

/** Reads only, for commands that change nothing. Throws `state-newer`, `untrusted`, and `unreadable-source` for what may pass. */
export const readState = (host: Host): Promise<State> => load(host, async () => undefined);

/** Sets damaged files aside, so that the next save does not bury what a person might still want to see. */
export const loadState = (host: Host): Promise<State> =>
  load(host, (path) => host.files.move(path, `${path}.damaged`));

const load = async (host: Host, setAside: (path: string) => Promise<void>): Promise<State> => {
  const problems: Problem[] = [];
  const read = async <T>(path: string, parse: (text: string, file: string) => T): Promise<T | undefined> => {
    // Who can write the journal has root carry out what it says.
    const fact = await host.files.lookTrusted(path);
    if (fact.kind === 'absent') return undefined;
    // What the system refuses now (EIO, EMFILE) may be whole: nobody may take it for lost, and with it what is ours.
    if (fact.kind === 'unreadable' && fact.errno !== undefined)
      throw new Failure({
        code: 'unreadable-source',
        message: `the file cannot be read: ${fact.errno}`,
        where: { file: path },
        hint: 'Nothing is changed until it can be read.',
      });
    try {
      if (fact.kind === 'regular') return parse(fact.text, path);
      const message = fact.kind === 'foreign' ? `it is ${fact.what}` : fact.why;
      throw new Failure({ code: 'state-damaged', message, where: { file: path } });
    } catch (error) {
      if (!(error instanceof Failure) || error.problem.code !== 'state-damaged') throw error;
      problems.push(error.problem);
      await setAside(path);
      return undefined;
    }
  };
  const ledger = await read(paths.ledger, parseLedger);
  const journal = await read(paths.journal, parseJournal);
  return { ledger: ledger ?? journal?.ledger ?? emptyLedger, journal, problems };
};

export const saveLedger = (host: Host, ledger: Ledger): Promise<void> =>
  put(host, paths.ledger, printState(ledger));
export const saveJournal = (host: Host, journal: Journal): Promise<void> =>
  put(host, paths.journal, printState(journal));

export const dropJournal = async (host: Host): Promise<void> => {
  await host.files.swap(paths.journal, await stateOf(host, paths.journal), { kind: 'absent' });
};

const stateOf = async (host: Host, path: string) => {
  const fact = await host.files.look(path);
  return fact.kind === 'regular'
    ? ({ kind: 'text', text: fact.text, mode: fact.mode, uid: fact.uid, gid: fact.gid } as const)
    : ({ kind: 'absent' } as const);
};

const put = async (host: Host, path: string, text: string): Promise<void> => {
  if (!(await host.files.isFolder(paths.state))) await host.files.makeFolder(paths.state);
  // 0600: the journal holds foreign configuration, which may carry registry credentials.
  await host.files.put(path, text, 0o600);
};
