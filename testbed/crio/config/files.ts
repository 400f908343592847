/**
 * Files as CRI-O sees them, below a folder that stands for `/`: links lead to where they would on such a host. Errors are
 * in the words of Go. With the root `/` it is the host itself.
 */
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { join, posix } from 'node:path';

/** Like Go's PathError; `missing` is what `os.IsNotExist` says of it. */
export class PathError extends Error {
  override readonly name = 'PathError';
  readonly missing: boolean;
  constructor(what: string, path: string, code: string) {
    super(`${what} ${path}: ${words[code] ?? code}`);
    this.missing = code === 'ENOENT';
  }
}

const words: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EISDIR: 'is a directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  ELOOP: 'too many levels of symbolic links',
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'EIO';

export type Files = {
  /** The path on this machine, all links followed; throws what Node throws when there is no such file. */
  readonly real: (path: string) => string;
  readonly stat: (path: string) => Stats;
  readonly read: (path: string) => Buffer;
  /** All files below a folder by name, a folder at the place of its name; links are not followed. */
  readonly walk: (path: string) => readonly string[];
  /** In the folders of PATH, as a path below the root. */
  readonly lookPath: (name: string) => string;
};

const asked = <Answer>(what: string, path: string, ask: () => Answer): Answer => {
  try {
    return ask();
  } catch (error) {
    throw new PathError(what, path, codeOf(error));
  }
};

const byteOrder = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export const filesBelow = (
  root: string,
  path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
): Files => {
  const real = (given: string, depth = 0): string => {
    if (depth > 40) throw Object.assign(new Error(given), { code: 'ELOOP' });
    // CRI-O's working directory is `/`.
    let at = '/';
    const parts = given.split('/').filter((part) => part !== '' && part !== '.');
    for (const [index, part] of parts.entries()) {
      at = posix.join(at, part);
      const found = lstatSync(join(root, at));
      if (!found.isSymbolicLink()) continue;
      const target = posix.resolve(posix.dirname(at), readlinkSync(join(root, at)));
      return real(posix.join(target, ...parts.slice(index + 1)), depth + 1);
    }
    return join(root, at);
  };
  const stat = (given: string): Stats => asked('stat', given, () => lstatSync(real(given)));

  const walk = (given: string): readonly string[] => {
    // The folder itself may not be a link: it is then read as a file.
    const own = asked('lstat', given, () =>
      lstatSync(join(real(posix.dirname(given)), posix.basename(given))),
    );
    if (!own.isDirectory()) return [given];
    const names = asked('open', given, () => readdirSync(real(given)));
    return names.sort(byteOrder).flatMap((name) => walk(posix.join(given, name)));
  };

  const isExecutable = (given: string): boolean => {
    try {
      accessSync(real(given), constants.X_OK);
      return stat(given).isFile();
    } catch {
      return false;
    }
  };

  return {
    real: (given) => real(given),
    stat,
    read: (given) => {
      const own = asked('open', given, () => real(given));
      return asked('read', given, () => readFileSync(own));
    },
    walk,
    lookPath: (name) => {
      const found = path
        .split(':')
        .map((folder) => posix.join(folder, name))
        .find(isExecutable);
      if (found === undefined) throw new Error(`exec: "${name}": executable file not found in $PATH`);
      return found;
    },
  };
};
