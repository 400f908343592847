/**
 * What the dynamic loader would not find for a program: the loader itself, libraries, versions of their symbols. Files are
 * only read, in the order of the loader, so it works for another root too.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { type Elf, parseElf } from './elf.ts';
import { type Lacking, lackingVersions, newestLike } from './elf-versions.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { configuredFolders, defaultFolders, isMuslItself, muslFolders } from './libraries.ts';
import { resolveIn } from '../files/root-path.ts';
import { oneLine } from '../../protocol/one-line.ts';

const MAX_OBJECTS = 1024;
/**
 * The limit of file system accesses for one program and its libraries, during which the process does nothing else. A
 * desktop program needs some thousands; one with 500 libraries and 100 folders would take seconds and find nothing.
 */
const MAX_QUESTIONS = 20_000;
/** Names of libraries in a message. */
const MAX_NAMES = 10;

/** A program, and where the loader and its libraries are looked for. */
export type Program = {
  readonly path: string;
  /** Absolute paths of libraries in its artifact. */
  readonly libraries: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `/`, or the root in which the loader and the libraries of the system are looked up. */
  readonly root: string;
  readonly machine: 'amd64' | 'arm64';
};

/** A file that the loader maps: how this process reads it, and what `$ORIGIN` is for it. */
type Loaded = { readonly path: string; readonly elf: Elf; readonly runpath: readonly string[] };

/** The first line of what a program printed, or of a name that a file has. */
export const firstLine = (text: string): string =>
  oneLine(text.split(/[\r\n]+/).find((line) => line.trim() !== '') ?? '', 200);

type Budget = { left: number };

const spendOf = (budget: Budget) => (): void => {
  budget.left -= 1;
  if (budget.left < 0)
    throw new Failure({
      code: 'bad-archive',
      message: 'it names so many libraries and folders that to look for them takes too long',
    });
};

/** Null for a file that is not ELF or not regular; throws errors of the file system, and Failure `bad-archive`. */
export const readElf = (
  path: string,
  spend: () => void = () => undefined,
): { readonly elf: Elf | null; readonly head: string } => {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) return { elf: null, head: '' };
    const read = (offset: number, length: number): Uint8Array => {
      spend();
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
    };
    return { elf: parseElf(read), head: Buffer.from(read(0, 256)).toString('utf8') };
  } finally {
    closeSync(fd);
  }
};

const elfOrUndefined = (path: string, budget: Budget): Elf | undefined => {
  try {
    return readElf(path, spendOf(budget)).elf ?? undefined;
  } catch (error) {
    if (budget.left < 0) throw error;
    return undefined;
  }
};

const isMusl = (elf: Elf): boolean => basename(elf.interpreter ?? '').startsWith('ld-musl-');

type Missing = {
  /** Every name that the loader would not find, breadth first, including the loader itself. */
  readonly names: readonly string[];
  /** Versions of symbols that the libraries which it finds do not have. */
  readonly versions: readonly Lacking[];
};

