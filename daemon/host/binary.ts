/**
 * Can this program run on this node? First by reading it (machine, loader, libraries, as the loader would look for
 * them), which also works for another root; then by running it, which is what proves it.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { type Elf, parseElf } from '../model/elf.ts';
import { detailOf, Failure } from '../model/problem.ts';
import { configuredFolders, defaultFolders, isMuslItself, muslFolders, resolveIn } from './libraries.ts';
import type { RunResult, Tools } from './tools.ts';

export type BinaryCheck = {
  readonly path: string;
  /** Absolute paths of libraries that came with it. */
  readonly libraries: readonly string[];
  /** Arguments that make it print its version and end, like `-v`. */
  readonly probe: readonly string[];
  /** False when another root is prepared, whose programs need not run here. */
  readonly run: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** `/`, or the root in which the loader and the libraries of the system are looked up. */
  readonly root: string;
  readonly machine: 'amd64' | 'arm64';
};

const PROBE_DEADLINE_MS = 10_000;
/** What a program prints of its version and its usage; more is no answer. */
const PROBE_OUTPUT_BYTES = 64 * 1024;
const MAX_OBJECTS = 1024;
/**
 * Questions to the file system for one program and its libraries: a moment in which nothing else is done. A program of a
 * whole desktop takes some thousands; one that names 500 libraries and 100 folders would take seconds and find nothing.
 */
const MAX_QUESTIONS = 20_000;
/** Names of libraries in a message. */
const MAX_NAMES = 10;

/** A file that the loader maps: how this process reads it, and what `$ORIGIN` is for it. */
type Loaded = { readonly path: string; readonly elf: Elf; readonly runpath: readonly string[] };

