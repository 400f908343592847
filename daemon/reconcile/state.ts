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

export const loadState = async (host: Host): Promise<State> => {
  const problems: Problem[] = [];
  const load = async <T>(path: string, parse: (text: string, file: string) => T): Promise<T | undefined> => {
    const fact = await host.files.look(path);
    if (fact.kind === 'absent') return undefined;
    try {
      if (fact.kind === 'regular') return parse(fact.text, path);
      const what = fact.kind === 'foreign' ? fact.what : fact.why;
      throw new Failure({ code: 'state-damaged', message: `it is ${what}`, where: { file: path } });
    } catch (error) {
      if (!(error instanceof Failure) || error.problem.code !== 'state-damaged') throw error;
      problems.push(error.problem);
      await host.files.move(path, `${path}.damaged`);
      return undefined;
    }
  };
  const ledger = await load(paths.ledger, parseLedger);
  const journal = await load(paths.journal, parseJournal);
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
