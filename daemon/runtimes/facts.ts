/** Facts about the container runtime: its program, the files that it reads, its answers over CRI, and its parser's output. */
import type { FileFact, UnitFacts } from '../../host/facts.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { Table } from '../toml/compare.ts';

/** Each has its row in table.ts. */
export type RuntimeName = 'containerd' | 'crio';

/** `handler` is undefined when it is unknown: then the sandbox may use any handler. */
export type SandboxFact = { readonly id: string; readonly handler: string | undefined };

/** The configuration of a runtime: the main file, and the folder of files that it reads afterwards, if there is one. */
export type ConfigSource = {
  readonly main: string;
  readonly folder?: string;
  /** A main file that it skips, or one that it does not start without; absent: one that may be missing. */
  readonly mainIs?: 'skipped' | 'needed';
  readonly given?: Given;
};

/** What the command line and the environment say above all files. */
export type Given = {
  /** In the form of a file. */
  readonly doc: Table;
  /** The same, for another call of the program. */
  readonly words: readonly string[];
};

export type CriFact =
  | {
      readonly kind: 'answers';
      readonly ready: boolean;
      /** Why it is not ready, as the runtime says: for root only. */
      readonly reason: string;
      readonly handlers: readonly string[] | 'unknown';
      /** Those of Pods. */
      readonly sandboxes: readonly SandboxFact[];
      /** Ids of sandboxes that a proof of ours started and did not remove; they do not count as users of a handler. */
      readonly proofs?: readonly string[];
    }
  | { readonly kind: 'silent'; readonly why: string; readonly detail?: string };

/** One file of the configuration, in the order in which the runtime merges them; the main file first. */
export type ConfigFile = {
  readonly path: string;
  readonly fact: FileFact;
  /** The parsed content; absent when the file is missing or cannot be parsed. */
  readonly doc?: Table;
  /** Why it cannot be parsed. */
  readonly fault?: Problem;
};

/** A file that must exist at one of these places; a value in the configuration names it. */
export type Needed = {
  readonly where: { readonly file: string; readonly path: readonly string[] };
  /** For a message. */
  readonly what: string;
  readonly word: string;
  readonly places: readonly string[];
};

/** From the first of these that is there the main file is rendered at the next start. */
type Templated = { readonly templates?: readonly string[] };

/** Where our text belongs when the runtime's main file is generated or read-only; from the row of the distribution. */
export type ConfigPlace =
  /** A folder of drop-ins. `readBy`: the runtime imports it, or the distribution merges its files into one that the runtime imports. */
  | (Templated & {
      readonly kind: 'folder';
      readonly folder: string;
      readonly readBy: 'runtime' | 'distribution';
    })
  /** The distribution renders the main file from it. `base`: what a new one begins with; empty: it must exist. */
  | (Templated & { readonly kind: 'template'; readonly path: string; readonly base: string })
  /** A main file of ours instead of the `original` one, named in a drop-in of the unit by this variable of its environment. */
  | {
      readonly kind: 'override';
      readonly original: string;
      readonly copyTo: string;
      readonly unitDropIn: string;
      readonly variable: string;
    };

export type RuntimeFacts = {
  readonly name: RuntimeName;
  /** As the running daemon reports it, e.g. "1.7.24"; empty when unknown. */
  readonly version: string;
  readonly binary: string;
  readonly socket: string;
  readonly configPath: string;
  /** The folder of drop-ins, if the runtime reads one in addition to imports. */
  readonly configFolder?: string;
  readonly mainIs?: ConfigSource['mainIs'];
  readonly given?: Given;
  /** The name of its row; absent on a plain host. */
  readonly distro?: string;
  /** Absent: our text is in the main file, or in a drop-in beside it. */
  readonly place?: ConfigPlace;
  /** The template that the next start renders, where it was changed after the main file was last rendered. */
  readonly unrendered?: string;
  /** `undefined` where there is no service manager to ask (another root). */
  readonly unit: UnitFacts | undefined;
  readonly cri: CriFact;
  readonly config: readonly ConfigFile[];
  /** Imports that name no glob and whose file is not there. */
  readonly dangling: readonly { readonly from: string; readonly path: string }[];
  /** Values in handlers' tables that lead to our programs over symbolic links, and where to; absent when there is none. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Files that it needs to start and that are missing; absent when there is none. */
  readonly missing?: readonly Needed[];
  /** The assumptions behind these facts; absent when none was needed. */
  readonly notes?: readonly Problem[];
};

export type DumpFact =
  | { readonly kind: 'dumped'; readonly text: string }
  /** `why`: our text; `detail`: the parser's output, which may quote any line of the configuration. */
  | { readonly kind: 'failed'; readonly why: string; readonly detail?: string }
  /** The runtime's binary cannot be run from here (another architecture, no chroot). */
  | { readonly kind: 'impossible'; readonly why: string; readonly detail?: string };

/** The output of the runtime's own parser for one set of staged files. */
export type Trial = { readonly id: string; readonly before: DumpFact; readonly after: DumpFact };

/** The files, and as a last one, without a text, what stands above them. */
export const withGiven = (
  config: readonly ConfigFile[],
  { given, place }: { readonly given?: Given | undefined; readonly place: string },
): readonly ConfigFile[] =>
  given ? [...config, { path: place, fact: { kind: 'absent' }, doc: given.doc }] : config;

/** Where a person finds the command line. */
export const placeOfStart = ({ unit, configPath }: Pick<RuntimeFacts, 'unit' | 'configPath'>): string =>
  unit?.fragment || configPath;

/** Whether a sandbox may use a handler. A sandbox with an unknown handler may use any. */
export const mayUse = ({ handler }: SandboxFact, name: string): boolean =>
  handler === undefined || handler === name;
