/**
 * The interface of a container runtime, so that no code outside its folder depends on its name: values in, values out. A
 * runtime is a folder with one such row, and table.ts lists the rows.
 */
import type { Where, Problem } from '../../protocol/problem/problem.ts';
import type { FileFact } from '../../host/facts.ts';
import type { Prepared } from '../model/desired.ts';
import type { Ledger, OwnedFile } from '../model/ledger.ts';
import type { Plan } from '../model/plan.ts';
import type { Table } from '../toml/compare.ts';
import type { ConfigFile, ConfigSource, Given, Needed, RuntimeFacts, RuntimeName, Trial } from './facts.ts';
import type { Images } from '../registries/images.ts';
import type { Defined, Dumped } from './parsed.ts';
import type { Replaceable } from './predecessors/replace.ts';
import type { Plain } from './shown.ts';

export type Runtime = {
  readonly name: RuntimeName;
  /** The defaults of packages, for what the host does not show. */
  readonly usual: {
    readonly unit: string;
    /** Other names that packages give it. */
    readonly aliases?: readonly string[];
    readonly configPath: string;
    readonly socket: string;
    readonly binaries: readonly string[];
  };
  /** Whether a program is this runtime, by its name. */
  readonly isProgram: (path: string) => boolean;
  /** The cgroups of its containers, and its own cgroup for containers without one. */
  readonly cgroups: RegExp;
  /** Its configuration by a command line and environments; the first environment wins. */
  readonly configOf: (
    argv: readonly string[],
    ...environments: readonly (ReadonlyMap<string, string> | undefined)[]
  ) => ConfigSource;
  /**
   * What is read after this file, by absolute path. With "*" it is a pattern, with "/**" at its end every file below a
   * folder, otherwise a file that must exist.
   */
  readonly next: (file: ConfigFile, source: ConfigSource) => readonly string[];
  /** Where it listens. */
  readonly socketOf: (config: readonly ConfigFile[]) => string;
  /** The values in handlers' tables that name programs, and the places where each is searched. */
  readonly programsIn: (
    doc: Table,
  ) => readonly { readonly word: string; readonly places: readonly string[] }[];
  /** Files that it needs to start and that its own parser does not check. */
  readonly needed: (config: readonly ConfigFile[]) => readonly Needed[];
  readonly bundlesOf: (config: readonly ConfigFile[]) => Bundles;
  /** The arguments with which its binary prints a configuration as it reads it; `main` is null without a main file. */
  readonly dumpWords: (source: {
    readonly main: string | null;
    readonly folder?: string;
    readonly given?: Given | undefined;
  }) => readonly string[];
  /** What is needed to start a sandbox, from the configuration that the runtime reports over CRI. */
  readonly sandboxesIn: (loaded: unknown) => {
    readonly image: string | undefined;
    /** The folder of its images and containers. */
    readonly root: string;
    /** Whether systemd makes the cgroups. */
    readonly systemdCgroup: boolean;
  };
  /** The handler of a sandbox, from its verbose CRI status; absent if the list of sandboxes has it. */
  readonly handlerOfSandbox?: (info: unknown, byPod: ByPod) => string | undefined;
  /** The labels and annotations by which `handlerOfSandbox` decides. */
  readonly handlerKeys?: readonly string[];
  /** The image of sandboxes in a printed configuration. */
  readonly pauseImage: (dump: string) => string | undefined;
  /** From where it has images, and where it keeps them. */
  readonly images: Images;
  /** The file that belongs to rcm-node as a whole. */
  readonly dropIn: DropIn;
  /** The parts of a file that may be shown to everyone. */
  readonly plain: Plain;
  /** Where handlers are defined in a file, whatever version it declares. */
  readonly handlersIn: (doc: Table) => readonly Defined[];
  /** The text of a file without anything of ours; `null` if the file exists only because of us. */
  readonly withoutUs: (text: string, path: string, ledger: Ledger) => string | null;
  /**
   * The meaning of a file for the runtime, to compare two texts. Throws if it cannot be parsed. `doc`: the content of the text,
   * where it was parsed already.
   */
  readonly meaningOf: (text: string, path: string, doc?: Table) => unknown;
  /** The handlers in a configuration that the runtime's parser printed; undefined if they cannot be determined. */
  readonly servedBy: (dump: Dumped) => ReadonlySet<string> | undefined;
  /** Throws the Failure that forbids every change: an unknown version, a fault in the configuration, a file of another owner. */
  readonly target: (facts: RuntimeFacts, files: Readonly<Record<string, FileFact>>, ledger: Ledger) => Target;
};

