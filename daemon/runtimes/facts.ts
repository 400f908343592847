/** What is seen of the container runtime: which program reads which files, what it answers, and what its own parser says. */
import type { FileFact, UnitFacts } from '../../host/facts.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { Table } from '../toml/compare.ts';

/** Each has its row in table.ts. */
export type RuntimeName = 'containerd' | 'crio';

/** `handler` is undefined where it cannot be found out: the sandbox may use any of them. */
export type SandboxFact = { readonly id: string; readonly handler: string | undefined };

/** Where a runtime reads its configuration: the main file, and the folder whose files it reads after it, if it has one. */
export type ConfigSource = { readonly main: string; readonly folder?: string };

export type CriFact =
  | {
      readonly kind: 'answers';
      readonly ready: boolean;
      /** Why it is not ready, in its own words: for root alone. */
      readonly reason: string;
      readonly handlers: readonly string[] | 'unknown';
      /** Those of Pods. */
      readonly sandboxes: readonly SandboxFact[];
      /** Ids of sandboxes that a proof of ours started, and left: no use of a handler. */
      readonly proofs?: readonly string[];
    }
  | { readonly kind: 'silent'; readonly why: string; readonly detail?: string };

/** One file of the configuration, in the order in which the runtime merges them; the main file first. */
export type ConfigFile = {
  readonly path: string;
  readonly fact: FileFact;
  /** What it means; absent where there is no such file, or none that can be understood. */
  readonly doc?: Table;
  /** Why it cannot be understood. */
  readonly fault?: Problem;
};

/** A file that has to be there: one of these places, which a word in the configuration names. */
export type Needed = {
  readonly where: { readonly file: string; readonly path: readonly string[] };
  /** For a message. */
  readonly what: string;
  readonly word: string;
  readonly places: readonly string[];
};

export type RuntimeFacts = {
  readonly name: RuntimeName;
  /** As the running daemon says, e.g. "1.7.24"; empty when it could not be found out. */
  readonly version: string;
  readonly binary: string;
  readonly socket: string;
  readonly configPath: string;
  /** The folder of drop-ins, where the runtime reads one besides what its files import. */
  readonly configFolder?: string;
  /** `undefined` where there is no service manager to ask (another root). */
  readonly unit: UnitFacts | undefined;
  readonly cri: CriFact;
  readonly config: readonly ConfigFile[];
  /** Imports that name no glob and whose file is not there. */
  readonly dangling: readonly { readonly from: string; readonly path: string }[];
  /** Words of handlers' tables that lead to our programs over symbolic links, and where to; absent where there is none. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** What it needs to start and is not there; absent where it has all. */
  readonly missing?: readonly Needed[];
  /** What had to be assumed to find all this; absent where it was plain. */
  readonly notes?: readonly Problem[];
};

export type DumpFact =
  | { readonly kind: 'dumped'; readonly text: string }
  /** `why` in our own words; `detail`: what the parser printed, which may quote any line of the configuration. */
  | { readonly kind: 'failed'; readonly why: string; readonly detail?: string }
  /** The runtime's binary cannot be run from here (another architecture, no chroot). */
  | { readonly kind: 'impossible'; readonly why: string; readonly detail?: string };

/** The verdict material of the runtime's own parser on one set of staged files. */
export type Trial = { readonly id: string; readonly before: DumpFact; readonly after: DumpFact };

/** Whether a sandbox may use a handler: one of which it is not known may use any. */
export const mayUse = ({ handler }: SandboxFact, name: string): boolean =>
  handler === undefined || handler === name;