/** Text of a stranger for one line of a message or a status. */
const oneLine = (text: string): string =>
  (text.split(/[\r\n]+/).find((line) => line.trim() !== '') ?? '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to go
    .replace(/\x1b\[[0-9;]*[A-Za-z]|[\u0000-\u001f\u007f-\u009f]/g, '')
    .trim()
    .slice(0, 200);

type Budget = { left: number };

const spendOf = (budget: Budget) => (): void => {
  budget.left -= 1;
  if (budget.left < 0)
    throw new Failure({
      code: 'bad-archive',
      message: 'it names so many libraries and folders that to look for them takes too long',
    });
};

/** Null for what is not ELF or is no regular file; throws what the file system says, and Failure `bad-archive`. */
const readElf = (
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

/** Every name that the loader would ask for in vain, breadth first, the loader itself included. */
const missingOf = (check: BinaryCheck, program: Elf): readonly string[] => {
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
  // ld.so passes over files of another machine or word size and looks on, and so does this.
  const load = (path: string | undefined): { path: string; elf: Elf } | undefined => {
    const elf = path === undefined ? undefined : elfOrUndefined(path, budget);
    return path !== undefined && elf !== undefined && elf.machine === machine && elf.bits === program.bits
      ? { path, elf }
      : undefined;
  };
  const inside = (path: string): string =>
    root !== '/' && path.startsWith(`${resolve(root)}/`) ? path.slice(resolve(root).length) : path;
  /** `$ORIGIN` of what lies in the root is a path of the root; of what was shipped, one of this process. */
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
  const first: Loaded = { path: check.path, elf: program, runpath: program.runpath };
  const queue: Loaded[] = [
    first,
    ...check.libraries.flatMap((path) => {
      const elf = elfOrUndefined(path, budget);
      return elf === undefined ? [] : [{ path, elf, runpath: [...elf.runpath, ...program.runpath] }];
    }),
  ];
  for (let next = queue.shift(); next !== undefined && asked.size < MAX_OBJECTS; next = queue.shift()) {
    for (const soname of next.elf.needed) {
      if (asked.has(soname)) continue;
      asked.add(soname);
      if (musl && isMuslItself(soname)) continue;
      if (loader !== undefined && basename(loader) === soname) continue;
      const found = find(soname, next);
      if (found === undefined) missing.push(soname);
      // A folder of an ancestor counts too: DT_RPATH is inherited, and to ask for too much would refuse what runs.
      else queue.push({ ...found, runpath: [...found.elf.runpath, ...next.runpath] });
    }
  }
  return missing;
};

const checkElf = (check: BinaryCheck, path: string): Elf | null => {
  const { elf } = readElf(path);
  if (elf === null) return null;
  if (elf.machine === check.machine && elf.bits === 64) return elf;
  const built = elf.bits === 64 ? elf.machine : `${elf.bits} bits of ${elf.machine}`;
  const message = `${basename(path)} is built for ${built}, this node is ${check.machine}`;
  throw new Failure({ code: 'wrong-machine', message, where: { file: path } });
};

/** The interpreter of `#!`, for a message: ENOENT of a script is nearly always about that. */
const interpreterOf = (path: string): string | undefined => {
  const { elf, head } = readElf(path);
  return elf?.interpreter ?? /^#!\s*(?<program>\S+)/.exec(head)?.groups?.program;
};

const whyNotStarted = (path: string, errno: string): string => {
  if (errno === 'ENOENT') {
    return `its interpreter ${interpreterOf(path) ?? ''} is not on this node`.replace('  ', ' ');
  }
  if (errno === 'EACCES') return 'it may not be executed (EACCES): a noexec mount, or SELinux';
  return `it cannot be started: ${errno}`;
};

const judgeRun = (path: string, result: RunResult): string => {
  const fail = (why: string, stderr = ''): never => {
    const message = `${basename(path)} does not run: ${why}`;
    const detail = detailOf({ detail: oneLine(stderr) });
    throw new Failure({ code: 'will-not-run', message, ...detail, where: { file: path } });
  };
  if (result.kind === 'not-started') return fail(whyNotStarted(path, result.errno));
  if (result.timedOut) return fail('it did not end in time', result.stderr);
  if (result.signal !== null) return fail(`it was ended by ${result.signal}`, result.stderr);
  if (result.code !== 0) return fail(`it exited with ${result.code}`, result.stderr);
  return oneLine(result.stdout) || oneLine(result.stderr);
};

/**
 * Throws Failure `wrong-machine`, `missing-library` (with the first names), `will-not-run` (with the first line of what
 * the program said) or `bad-archive` (a damaged file). `version` is the first line it printed, at most 200
 * characters without control characters; empty when it was not run or said nothing.
 */
export const checkBinary = async (
  check: BinaryCheck,
  tools: Tools,
): Promise<{ readonly version: string }> => {
  try {
    for (const library of check.libraries) checkElf(check, library);
    const elf = checkElf(check, check.path);
    const missing = elf === null ? [] : missingOf(check, elf);
    if (missing.length > 0) {
      const more = missing.length > MAX_NAMES ? ` and ${missing.length - MAX_NAMES} more` : '';
      const names = missing.slice(0, MAX_NAMES).map(oneLine).join(', ');
      const message = `${basename(check.path)} needs ${names}${more}, which this node does not have`;
      throw new Failure({ code: 'missing-library', message, where: { file: check.path } });
    }
    if (elf === null && !readElf(check.path).head.startsWith('#!')) {
      const message = `${basename(check.path)} is neither a program nor a script`;
      throw new Failure({ code: 'will-not-run', message, where: { file: check.path } });
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    const message = `${basename(check.path)} cannot be read: ${error instanceof Error ? error.message : error}`;
    throw new Failure({ code: 'will-not-run', message, where: { file: check.path } }, error);
  }
  if (!check.run) return { version: '' };
  const result = await tools.run([check.path, ...check.probe], {
    deadlineMs: PROBE_DEADLINE_MS,
    maxOutputBytes: PROBE_OUTPUT_BYTES,
    ...(check.env === undefined ? {} : { env: check.env }),
  });
  return { version: judgeRun(check.path, result) };
};
