/**
 * What a container runtime has to tell of itself, so that nothing else in the house knows one by name: values in, values out.
 * A runtime is a folder with one such row, and the row stands in table.ts.
 */
import type { Where, Problem } from '../../protocol/problem/problem.ts';
import type { FileFact } from '../../host/facts.ts';
import type { Handler } from '../model/desired.ts';
import type { Ledger, OwnedFile } from '../model/ledger.ts';
import type { Plan } from '../model/plan.ts';
import type { Table } from '../toml/compare.ts';
import type { ConfigFile, ConfigSource, Needed, RuntimeFacts, RuntimeName, Trial } from './facts.ts';
import type { Defined } from './parsed.ts';
import type { Plain } from './shown.ts';

export type Runtime = {
  readonly name: RuntimeName;
  /** As packages have it: for what the host does not tell. */
  readonly usual: {
    readonly unit: string;
    readonly configPath: string;
    readonly socket: string;
    readonly binaries: readonly string[];
  };
  /** Whether a program is this runtime, by its name. */
  readonly isProgram: (path: string) => boolean;
  /** The cgroups that it gives containers, and its own, where its containers have none. */
  readonly cgroups: RegExp;
  /** Where it reads, as a command line and the environments that count, the first before the second, have it. */
  readonly configOf: (
    argv: readonly string[],
    ...environments: readonly (ReadonlyMap<string, string> | undefined)[]
  ) => ConfigSource;
  /**
   * What is read after this file, by absolute path; with a "*" it is a pattern, with "/**" at its end every file below a folder,
   * else a file that has to be there.
   */
  readonly next: (file: ConfigFile, source: ConfigSource) => readonly string[];
  /** Where it listens. */
  readonly socketOf: (config: readonly ConfigFile[]) => string;
  /** The words of handlers' tables that name programs, and the places where each is looked for. */
  readonly programsIn: (
    doc: Table,
  ) => readonly { readonly word: string; readonly places: readonly string[] }[];
  /** What has to be there for it to start, and what its own parser does not look at. */
  readonly needed: (config: readonly ConfigFile[]) => readonly Needed[];
  readonly bundlesOf: (config: readonly ConfigFile[]) => Bundles;
  /** The words that have its binary print a configuration as it reads it; `main` is null where there is no such file. */
  readonly dumpWords: (source: {
    readonly main: string | null;
    readonly folder?: string;
  }) => readonly string[];
  /** What a sandbox takes, by the configuration that the runtime shows over CRI. */
  readonly sandboxesIn: (loaded: unknown) => {
    readonly image: string | undefined;
    /** The folder of its images and containers. */
    readonly root: string;
    /** Whether systemd makes the cgroups. */
    readonly systemdCgroup: boolean;
  };
  /** The handler of a sandbox, by what CRI tells of it when asked for more; absent where the list of sandboxes tells. */
  readonly handlerOfSandbox?: (info: unknown) => string | undefined;
  /** The image of sandboxes in a printed configuration. */
  readonly pauseImage: (dump: string) => string | undefined;
  /** The file that belongs to rcm-node as a whole. */
  readonly dropIn: DropIn;
  /** What of a file may be shown to everyone. */
  readonly plain: Plain;
  /** Where handlers are defined in a file, whatever version it declares. */
  readonly handlersIn: (doc: Table) => readonly Defined[];
  /** The text of a file without anything of ours; `null` where the file exists only because of us. */
  readonly withoutUs: (text: string, path: string, ledger: Ledger) => string | null;
  /** What the runtime reads out of a file: two that are equal in it are the same to it. Throws where it cannot be read. */
  readonly meaningOf: (text: string, path: string) => unknown;
  /** The handlers that a configuration serves, as the runtime's parser printed it; undefined where none can be read out of it. */
  readonly servedBy: (dump: string) => ReadonlySet<string> | undefined;
  /** Throws the Failure that forbids every change: the version is not known, the configuration has a fault, a file is not ours. */
  readonly target: (facts: RuntimeFacts, files: Readonly<Record<string, FileFact>>, ledger: Ledger) => Target;
};

/** Where the bundles of running containers lie, and what they tell. */
export type Bundles = {
  readonly folder: string;
  /** How many folders stand above a bundle: of a namespace, or none. */
  readonly depth: 1 | 2;
  /** The folder in it that holds the files; absent: the bundle itself. */
  readonly inside?: string;
  readonly pidFile: string;
  /** Files that tell handlers. */
  readonly tellers: readonly string[];
  readonly handlersIn: (text: string) => readonly string[];
};

export type DropIn = {
  /** Where it goes beside this main file. */
  readonly beside: (main: ConfigFile, folder?: string) => string;
  /** Whether a path is one where a drop-in of ours may have been left. */
  readonly mayBe: (path: string) => boolean;
  /** By its first line, or, where another program printed it anew, by what it means. */
  readonly isOurs: (text: string) => boolean;
  /** Nothing but tables that name our programs under their own names. */
  readonly meansOurs: (text: string) => boolean;
};

/** A file as it shall be; `text: null` is "not there". */
export type WantedFile = {
  readonly path: string;
  readonly text: string | null;
  /** What the ledger will say of it; absent when nothing in it is ours any more. */
  readonly owned?: OwnedFile;
};

export type Wiring = {
  /**
   * The main file first: each may name those after it. So what is added is written from the last to the first, and what goes
   * is taken out from the first to the last; whoever reads them in between finds no name without its file.
   */
  readonly files: readonly WantedFile[];
  /** Files of ours that are read in another folder than the right one, to be removed. */
  readonly stale: readonly WantedFile[];
  /** What has to be written beside ours, and why; absent where there is nothing. */
  readonly beside?: string;
};

export type Tables = ReadonlyMap<string, Table>;

/** The configuration as it stands, read once: what of it is ours, and how it would stand with other handlers of ours. */
export type Target = {
  /** Every file that has something of ours, or will: what the ledger knows besides is no longer read. */
  readonly paths: readonly string[];
  /** Ours in files that are not: what others copied, and each of our paths that they lead to. */
  readonly copies: readonly Problem[];
  readonly named: ReadonlySet<string>;
  /** Handlers that others define, whatever version their tables are for, and those that the runtime has by itself. */
  readonly defined: readonly string[];
  /** Handler tables as they stand in our text now. */
  readonly present: Readonly<Record<string, Table>>;
  /** Whether ours stands in a form that this version, with this main file, reads otherwise or not at all. */
  readonly isMisread: () => boolean;
  /** Why this runtime cannot serve such a handler at all. */
  readonly refusalOf?: (handler: Handler) => Problem | undefined;
  /** What a handler's table has to say, with its program at `path`. */
  readonly tableOf: (handler: Handler, path: string) => Table;
  /** Where others define this handler; a copy of ours is served by our program, like ours. */
  readonly ownerOf: (name: string) => Where | undefined;
  /** Throws Failures that name the obstacle; nothing has been written by then. */
  readonly wire: (tables: Tables) => Wiring;
  /** Why a file of ours cannot be removed: another one leads to it, and the runtime would not start without it. */
  readonly whyNeeded: (path: string) => Problem | undefined;
  /** The files of a trial, below another folder: without us, and as they would be. Its id is the same wherever it is staged. */
  readonly stage: (wanted: Wiring, scratch: string) => Extract<Plan, { kind: 'trial' }>;
  /** What forbids to write these tables, by the runtime's own parser; undefined: only ours differs. */
  readonly check: (trial: Trial, tables: Tables) => Problem | undefined;
};
