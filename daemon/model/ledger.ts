/**
 * What rcm-node did to this host, as evidence: it changes or removes only what is listed here and unchanged since.
 * Kept in /var/lib/rcm-node/ledger.json. model/journal.ts has the plan that is being carried out.
 */
import { oncePerText } from '../toml/once-per-text.ts';
import * as s from './schema.ts';
import { fail, required, table } from '../toml/cursor.ts';
import { fileName, label } from '../../protocol/names.ts';
import { storedTakeover } from './takeover.ts';
import {
  failedStart,
  keptStart,
  revision,
  short,
  storedHandler,
  storedPrepared,
  storedProblem,
} from './stored.ts';
import { folderOf, paths } from '../../protocol/host-paths.ts';

const installedFields = s.object({
  handler: storedHandler,
  key: s.digest,
  sha256: s.digest,
  /** The stable path that the configuration names. */
  path: s.path,
});

export type Installed = s.Infer<typeof installedFields>;

/** The program may have another file name in the store: a handler that was prepared keeps the path of its table. */
const linked =
  <T extends Pick<Installed, 'path'> & { readonly handler: Pick<Installed['handler'], 'name'> }>(
    read: s.Read<T>,
  ): s.Read<T> =>
  (cursor) => {
    const one = read(cursor);
    const { name } = one.handler;
    if (folderOf(one.path) !== `${paths.links}/${name}`)
      fail(cursor, `the path of "${name}" is not where its link belongs`);
    return one;
  };

const placed = s.object({ handler: storedPrepared, path: s.path });

/** A handler that was prepared: its table, and where its link belongs. */
export type Placed = s.Infer<typeof placed>;

const owned = s.object({
  /** `created`: rcm-node wrote the whole file. `edited`: only the marked block or the import in it. */
  kind: s.one('created', 'edited'),
  /** sha256 of the file as we left it. */
  digest: s.digest,
  /** sha256 of the file as we found it; absent when there was none. */
  found: s.optional(s.digest),
  /** What is needed to remove the edit again, byte for byte. */
  edit: s.optional(s.object({ kind: s.one('present', 'element', 'line') })),
});

export type OwnedFile = s.Infer<typeof owned>;

const isDigest = /^[0-9a-f]{64}$/;
const isUrl = /^https?:|^file:|^oci:/;

const fields = s.object({
  version: s.one(1),
  handlers: s.record(label, linked(installedFields)),
  files: s.record(s.isPath, owned),
  /** Folders that were not there before, deepest last. */
  folders: s.list(s.path),
  /** Which configuration the runtime's invocation is known to have loaded and proven. */
  loaded: s.nullable(
    s.object({
      invocation: s.text(/^[0-9a-f]{0,64}$/),
      config: s.text(/^(none|[0-9a-f]{64})$/),
      /**
       * Prepared handlers that this invocation has not loaded as they were prepared, and what others named in our text; `config` is
       * without them.
       */
      lost: s.optional(s.list(s.text())),
    }),
  ),
  bad: s.nullable(
    s.object({
      revision: s.digest,
      problem: storedProblem,
      at: s.time,
      /** By Shim, the revision in the failed plan: it has failed here, whatever the Shim asks for now. */
      tried: s.optional(s.record(fileName, revision)),
      /** When its local files were last written, epoch milliseconds: a touched file is a new request. */
      stamps: s.optional(s.record(s.isPath, s.time)),
    }),
  ),
  /** By handler, whether a sandbox started with it; for a handler that is not listed none was tried. */
  starts: s.record(label, keptStart),
  /** By handler, the artifact and table with which no sandbox started: this handler is left out, the others are applied. */
  failedStarts: s.record(label, failedStart),
  /** Restarts that we asked for, epoch milliseconds. */
  restarts: s.list(s.time),
  /** Times at which a file of ours was repaired after another program changed it, by path. */
  repairs: s.record(s.isPath, s.list(s.time)),
  /** Digests trusted on first use, by URL. */
  trusted: s.record(isUrl, s.digest, true),
  /** Store folders out of service, with the sandboxes that may still depend on them (null: not yet looked). */
  retired: s.record(isDigest, s.object({ handler: short, sandboxes: s.nullable(s.list(short)) })),
  /** Artifacts that could not be fetched, by handler: when and how often it was tried. */
  attempts: s.record(
    label,
    s.object({
      artifact: s.text(),
      count: s.whole(1, Number.MAX_SAFE_INTEGER),
      at: s.time,
      problem: storedProblem,
    }),
  ),
  /**
   * By handler, the tables that stand in the configuration without a shim that asks for them, or did when one came: their links keep
   * their paths. An older version drops it, and takes these tables out.
   */
  prepared: s.optional(s.record(label, linked(placed))),
  /** Absent unless a person asked for it on this node. An older version drops it, and so takes over nothing. */
  takeover: s.optional(storedTakeover),
});

export type Ledger = s.Infer<typeof fields>;

export const emptyLedger: Ledger = {
  version: 1,
  handlers: {},
  files: {},
  folders: [],
  loaded: null,
  bad: null,
  starts: {},
  failedStarts: {},
  restarts: [],
  repairs: {},
  trusted: {},
  retired: {},
  attempts: {},
};

/** A field that an earlier build of this version did not write is empty. */
export const storedLedger: s.Read<Ledger> = (cursor) => {
  const { value } = required(cursor, table(cursor, []));
  const ledger = fields({ ...cursor, value: { ...emptyLedger, ...(value as object) } });
  for (const [name, { handler }] of Object.entries({ ...ledger.prepared, ...ledger.handlers }))
    if (handler.name !== name) fail(cursor, `the handler "${name}" stands under the name of another`);
  return ledger;
};

export const printState: (value: { readonly version: 1 }) => string = s.printVersioned;

const ledgerIn = oncePerText<Ledger>();

/** Throws `state-damaged` or `state-newer`. */
export const parseLedger = (source: string, file: string): Ledger =>
  ledgerIn(source, () => s.parseVersioned(source, file, storedLedger, s.reviveIntegers));
