/**
 * Everything a decision may look at, read from the host in one place (reconcile/observe.ts). If a decision seems to
 * need more, it is missing here.
 */
import type { Machine } from './desired.ts';
import type { Ledger } from './ledger.ts';
import type { Problem } from './problem.ts';

export type FileFact =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'regular';
      /** Where the bytes are, all symbolic links followed: what a rename has to replace. */
      readonly real: string;
      readonly text: string;
      readonly digest: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      /** How many names the file has, by hard links; set when it is more than one. */
      readonly links?: number;
      /** Set when the path itself is a symbolic link, to `real`. */
      readonly isLink?: true;
    }
  | { readonly kind: 'foreign'; readonly what: string; readonly hint?: string }
  | {
      readonly kind: 'unreadable';
      readonly why: string;
      /** What to do about it, where that is more than to let root read it. */
      readonly hint?: string;
      /** Set when the system refused the look, which may pass; absent when what is in the file is the reason. */
      readonly errno?: string;
    };

/** Why a file must not be replaced: the new one takes one name, and under the others the old one stays, and goes stale. */
export const hardLinked = (file: string, links = 1): Problem | undefined =>
  links <= 1
    ? undefined
    : {
        code: 'hard-linked',
        message: `the file has ${links} names (hard links), and would be replaced under this one alone`,
        where: { file },
        hint: `Give this name a file of its own (cp -a ${file} ${file}.copy && mv ${file}.copy ${file}), or remove the others; they are listed by: find / -xdev -samefile ${file}`,
      };

/** Why a file must not be removed: the link to it would stay, and lead nowhere. */
export const softLinked = (path: string, real: string): Problem => ({
  code: 'not-ours',
  message: `it is a symbolic link to ${real} now, which rcm-node did not make; removed, the link would lead nowhere`,
  where: { file: path },
  hint: `Put the file in the place of the link (cp --remove-destination ${real} ${path}), or remove the link, and run it again.`,
});

/** What systemd says of a unit. */
export type UnitFacts = {
  readonly name: string;
  readonly load: 'loaded' | 'masked' | 'not-found' | 'error' | 'bad-setting' | (string & {});
  readonly active: string;
  readonly sub: string;
  /** 32 hex digits; '' when it never ran. */
  readonly invocation: string;
  /** Automatic restarts since it was last started by hand (NRestarts). */
  readonly restarts: number;
  /** 0 when there is none. */
  readonly mainPid: number;
  /** argv of the last ExecStart command, variables as they are written; [] when there is none. */
  readonly execStart: readonly string[];
  /** The program of that command, where it differs from the first word ("@"). */
  readonly program?: string;
  /** With ":" no variable of the command is replaced. */
  readonly verbatim?: true;
  /** WorkingDirectory=, where it is set. */
  readonly cwd?: string;
  /** PassEnvironment=: names whose value is the service manager's own. Absent where there are none. */
  readonly passed?: readonly string[];
  /** UnsetEnvironment=. Absent where there is none. */
  readonly removed?: readonly string[];
  /** `NAME=value`, from Environment= alone. May hold secrets (a proxy's password): never log it. */
  readonly environment: readonly string[];
  readonly environmentFiles: readonly string[];
  /** Path of the unit file; '' when there is none. */
  readonly fragment: string;
  /** Of a service: `success`, `exit-code`, `timeout`, …; '' of other units. */
  readonly result: string;
  /** What the service says of itself (STATUS=); absent for other units. */
  readonly status?: string;
  /** Exit code, or number of the signal, of the main process that ended last; 203 could not be started at all. */
  readonly exit?: number;
};

export type SandboxFact = { readonly id: string; readonly handler: string };

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
export type ConfigFile = { readonly path: string; readonly fact: FileFact };

export type RuntimeFacts = {
  readonly name: 'containerd';
  /** As the running daemon says, e.g. "1.7.24"; empty when it could not be found out. */
  readonly version: string;
  readonly binary: string;
  readonly socket: string;
  readonly configPath: string;
  /** `undefined` where there is no service manager to ask (another root). */
  readonly unit: UnitFacts | undefined;
  readonly cri: CriFact;
  readonly config: readonly ConfigFile[];
  /** Imports that name no glob and whose file is not there. */
  readonly dangling: readonly { readonly from: string; readonly path: string }[];
  /** Words of handlers' tables that lead to our programs over symbolic links, and where to; absent where there is none. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** What had to be assumed to find all this; absent where it was plain. */
  readonly notes?: readonly Problem[];
};

export type StoreFact =
  | {
      readonly kind: 'whole';
      readonly sha256: string;
      readonly url: string;
      readonly binary: string;
      /** It was never run: it was placed into another root. */
      readonly untried?: true;
    }
  | { readonly kind: 'damaged'; readonly why: string };

export type DumpFact =
  | { readonly kind: 'dumped'; readonly text: string }
  /** `why` in our own words; `detail`: what the parser printed, which may quote any line of the configuration. */
  | { readonly kind: 'failed'; readonly why: string; readonly detail?: string }
  /** The runtime's binary cannot be run from here (another architecture, no chroot). */
  | { readonly kind: 'impossible'; readonly why: string; readonly detail?: string };

/** The verdict material of the runtime's own parser on one set of staged files. */
export type Trial = { readonly id: string; readonly before: DumpFact; readonly after: DumpFact };

/** The way from a stable path to the store; `null`: no such link. */
export type LinkFact = {
  readonly target: string | null;
  readonly foreign?: string;
  /** Why it could not be read: where it leads to is not known then. */
  readonly errno?: string;
};

export type Observed = {
  readonly now: number;
  readonly machine: Machine;
  /** Whether the runtime may be restarted at all; false when another root or an image is prepared. */
  readonly activate: boolean;
  readonly runtime: RuntimeFacts | { readonly name: 'none'; readonly problem: Problem };
  /** Files that carry our text or will: by the path that the configuration uses. */
  readonly files: Readonly<Record<string, FileFact>>;
  readonly folders: Readonly<Record<string, boolean>>;
  readonly store: Readonly<Record<string, StoreFact>>;
  readonly links: Readonly<Record<string, LinkFact>>;
  /** Store folders that a running process has mapped; only looked for where something could be discarded. */
  readonly mapped: readonly string[];
  readonly ledger: Ledger;
  /** Where there is no runtime: what one would read, were it installed again. Else absent. */
  readonly remnant?: Pick<RuntimeFacts, 'config' | 'aliases'>;
  readonly trials: readonly Trial[];
  /** A folder of this look's own for the files of a trial: `plan` and a tick may try the same at the same time. */
  readonly scratch: string;
};