/** What the author of a Pod chose, and the runtime copies. */
export type ByPod = {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Where the bundles of running containers are, and which of their files name handlers. */
export type Bundles = {
  readonly folder: string;
  /** How many folders are above a bundle: one for a namespace, or none. */
  readonly depth: 1 | 2;
  /** The folder in it that holds the files; absent: the bundle itself. */
  readonly inside?: string;
  readonly pidFile: string;
  /** Files that name handlers. */
  readonly tellers: readonly string[];
  readonly handlersIn: (text: string) => readonly string[];
  /** Below it each handler has a folder, with a folder of each of its containers: where a Pod can choose what the files say. */
  readonly states?: string;
};

export type DropIn = {
  /** Its path for this main file. */
  readonly beside: (main: ConfigFile, folder?: string) => string;
  /** Whether an older drop-in of ours may be at this path. */
  readonly mayBe: (path: string) => boolean;
  /** By its first line, or, after another program rewrote it, by its meaning. */
  readonly isOurs: (text: string) => boolean;
  /** Whether it has only tables that name our programs under their own handlers. */
  readonly meansOurs: (text: string) => boolean;
};

/** The desired state of a file; `text: null`: absent. */
export type WantedFile = {
  readonly path: string;
  readonly text: string | null;
  /** Its entry in the ledger; absent when nothing in it is ours any more. */
  readonly owned?: OwnedFile;
};

export type Wiring = {
  /**
   * The main file first: each file may name later ones. Additions are written from the last to the first, removals from the
   * first to the last, so that a reader in between never finds the name of a missing file.
   */
  readonly files: readonly WantedFile[];
  /** Files of ours in another folder than the right one that the runtime still reads; to be removed. */
  readonly stale: readonly WantedFile[];
  /** Tables of predecessors that these files no longer have, and the files beside ours that lose them. */
  readonly taken?: { readonly tables: readonly Replaceable[]; readonly files: readonly WantedFile[] };
  /** What has to be written in addition to our handlers, and why; absent if nothing. */
  readonly beside?: string;
  /**
   * What the runtime will read, where that is not what is written: the main file first, then every file that differs from
   * the present one. Only a trial stages it.
   */
  readonly reads?: readonly WantedFile[];
};

export type Tables = ReadonlyMap<string, Table>;

/** The present configuration, read once: our part of it, and the files for other handlers of ours. */
export type Target = {
  /** Every file that has something of ours, or will. Other files in the ledger are no longer read by the runtime. */
  readonly paths: readonly string[];
  /** Copies of our tables in foreign files, and each of our paths that foreign files name. */
  readonly copies: readonly Problem[];
  readonly named: ReadonlySet<string>;
  /** What a person should know of the configuration, and that forbids nothing. */
  readonly notes?: readonly Problem[];
  /** Handlers that others define, for any version of the schema, and those that are built into the runtime. */
  readonly defined: readonly string[];
  /** The handler tables in our present text. */
  readonly present: Readonly<Record<string, Table>>;
  /** Whether our text has a form that this version, with this main file, reads differently or not at all. */
  readonly isMisread: () => boolean;
  /** Why this runtime cannot serve such a handler at all. */
  readonly refusalOf?: (handler: Prepared) => Problem | undefined;
  /** It leaves out a handler whose program is missing when it starts. */
  readonly needsProgram?: true;
  /** The table of a handler, with its program at `path`. */
  readonly tableOf: (handler: Prepared, path: string) => Table;
  /** When it starts it ends the Pods of shims that do not tell it their processes. */
  readonly restartsEndShims?: true;
  /** Where others define this handler; a copy of our table does not count, as our program serves it too. */
  readonly ownerOf: (name: string) => Where | undefined;
  /** What to do about such an owner, where more is known than that there is one. */
  readonly hintOfOwner?: (name: string) => string | undefined;
  /** Tables of predecessors that a person allowed to replace: `wire` takes out those whose handler is among its own. */
  readonly replaceable?: readonly Replaceable[];
  /** Why such a table cannot be replaced by ours: it means something else. */
  readonly unlike?: (name: string, table: Table) => Problem | undefined;
  /** `gone`: handlers of replaceable tables that go without ours. Throws Failures that name the obstacle; nothing has been written by then. */
  readonly wire: (tables: Tables, gone?: ReadonlySet<string>) => Wiring;
  /** A handler that files of others rely on and do not define: without it the runtime does not start. `problem`: why it stays. */
  readonly required?: { readonly name: string; readonly problem: Problem };
  /** Why a file of ours cannot be removed: another file names it, and the runtime would not start without it. */
  readonly whyNeeded: (path: string) => Problem | undefined;
  /** Stands for all bytes that a trial reads: one with this id need not be staged. */
  readonly trialId: (wanted: Wiring) => string;
  /** The files of a trial, in another folder: without us, and with the change. Its id does not depend on the folder. */
  readonly stage: (wanted: Wiring, scratch: string) => Extract<Plan, { kind: 'trial' }>;
  /** Why these tables must not be written, by the runtime's own parser; undefined: only our handlers differ. */
  readonly check: (trial: Trial, tables: Tables, gone?: ReadonlySet<string>) => Problem | undefined;
};
