/** Facts about a host, as values: files, links, units of systemd; and the state that a step expects of a file. */
import type { Problem } from '../protocol/problem/problem.ts';

export type Machine = 'amd64' | 'arm64';

/** The content a file must have before a step changes it: compare-and-swap against every other writer. */
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
      /** The real path, all symbolic links followed: the file that a rename has to replace. */
      readonly real: string;
      readonly text: string;
      readonly digest: string;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      /** The number of hard links; set when it is more than one. */
      readonly links?: number;
      /** Set when the path itself is a symbolic link, to `real`. */
      readonly isLink?: true;
    }
  | { readonly kind: 'foreign'; readonly what: string; readonly hint?: string }
  | {
      readonly kind: 'unreadable';
      readonly why: string;
      /** What to do about it, if more is needed than to let root read it. */
      readonly hint?: string;
      /** Set when a system call failed, which may be temporary; absent when the content of the file is the reason. */
      readonly errno?: string;
    };

/** The state of a file for a swap; anything but a regular file counts as absent. */
export const stateOf = (fact: FileFact | undefined): FileState =>
  fact?.kind === 'regular'
    ? { kind: 'text', text: fact.text, mode: fact.mode, uid: fact.uid, gid: fact.gid }
    : absent;

/** The facts of a unit, from systemd. */
export type UnitFacts = {
  readonly name: string;
  readonly load: 'loaded' | 'masked' | 'not-found' | 'error' | 'bad-setting' | (string & {});
  readonly active: string;
  readonly sub: string;
  /** 32 hex digits; '' if it never ran. */
  readonly invocation: string;
  /** Automatic restarts since its last explicit start (NRestarts). */
  readonly restarts: number;
  /** 0 when there is none. */
  readonly mainPid: number;
  /** argv of the last ExecStart command, variables as they are written; [] when there is none. */
  readonly execStart: readonly string[];
  /** The program of that command, if it differs from argv[0] ("@"). */
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
  /** The status text of the service (STATUS=); absent for other units. */
  readonly status?: string;
  /** Exit code, or number of the signal, of the main process that ended last; 203: it could not be started. */
  readonly exit?: number;
};

/** The link from a stable path to the store; `null`: no such link. */
export type LinkFact = {
  readonly target: string | null;
  readonly foreign?: string;
  /** Why it could not be read; its target is unknown then. */
  readonly errno?: string;
};

/** Why a file must not be replaced: the new file gets one name, and the other names keep the old file. */
export const hardLinked = (file: string, links = 1): Problem | undefined =>
  links <= 1
    ? undefined
    : {
        code: 'hard-linked',
        message: `the file has ${links} names (hard links), and would be replaced under this one alone`,
        where: { file },
        hint: `Give this name a file of its own (cp -a ${file} ${file}.copy && mv ${file}.copy ${file}), or remove the others; they are listed by: find / -xdev -samefile ${file}`,
      };

/** Why a file must not be removed: the link to it would stay, without a target. */
export const softLinked = (path: string, real: string): Problem => ({
  code: 'not-ours',
  message: `it is a symbolic link to ${real} now, which rcm-node did not make; removed, the link would lead nowhere`,
  where: { file: path },
  hint: `Put the file in the place of the link (cp --remove-destination ${real} ${path}), or remove the link, and run it again.`,
});
