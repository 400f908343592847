/**
 * What rcm-node did to this host, as evidence: only what stands here, unchanged since, is ours to change or remove.
 * Kept in /var/lib/rcm-node/ledger.json. model/journal.ts has the plan that is being carried out.
 */
import { binaryName, type Handler } from './desired.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import {
  digest,
  isPath,
  list,
  nullable,
  object,
  one,
  optional,
  parseVersioned,
  path,
  type Read,
  record,
  text,
  time,
  whole,
} from './schema.ts';
import { fail, required, table } from '../toml/cursor.ts';
import type { FailedStart, KeptStart } from './start.ts';
import { fileName, label } from '../../protocol/names.ts';
import { failedStart, keptStart, revision, short, storedHandler, storedProblem } from './stored.ts';

export type Installed = {
  readonly handler: Handler;
  readonly key: string;
  readonly sha256: string;
  /** The stable path that the configuration names. */
  readonly path: string;
};

/** `created`: the whole file is ours. `edited`: only the marked block or the import in it is. */
export type OwnedFile = {
  readonly kind: 'created' | 'edited';
  /** sha256 of the file as we left it. */
  readonly digest: string;
  /** sha256 of the file as we found it; absent when there was none. */
  readonly found?: string;
  /** What the splice needs to know to take itself out again, byte for byte. */
  readonly edit?: { readonly kind: 'present' | 'element' | 'line' };
};

export type Ledger = {
  readonly version: 1;
  readonly handlers: Readonly<Record<string, Installed>>;
  readonly files: Readonly<Record<string, OwnedFile>>;
  /** Folders that were not there before, deepest last. */
  readonly folders: readonly string[];
  /** Which configuration the runtime's invocation is known to have loaded and proven. */
  readonly loaded: { readonly invocation: string; readonly config: string } | null;
  readonly bad: {
    readonly revision: string;
    readonly problem: Problem;
    readonly at: number;
    /** By Shim, the revision that was taken up with it: it failed here, whatever else is asked for meanwhile. */
    readonly tried?: Readonly<Record<string, string>>;
    /** When the local files that asked for it were last written, epoch milliseconds: one that is touched asks anew. */
    readonly stamps?: Readonly<Record<string, number>>;
  } | null;
  /** By handler, whether a sandbox started with it; of what is missing here none was tried. */
  readonly starts: Readonly<Record<string, KeptStart>>;
  /** By handler, as what it failed the proof of a sandbox: it is left out, and the rest of what is asked for goes on. */
  readonly failedStarts: Readonly<Record<string, FailedStart>>;
  /** Restarts that we asked for, epoch milliseconds. */
  readonly restarts: readonly number[];
  /** Times at which a file of ours was put right after someone else changed it, by path. */
  readonly repairs: Readonly<Record<string, readonly number[]>>;
  /** Digests trusted on first use, by URL. */
  readonly trusted: Readonly<Record<string, string>>;
  /** Store folders out of service, with the sandboxes that may still depend on them (null: not yet looked). */
  readonly retired: Readonly<
    Record<string, { readonly handler: string; readonly sandboxes: readonly string[] | null }>
  >;
  /** Artifacts that could not be had, by handler: when and how often it was tried. */
  readonly attempts: Readonly<
    Record<
      string,
      { readonly artifact: string; readonly count: number; readonly at: number; readonly problem: Problem }
    >
  >;
};

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

const installed: Read<Installed> = (cursor) => {
  const read = object<Installed>({ handler: storedHandler, key: digest, sha256: digest, path })(cursor);
  const { handler } = read;
  if (read.path !== `/opt/rcm-node/shims/${handler.name}/${binaryName(handler)}`)
    fail(cursor, `the path of "${handler.name}" is not where its link belongs`);
  return read;
};

const owned: Read<OwnedFile> = object<OwnedFile>({
  kind: one('created', 'edited'),
  digest,
  found: optional(digest),
  edit: optional(object({ kind: one('present', 'element', 'line') })),
});

const isDigest = /^[0-9a-f]{64}$/;
const isUrl = /^https?:|^file:/;

const fields: Read<Ledger> = object<Ledger>({
  version: one(1),
  handlers: record(label, installed),
  files: record(isPath, owned),
  folders: list(path),
  loaded: nullable(object({ invocation: text(/^[0-9a-f]{0,64}$/), config: text(/^(none|[0-9a-f]{64})$/) })),
  bad: nullable(
    object<NonNullable<Ledger['bad']>>({
      revision: digest,
      problem: storedProblem,
      at: time,
      tried: optional(record(fileName, revision)),
      stamps: optional(record(isPath, time)),
    }),
  ),
  starts: record(label, keptStart),
  failedStarts: record(label, failedStart),
  restarts: list(time),
  repairs: record(isPath, list(time)),
  trusted: record(isUrl, digest, true),
  retired: record(isDigest, object({ handler: short, sandboxes: nullable(list(short)) })),
  attempts: record(
    label,
    object({ artifact: text(), count: whole(1, Number.MAX_SAFE_INTEGER), at: time, problem: storedProblem }),
  ),
});

/** What an earlier build of this version did not write yet is empty. */
export const storedLedger: Read<Ledger> = (cursor) => {
  const { value } = required(cursor, table(cursor, []));
  const ledger = fields({ ...cursor, value: { ...emptyLedger, ...(value as object) } });
  for (const [name, { handler }] of Object.entries(ledger.handlers))
    if (handler.name !== name) fail(cursor, `the handler "${name}" stands under the name of another`);
  return ledger;
};

/** Options may hold 64-bit integers, which JSON cannot: they travel as `{"$int":"…"}`. */
export const reviveIntegers = (_key: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !('$int' in value)) return value;
  return typeof value.$int === 'string' && Object.keys(value).length === 1 ? BigInt(value.$int) : value;
};

const replace = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? { $int: value.toString() } : value;

export const printState = (value: { readonly version: 1 }): string =>
  `${JSON.stringify(value, replace, 1)}\n`;

/** Throws `state-damaged` or `state-newer`. */
export const parseLedger = (source: string, file: string): Ledger =>
  parseVersioned(source, file, storedLedger, reviveIntegers);
