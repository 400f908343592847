/**
 * The folder of a mirror: `https/HOST/PATH`, `http/HOST/PATH`, and `oci/HOST/REPOSITORY/` with manifests and blobs as the API of a
 * registry has them. So `[[mirrors]]` finds everything by a prefix, on the node's disk or on a web server.
 */
import { chmod } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { makeFiles } from '../../host/files/files.ts';
import { placesFor } from '../../host/http/download.ts';
import { digestOf } from '../../protocol/digest.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { lockName, type LockFile, parseLock, printLock } from './lock-file.ts';

/** The prefixes of what lies in such a folder, with their part of it. */
export const prefixes = [
  ['https://', 'https'],
  ['http://', 'http'],
  ['oci://', 'oci'],
] as const;

export type Folder = {
  readonly root: string;
  /** Where a file of this address lies, below the folder. Throws `bad-value` for one that has no place there. */
  readonly pathOf: (location: string) => string;
  readonly digest: (path: string) => Promise<string | null>;
  /** Zero for what is not there. */
  readonly size: (path: string) => Promise<number>;
  /** Complete, or not there: `bring` writes into a file beside it. */
  readonly put: (path: string, bring: (into: string) => Promise<unknown>) => Promise<void>;
  readonly write: (path: string, text: string) => Promise<void>;
  readonly readLock: () => Promise<LockFile>;
  readonly writeLock: (lock: LockFile) => Promise<void>;
};

/** `incoming` false: nothing but the lock file is written. */
export const openFolder = async (root: string, { incoming: writes = true } = {}): Promise<Folder> => {
  const files = makeFiles('/');
  const mirrors = prefixes.map(([prefix, part]) => ({
    prefix,
    replace: pathToFileURL(join(root, part)).href,
  }));
  const incoming = join(root, '.rcm-node-mirror.incoming');
  // What an interrupted run left is no whole file. The folder may be in use by others: so the names are of this program alone.
  if (writes) {
    await files.removeTree(incoming);
    await files.makeFolder(incoming);
  }
  const lockPath = join(root, lockName);
  const at = (path: string): string => join(root, path);
  const makeWay = async (path: string): Promise<void> => {
    // The mode of one that is there is for its owner to say.
    if (!(await files.isFolder(dirname(at(path))))) await files.makeFolder(dirname(at(path)));
  };
  return {
    root,
    pathOf: (location) => {
      const [place = ''] = placesFor(location, mirrors);
      try {
        const path = relative(root, fileURLToPath(place));
        if (place.startsWith('file:') && !path.startsWith('..')) return path;
      } catch {
        // An encoded slash, say.
      }
      throw new Failure({ code: 'bad-value', message: 'a location has no place in a folder' });
    },
    digest: (path) => files.digest(at(path)).catch(() => null),
    size: async (path) => (await files.stat(at(path)))?.bytes ?? 0,
    put: async (path, bring) => {
      const into = join(incoming, digestOf(path).slice(0, 32));
      await makeWay(path);
      await bring(into);
      // A web server of another user may serve it: nothing in it is secret.
      await chmod(into, 0o644);
      await files.move(into, at(path));
    },
    write: async (path, text) => {
      await makeWay(path);
      await files.put(at(path), text, 0o644);
    },
    readLock: async () => {
      const fact = await files.look(lockPath);
      return fact.kind === 'regular' ? parseLock(fact.text, lockPath) : {};
    },
    writeLock: (lock) => files.put(lockPath, printLock(lock), 0o644),
  };
};
