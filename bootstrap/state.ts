/**
 * What bootstrap remembers on a node, in one file beside the versions it placed. A damaged file is no disaster: what
 * stands on the disk then tells the rest, and files that nobody can prove to be ours stay.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../daemon/model/problem.ts';

/** Names on the host that are bootstrap's own; those of the service are in daemon/decide/paths.ts. */
export const places = {
  bin: '/opt/rcm-node/bin',
  versions: '/opt/rcm-node/bin/versions',
  link: '/opt/rcm-node/bin/rcm-node',
  state: '/opt/rcm-node/bin/bootstrap.json',
  lock: '/opt/rcm-node/bin/bootstrap.lock',
  units: '/etc/systemd/system',
  uninstalled: '/run/rcm-node/uninstall.json',
} as const;

export const service = 'rcm-node.service';
export const uninstaller = 'rcm-node-uninstall.service';
export const program = 'rcm-node';

/** Name to sha256, of everything in the folder of a version. */
export type Digests = Readonly<Record<string, string>>;

export type Build = { readonly version: string; readonly files: Digests };

/** A build that did not come up on this node. */
export type Mishap = { readonly at: number; readonly attempts: number; readonly why: string };

export type State = {
  readonly version: 1;
  /** The folder below `versions` that was the last to come up. */
  readonly good: string | null;
  /** The one before it, kept to go back by hand. */
  readonly former: string | null;
  /**
   * A folder that the link may lead to already and that has not come up yet. `from`: the service's invocation, read after
   * the link was switched and before the restart was asked for; any other one seen later runs what the link leads to.
   */
  readonly trying: { readonly folder: string; readonly from: string | null } | null;
  /** By folder, what it is to hold. */
  readonly builds: Readonly<Record<string, Build>>;
  /** Path to the digests of what bootstrap wrote there, outside of `versions`, or was about to. */
  readonly wrote: Readonly<Record<string, readonly string[]>>;
  /** By `idOf` the build. */
  readonly failed: Readonly<Record<string, Mishap>>;
};

export const emptyState: State = {
  version: 1,
  good: null,
  former: null,
  trying: null,
  builds: {},
  wrote: {},
  failed: {},
};

/** Names a build by all that it holds. */
export const idOf = (files: Digests): string =>
  createHash('sha256')
    .update(
      Object.keys(files)
        .sort()
        .map((name) => `${files[name]}  ${name}\n`)
        .join(''),
    )
    .digest('hex');

export const sameFiles = (one: Digests, other: Digests): boolean => idOf(one) === idOf(other);

export const printState = (state: State): string => `${JSON.stringify(state, null, 1)}\n`;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isName = (value: unknown): boolean => value === null || typeof value === 'string';
const areTexts = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((one) => typeof one === 'string');

const shape: Record<keyof State, (value: unknown) => boolean> = {
  version: (value) => value === 1,
  good: isName,
  former: isName,
  trying: (value) =>
    value === null || (isRecord(value) && typeof value.folder === 'string' && isName(value.from)),
  builds: (value) =>
    isRecord(value) &&
    Object.values(value).every(
      (one) => isRecord(one) && typeof one.version === 'string' && areTexts(one.files),
    ),
  wrote: (value) =>
    isRecord(value) &&
    Object.values(value).every(
      (one) => Array.isArray(one) && one.every((digest) => typeof digest === 'string'),
    ),
  failed: (value) =>
    isRecord(value) &&
    Object.values(value).every(
      (one) =>
        isRecord(one) &&
        typeof one.at === 'number' &&
        typeof one.attempts === 'number' &&
        typeof one.why === 'string',
    ),
};

/** Undefined for what is damaged; throws `state-newer` for what a newer bootstrap wrote. */
export const parseState = (text: string): State | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (typeof value.version === 'number' && value.version > 1)
    throw new Failure({
      code: 'state-newer',
      message: `a newer rcm-node keeps its state in version ${value.version}; this one knows version 1`,
      where: { file: places.state },
    });
  const whole = { ...emptyState, ...value };
  return Object.entries(shape).every(([key, fits]) => fits(whole[key as keyof State])) ? whole : undefined;
};
