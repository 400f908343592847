/** Which entries of an archive are written, by name, and what is said when the choice is not clear. */
import { basename } from 'node:path';
import { Failure } from '../../protocol/problem/problem.ts';
import { isBeside, isProgram } from './kind.ts';
import type { TarEntry, TarVisitor } from './tar.ts';

export type Wanted =
  | { readonly kind: 'named'; readonly names: readonly string[] }
  /**
   * `containerd-shim-<name>`, else the only regular file named `containerd-shim-…`. Signatures, digests and similar files
   * beside it are ignored; of several files, only those with the header of a program count.
   */
  | { readonly kind: 'shim'; readonly name: string };

/** Goes through an archive from its begin to its end, each time that it is called. */
export type Walk = (visitor: TarVisitor) => Promise<void>;

/** Limited to the length of a file name. */
export const anyShim = /^containerd-shim-[A-Za-z0-9._+-]{1,200}$/;

/** A name from an archive for messages: no control characters, not long. */
export const quoted = (name: string): string =>
  JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);

export const wantedNames = (wanted: Wanted): readonly string[] => {
  const names = wanted.kind === 'shim' ? [`containerd-shim-${wanted.name}`] : [...new Set(wanted.names)];
  const wrong = names.find((name) => name === '' || name === '.' || name === '..' || /[/\0]/.test(name));
  if (wrong !== undefined || names.length === 0) {
    const message = `${wrong === undefined ? 'nothing' : quoted(wrong)} cannot be taken out of an artifact`;
    throw new Failure({ code: 'bad-value', message });
  }
  return names;
};

const isUnsafe = (path: string): boolean => path.startsWith('/') || path.split('/').includes('..');

/** What is kept of an entry. */
type Seen = {
  readonly name: string;
  /** Which entry it is, counted from 1. */
  readonly index: number;
  /** Quoted, and cut. */
  readonly path: string;
  readonly type: TarEntry['type'];
  /** Of a link: where it leads, quoted. */
  readonly link?: string;
  readonly unsafe: boolean;
};
/** Candidate entries: the first few, and their number. */
type Few = { readonly first: Seen[]; count: number };

const fewAreEnough = 10;
/** The number of first bytes that identify a program. */
const magicBytes = 4;

const none = (): Few => ({ first: [], count: 0 });

const remember = (few: Few, seen: Seen): void => {
  few.count += 1;
  if (few.first.length < fewAreEnough) few.first.push(seen);
};

export type Contents = {
  /** By wanted name. */
  readonly exact: ReadonlyMap<string, Few>;
  /** Entries with the name of a shim: regular files, those of them that are programs, and neither files nor folders. */
  readonly shims: { readonly files: Few; readonly programs: Few; readonly others: Few };
  /** Whatever is no folder, for a message. */
  readonly there: Few;
};

/** Where the content of an entry goes that may be chosen; `index` as in `Seen`. Called at least once for each. */
export type Keep = (index: number, piece: Buffer) => Promise<void>;

/** One walk: of each list, only the first entry can be chosen (`choose`), so the contents of these are kept, whatever follows. */
export const look = async (
  walk: Walk,
  wanted: Wanted,
  names: readonly string[],
  keep: Keep,
): Promise<Contents> => {
  const exact = new Map(names.map((name) => [name, none()]));
  const shims = { files: none(), programs: none(), others: none() };
  const there = none();
  const at = { index: 0, kept: false, shim: undefined as Seen | undefined, head: Buffer.alloc(0) };
  await walk({
    wants: ({ path, type, link }) => {
      at.index += 1;
      const name = basename(path);
      const few = exact.get(name);
      const isShim = wanted.kind === 'shim' && type !== 'Directory' && anyShim.test(name) && !isBeside(name);
      const seen: Seen = {
        name,
        index: at.index,
        path: quoted(path),
        type,
        ...(link === undefined ? {} : { link: quoted(link) }),
        unsafe: isUnsafe(path),
      };
      if (type !== 'Directory') remember(there, seen);
      if (few) remember(few, seen);
      if (isShim) remember(type === 'File' ? shims.files : shims.others, seen);
      if (type !== 'File') return false;
      at.kept = few?.first[0] === seen || shims.files.first[0] === seen;
      at.shim = isShim ? seen : undefined;
      at.head = Buffer.alloc(0);
      return at.kept || isShim;
    },
    data: async (_entry, piece) => {
      const before = at.head;
      if (at.shim && before.length < magicBytes) {
        at.head = Buffer.concat([before, piece.subarray(0, magicBytes - before.length)]);
        if (at.head.length === magicBytes && isProgram(at.head)) {
          remember(shims.programs, at.shim);
          if (!at.kept && shims.programs.first[0] === at.shim) {
            at.kept = true;
            await keep(at.index, before);
          }
        }
      }
      if (at.kept) await keep(at.index, piece);
    },
  });
  return { exact, shims, there };
};

const bad = (message: string, hint?: string): Failure =>
  new Failure({ code: 'bad-archive', message, ...(hint === undefined ? {} : { hint }) });

const listOf = ({ first, count }: Few): string => {
  const rest = count > first.length ? ` and ${count - first.length} more` : '';
  return count === 0 ? 'nothing' : `${first.map(({ path }) => path).join(', ')}${rest}`;
};

/** Which entries to write; throws if the choice is ambiguous. */
export const choose = (wanted: Wanted, names: readonly string[], contents: Contents): readonly Seen[] => {
  const { exact, shims, there } = contents;
  // An archive often has its files in a folder of the same name, and links to them, so folders and links are no candidates;
  // if there is no other entry, the message names the link.
  const files = shims.files.count > 1 && shims.programs.count > 0 ? shims.programs : shims.files;
  const others = files.count > 0 ? files : shims.others;
  const only = others.first[0];
  const hasNone = wanted.kind === 'shim' && names.every((name) => (exact.get(name)?.count ?? 0) === 0);
  if (hasNone && others.count > 1) {
    throw bad(`the archive has no ${quoted(names[0] ?? '')} but several shims: ${listOf(others)}`);
  }
  const pools =
    hasNone && only
      ? [{ name: only.name, few: others }]
      : names.map((name) => ({ name, few: exact.get(name) }));
  return pools.map(({ name, few }) => {
    const seen = few?.first[0];
    if (few === undefined || seen === undefined) {
      throw bad(`the archive has no ${quoted(name)}; it holds ${listOf(there)}`);
    }
    if (few.count > 1)
      throw bad(
        `the archive has ${quoted(name)} ${few.count} times: ${listOf(few)}`,
        'Publish one that has it once.',
      );
    if (seen.type !== 'File') {
      const target = seen.link === undefined ? '' : ` to ${seen.link}`;
      const hint = 'Publish the file itself under that name: "tar -h" follows links when it packs.';
      throw bad(`${seen.path} is not a regular file in the archive but ${seen.type}${target}`, hint);
    }
    if (seen.unsafe) throw bad(`${seen.path} has a path that leads out of the archive`);
    return seen;
  });
};
