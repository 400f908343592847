/** What can be found on a host, as values: files, links, units of systemd. What a file must be for a step to touch it, too. */
import type { Problem } from '../protocol/problem/problem.ts';

export type Machine = 'amd64' | 'arm64';

/** The content a file must have for a step to touch it: compare-and-swap against everyone else who edits it. */
export type FileState =
  | { readonly kind: 'absent' }
  | {
      readonly kind: 'text';
      readonly text: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

export const absent: FileState = { kind: 'absent' };

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

/** What a swap takes for the present of a file; what is no regular file is none. */
export const stateOf = (fact: FileFact | undefined): FileState =>
  fact?.kind === 'regular'
    ? { kind: 'text', text: fact.text, mode: fact.mode, uid: fact.uid, gid: fact.gid }
    : absent;

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

/** The way from a stable path to the store; `null`: no such link. */
export type LinkFact = {
  readonly target: string | null;
  readonly foreign?: string;
  /** Why it could not be read: where it leads to is not known then. */
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
