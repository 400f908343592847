/**
 * What bootstrap remembers on a node, in one file beside the versions it placed. A damaged file is set aside: what
 * stands on the disk then tells the rest, and files that nobody can prove to be ours stay.
 */
import { createHash } from 'node:crypto';
import {
  digest,
  list,
  nullable,
  object,
  one,
  parseVersioned,
  type Read,
  record,
  text,
  time,
  whole,
} from '../daemon/model/schema.ts';

/** Names on the host that are bootstrap's own; those of the service are in protocol/host-paths.ts. */
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
export type FailedBuild = { readonly at: number; readonly attempts: number; readonly why: string };

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
  readonly failed: Readonly<Record<string, FailedBuild>>;
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

export const printState = (state: State): string => `${JSON.stringify(state, null, 1)}\n`;

/** A name below `versions`, and of a file in such a folder: it decides what is removed as a whole. */
const plain = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,254}$/;
/** Only the unit and the settings are written outside of `versions`. */
const ownPath = /^\/etc\/(systemd\/system|rcm-node|rcm-node\/shims\.d)\/[A-Za-z0-9][A-Za-z0-9._-]*$/;
const folder = text(plain);

const fields: Read<State> = object<State>({
  version: one(1),
  good: nullable(folder),
  former: nullable(folder),
  trying: nullable(object({ folder, from: nullable(text(/^[0-9A-Za-z-]{0,64}$/)) })),
  // A file that could not be read has no digest.
  builds: record(plain, object<Build>({ version: text(), files: record(plain, text(/^([0-9a-f]{64})?$/)) })),
  wrote: record(ownPath, list(digest)),
  failed: record(
    /^[0-9a-f]{64}$/,
    object<FailedBuild>({ at: time, attempts: whole(1, Number.MAX_SAFE_INTEGER), why: text() }),
  ),
});

/** What an earlier build did not write yet is empty. Throws `state-damaged`, and `state-newer` for what a newer bootstrap wrote. */
export const parseState = (source: string): State =>
  parseVersioned(source, places.state, (cursor) =>
    fields({ ...cursor, value: { ...emptyState, ...(cursor.value as object) } }),
  );
