/**
 * Where the dynamic loader finds a library, in this root or in another one. It follows ld.so(8) and, for
 * programs of musl, its ldso. The cache of ld.so is not used, because it is derived from the files that are read here
 * and is for the root in which it was made.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, matchesGlob, posix } from 'node:path';
import { resolveIn } from '../files/root-path.ts';

const MAX_CONF_FILES = 256;
const MAX_CONF_BYTES = 256 * 1024;

const readText = (root: string, path: string): string => {
  const real = resolveIn(root, path);
  if (real === undefined) return '';
  try {
    // The open of a named pipe in an image would wait for ever.
    if (!statSync(real).isFile()) return '';
    return readFileSync(real, 'utf8').slice(0, MAX_CONF_BYTES);
  } catch {
    return '';
  }
};

/** The files that match the last part of an `include` pattern, sorted; none if the folder is missing. */
const expand = (root: string, pattern: string): readonly string[] => {
  const folder = resolveIn(root, dirname(pattern));
  if (folder === undefined) return [];
  try {
    return readdirSync(folder)
      .filter((name) => matchesGlob(name, basename(pattern)))
      .sort()
      .map((name) => join(dirname(pattern), name));
  } catch {
    return [];
  }
};

/** The folders of /etc/ld.so.conf in its order; includes that include each other end by the count of files. */
export const configuredFolders = (root: string): readonly string[] => {
  const read = new Set<string>();
  const from = (file: string): readonly string[] => {
    if (read.has(file) || read.size >= MAX_CONF_FILES) return [];
    read.add(file);
    return readText(root, file)
      .split('\n')
      .flatMap((raw) => {
        const line = raw.replace(/#.*/, '').trim();
        const include = /^include\s+(?<patterns>.*)$/.exec(line)?.groups?.patterns;
        if (include !== undefined) {
          return include
            .split(/\s+/)
            .flatMap((pattern) => expand(root, posix.resolve(dirname(file), pattern)))
            .flatMap(from);
        }
        if (/^hwcap\s/.test(line)) return [];
        return line
          .split(/[\s:,]+/)
          .map((folder) => folder.replace(/=.*/, ''))
          .filter((folder) => folder.startsWith('/'));
      });
  };
  return from('/etc/ld.so.conf');
};

const TRIPLETS = { amd64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' } as const;
const MUSL_ARCH = { amd64: 'x86_64', arm64: 'aarch64' } as const;

/** The default folders of the loader, for one machine. */
export const defaultFolders = (machine: 'amd64' | 'arm64'): readonly string[] => [
  `/lib/${TRIPLETS[machine]}`,
  `/usr/lib/${TRIPLETS[machine]}`,
  '/lib64',
  '/usr/lib64',
  '/lib',
  '/usr/lib',
];

/** https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c: the path file, or three folders. */
export const muslFolders = (root: string, machine: 'amd64' | 'arm64'): readonly string[] => {
  const listed = readText(root, `/etc/ld-musl-${MUSL_ARCH[machine]}.path`)
    .split(/[\n:]+/)
    .filter((folder) => folder.startsWith('/'));
  return listed.length > 0 ? listed : ['/lib', '/usr/local/lib', '/usr/lib'];
};

/** musl's loader is its libc: these names mean the loader itself, whatever follows the first dot. */
export const isMuslItself = (soname: string): boolean => /^lib(?:c|pthread|rt|m|dl|util|xnet)\./.test(soname);
