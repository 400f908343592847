/**
 * What a person on this node allowed `rcm-node takeover --apply` to replace and to remove, in the ledger: so a takeover that was
 * killed, or that waits, goes on. Each entry is evidence of one thing as it was found; what changed since is left alone.
 */
import { recover } from '../../protocol/problem/problem.ts';
import { rootOf } from '../toml/cursor.ts';
import * as s from './schema.ts';
import { short } from './stored.ts';

const table = s.object({
  file: s.path,
  handler: short,
  /** The predecessor, for people. */
  from: short,
  /** sha256 of its bytes. */
  digest: s.digest,
});

/** Of the folders of a predecessor, and of those where it makes links to them. */
const own = /^(\/opt\/(rcm|kwasm)|\/var\/snap\/microk8s\/common\/kwasm)\/((bin|lib)\/)?[\w.+-]+$/;
const beside = /^\/(usr\/(local\/)?)?(bin|lib|lib64)\/(containerd-shim-|libwasm)[\w.+-]+$/;
const at =
  (fits: RegExp): s.Read<string> =>
  (cursor) =>
    s.text(fits)({ ...cursor, value: s.path(cursor) });

/** A file or link that a predecessor left, which goes when nothing uses it. */
export type Remnant =
  /** `is`: its size and when it was last written. `handler`: a program that no process need map while a Pod uses this handler. */
  | { readonly kind: 'program'; readonly path: string; readonly is: string; readonly handler?: string }
  /** For its programs: none of them maps it before it runs. */
  | { readonly kind: 'library'; readonly path: string; readonly is: string }
  | { readonly kind: 'record'; readonly path: string; readonly is: string }
  /** `is`: where it leads. */
  | { readonly kind: 'link'; readonly path: string; readonly is: string };

export const storedRemnant: s.Read<Remnant> = s.variant<Remnant, 'kind'>('kind', {
  program: { kind: s.one('program'), path: at(own), is: short, handler: s.optional(short) },
  library: { kind: s.one('library'), path: at(own), is: short },
  record: { kind: s.one('record'), path: at(own), is: short },
  link: { kind: s.one('link'), path: at(beside), is: at(own) },
});

/** Otherwise the ledger with it in it could not be read again. */
export const isStorable = (remnant: Remnant): boolean =>
  recover(
    () => storedRemnant(rootOf(remnant, '')) !== undefined,
    () => false,
  );

const fields = s.object({
  tables: s.list(table),
  /** Tables of handlers that are not asked for go, too, unless a Pod uses them. */
  unused: s.flag,
  remnants: s.list(storedRemnant),
  /** Digests of tables whose takeover failed its proof: only a person allows them again. */
  failed: s.optional(s.list(s.digest)),
  /** Tables that were taken out. An uninstall does not bring them back, and says so. */
  done: s.list(s.object({ file: s.path, handler: short, from: short })),
});
export type Takeover = s.Infer<typeof fields>;

export const storedTakeover: s.Read<Takeover> = fields;
