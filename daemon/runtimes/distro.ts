/**
 * What a distribution of Kubernetes is to rcm-node: a row of the table in distros.ts. Which row a host is of is decided here
 * from facts that only root or the kernel can have made.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import type { ConfigPlace } from './facts.ts';

/** One fact of the host. A file or folder counts only if root alone can have made it. */
export type Clue =
  | { readonly file: string; readonly says?: RegExp }
  | { readonly folder: string }
  /** Lines of os-release. */
  | { readonly release: Readonly<Record<string, string>> }
  /** A unit file with such a name. */
  | { readonly units: RegExp }
  /** The program of process 1. */
  | { readonly init: RegExp };

/**
 * What a row says of a host, the strongest first: which runtime its Kubernetes brings, how its operating system keeps files,
 * how the node joined, or only whose machine it is. A stronger row replaces weaker ones.
 */
export const levels = ['distribution', 'system', 'installer', 'machine'] as const;
type Level = (typeof levels)[number];

/** Of a runtime that another program starts: its units, and the command line that stands for it where nothing runs. */
export type Runner = {
  readonly units: RegExp;
  readonly argv: readonly [string, ...string[]];
};

/** Where our text belongs; which of it counts is read from the main file of the runtime (place.ts). */
export type Placing =
  /**
   * Rendered by the distribution from the first template of `byVersion` that is there, whatever its version. Our text is in a folder
   * that the rendered file imports, else in the template of its version.
   */
  | { readonly kind: 'rendered'; readonly byVersion: readonly Rendered[]; readonly base: string }
  /** Merged by the distribution, as long as the first line of the main file is this one. */
  | { readonly kind: 'merged'; readonly folder: string; readonly firstLine: string }
  | { readonly kind: 'template'; readonly path: string }
  | (ConfigPlace & { readonly kind: 'override' });

/** Beside the rendered file, for main files that declare a version from `from` on. */
export type Rendered = { readonly from: number; readonly folder: string; readonly template: string };

/** The kubeconfig of its kubelet, where no command line names it; `evidence`: a file that is there once the node has joined. */
export type KubeletFiles = { readonly kubeconfig: string; readonly evidence: string };

type Known = {
  readonly name: string;
  readonly level: Level;
  /** All of them together show it. */
  readonly evidence: readonly Clue[];
  readonly why: string;
};

/** Where its kubelet has the configuration and the programs of its credential providers, where no command line can be seen. */
export type ProviderFiles = { readonly config: string; readonly bin: string };

export type Served = Known & {
  readonly kubelet?: KubeletFiles;
  readonly providers?: ProviderFiles;
  /** Absent: the unit of the runtime, as packages have it. */
  readonly runner?: Runner;
  /** Absent: the main file of the runtime, or a drop-in that it imports. */
  readonly placing?: Placing;
  /** `watched`: the distribution restarts the runtime by itself when this folder changes. Absent: we restart its unit. */
  readonly watched?: string;
  /** How long a restart of its unit may take, in ms; absent: as one of the runtime alone. */
  readonly deadlineMs?: number;
};

export type Refused = Known & {
  /** The reason, and what to do. */
  readonly refused: string;
  readonly wayOut: string;
  /** A unit that only its hosts have: bootstrap can ask systemd for it, and sees no other evidence. */
  readonly unit?: string;
  /** What its kubelet calls its system in the cluster: a node can claim anything there, so it serves for a message alone. */
  readonly osImage?: RegExp;
};

export type Distro = Served | Refused;

const rank = ({ level }: Known): number => levels.indexOf(level);

/** As a Failure to throw. */
export const refusal = ({ name, refused, wayOut }: Refused): Failure =>
  new Failure({ code: 'unsupported-host', message: `this is ${name}: ${refused}`, hint: wayOut });

/** A unit that a person names excludes rows of other units. */
const isOfUnit = (row: Served, unit: string | undefined): boolean =>
  unit === undefined || row.runner === undefined || row.runner.units.test(unit);

/**
 * The row of a host on which the evidence of these rows is complete; undefined: a plain host. Throws `unsupported-host` for a
 * row that is refused, and for two of the same strength: each may be left from before, and either would be a guess.
 */
export const pick = (found: readonly Distro[], unit: string | undefined): Served | undefined => {
  const served: Served[] = [];
  for (const row of found) {
    if ('refused' in row) throw refusal(row);
    if (isOfUnit(row, unit)) served.push(row);
  }
  const strongest = Math.min(...served.map(rank));
  const [row, ...others] = served.filter((one) => rank(one) === strongest);
  if (others.length === 0) return row;
  const names = [row, ...others].map((one) => one?.name).join(' and ');
  throw new Failure({
    code: 'unsupported-host',
    message: `this host looks like ${names} at once`,
    hint: 'Remove what is left of the other one; or, if they have different units, name the right one: runtime.unit in /etc/rcm-node/config.toml.',
  });
};
