/**
 * What bootstrap remembers on a node, in one file beside the versions it placed. A damaged file is set aside:
 * the files on the disk then tell the rest, and a file without proof that bootstrap wrote it stays.
 */
import * as s from '../daemon/model/schema.ts';
import { digestOf } from '../protocol/digest.ts';

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

export const printState = (state: State): string => s.printVersioned(state);

/** The name of a folder below `versions`, or of a file in one: whole folders are removed by it. */
const plain = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,254}$/;
/** Only the unit and the settings are written outside of `versions`. */
const ownPath = /^\/etc\/(systemd\/system|rcm-node|rcm-node\/shims\.d)\/[A-Za-z0-9][A-Za-z0-9._-]*$/;
const folder = s.text(plain);
/** Name to sha256, of everything in the folder of a version. A file that could not be read has no digest. */
const digests = s.record(plain, s.text(/^([0-9a-f]{64})?$/));
const build = s.object({ version: s.text(), files: digests });

export type Digests = s.Infer<typeof digests>;
export type Build = s.Infer<typeof build>;

const fields = s.object({
  version: s.one(1),
  /** The folder below `versions` that was the last to come up. */
  good: s.nullable(folder),
  /** The one before it, kept for a manual rollback. */
  former: s.nullable(folder),
  /**
   * A folder that the link may lead to already and that has not come up yet. `from`: the service's invocation, read after
   * the link was switched and before the restart was asked for; any other one seen later runs what the link leads to.
   */
  trying: s.nullable(s.object({ folder, from: s.nullable(s.text(/^[0-9A-Za-z-]{0,64}$/)) })),
  /** By folder, its expected files. */
  builds: s.record(plain, build),
  /** Path to the digests of what bootstrap wrote there, outside of `versions`, or was about to. */
  wrote: s.record(ownPath, s.list(s.digest)),
  /** By `idOf` the build that did not start on this node. */
  failed: s.record(
    /^[0-9a-f]{64}$/,
    s.object({ at: s.time, attempts: s.whole(1, Number.MAX_SAFE_INTEGER), why: s.text() }),
  ),
});

export type State = s.Infer<typeof fields>;

export const emptyState: State = {
  version: 1,
  good: null,
  former: null,
  trying: null,
  builds: {},
  wrote: {},
  failed: {},
};

/** Identifies a build by all its files. */
export const idOf = (files: Digests): string =>
  digestOf(
    Object.keys(files)
      .sort()
      .map((name) => `${files[name]}  ${name}\n`)
      .join(''),
  );

/** A field that an earlier build did not write is empty. Throws `state-damaged`, or `state-newer` for a newer file. */
export const parseState = (source: string): State =>
  s.parseVersioned(source, places.state, (cursor) =>
    fields({ ...cursor, value: { ...emptyState, ...(cursor.value as object) } }),
  );