const missingOf = (check: Program, program: Elf): Missing => {
  const { root, machine } = check;
  const musl = isMusl(program);
  const missing: string[] = [];
  const budget: Budget = { left: MAX_QUESTIONS };
  const resolved = (within: string, path: string) => resolveIn(within, path, spendOf(budget));
  const loader = program.interpreter;
  if (loader !== undefined && resolved(root, loader) === undefined) missing.push(loader);

  const system = musl ? muslFolders(root, machine) : [...configuredFolders(root), ...defaultFolders(machine)];
  const shipped = [
    ...check.libraries.map((path) => dirname(path)),
    ...(check.env?.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder.startsWith('/')),
  ];
  // Like ld.so, skip files of another machine or word size.
  const load = (path: string | undefined): { path: string; elf: Elf } | undefined => {
    const elf = path === undefined ? undefined : elfOrUndefined(path, budget);
    return path !== undefined && elf !== undefined && elf.machine === machine && elf.bits === program.bits
      ? { path, elf }
      : undefined;
  };
  const inside = (path: string): string =>
    root !== '/' && path.startsWith(`${resolve(root)}/`) ? path.slice(resolve(root).length) : path;
  /** `$ORIGIN` of a file in the root is a path in the root; of a file in the artifact, a path of this process. */
  const find = (soname: string, by: Loaded): { path: string; elf: Elf } | undefined => {
    const origin = dirname(by.path);
    if (soname.includes('/')) return load(resolved(root, posix.resolve('/', soname)));
    const tries: (() => string | undefined)[] = [
      ...shipped.map((folder) => () => resolved('/', join(folder, soname))),
      ...by.runpath.map((folder) => () => {
        const full = folder.replace(/\$(?:ORIGIN|\{ORIGIN\})/g, inside(origin));
        if (!full.startsWith('/')) return undefined;
        const isOurs = full !== folder && inside(origin) === origin && root !== '/';
        return resolved(isOurs ? '/' : root, join(full, soname));
      }),
      ...system.map((folder) => () => resolved(root, join(folder, soname))),
    ];
    for (const attempt of tries) {
      const found = load(attempt());
      if (found !== undefined) return found;
    }
    return undefined;
  };

  const asked = new Set<string>();
  const libraries = new Map<string, Elf>();
  const mapped: Elf[] = [];
  const own = loader === undefined ? undefined : load(resolved(root, loader));
  if (loader !== undefined && own) libraries.set(basename(loader), own.elf);
  const first: Loaded = { path: check.path, elf: program, runpath: program.runpath };
  const queue: Loaded[] = [
    first,
    ...check.libraries.flatMap((path) => {
      const elf = elfOrUndefined(path, budget);
      return elf === undefined ? [] : [{ path, elf, runpath: [...elf.runpath, ...program.runpath] }];
    }),
  ];
  for (let next = queue.shift(); next !== undefined && asked.size < MAX_OBJECTS; next = queue.shift()) {
    mapped.push(next.elf);
    for (const soname of next.elf.needed) {
      if (asked.has(soname)) continue;
      asked.add(soname);
      if (musl && isMuslItself(soname)) continue;
      if (loader !== undefined && basename(loader) === soname) continue;
      const found = find(soname, next);
      if (found === undefined) missing.push(soname);
      // Folders of ancestors count too: DT_RPATH is inherited, and too strict a check would refuse a program that runs.
      else {
        queue.push({ ...found, runpath: [...found.elf.runpath, ...next.runpath] });
        libraries.set(soname, found.elf);
      }
    }
  }
  // musl has no versions of symbols.
  return { names: missing, versions: musl ? [] : lackingVersions(mapped, libraries) };
};

/** Throws `missing-library`. */
export const mustFind = (check: Program, program: Elf): void => {
  const { names, versions } = missingOf(check, program);
  const fail = (list: readonly string[], end: string, hint?: string): never => {
    const more = list.length > MAX_NAMES ? ` and ${list.length - MAX_NAMES} more` : '';
    const said = list.slice(0, MAX_NAMES).map(firstLine).join(', ');
    const message = `${basename(check.path)} needs ${said}${more}, which this node does not have${end}`;
    throw new Failure({ code: 'missing-library', message, ...(hint === undefined ? {} : { hint }) });
  };
  if (names.length > 0) fail(names, '');
  const [first] = versions;
  if (!first) return;
  const most = newestLike(first.name, first.defined);
  const newest = most === undefined ? '' : ` (its ${first.file} has ${most} at most)`;
  fail(
    versions.map(({ file, name }) => `${name} of ${file}`),
    firstLine(newest.trim()) === '' ? '' : ` ${firstLine(newest)}`,
    'It was built for a newer system: give the location of a build for an older one, or of a static one (musl); or update the node.',
  );
};
