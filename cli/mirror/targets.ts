/** Where a mirror puts things: a folder, or a registry. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { makeFiles } from '../../host/files/files.ts';
import { acquireLock } from '../../host/files/lock.ts';
import { openPush, type Pusher } from '../../host/registry/push.ts';
import { printUrl } from '../../protocol/problem/mask.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { type Folder, openFolder, prefixes } from './folder.ts';
import { type Entry, lockName } from './lock-file.ts';
import type { Needed } from './needed.ts';
import { mirrorsOf, placeIn, pushEntry } from './push.ts';
import { copyOne, credentialFor, endpointFor, optionsOf, type Sources } from './sources.ts';

export type Mirror = { readonly prefix: string; readonly replace: string };

export type Target = Pick<Folder, 'readLock' | 'writeLock'> & {
  /** As a person names it, and the lock file. */
  readonly at: string;
  readonly lock: string;
  /** Throws for locations that cannot lie there beside each other. */
  readonly check: (all: readonly Needed[]) => void;
  readonly isComplete: (needed: Needed, entry: Entry) => Promise<boolean>;
  /** Returns when all of it is there. */
  readonly take: (needed: Needed, known: Entry | undefined) => Promise<Entry>;
  /** What config.toml of a node says of each of `prefixes`. */
  readonly mirrors: readonly Mirror[];
  readonly close: () => Promise<void>;
};

/** Two addresses may differ in their query alone, which has no place in the name of a file. */
const mustBeApart = (folder: Folder, all: readonly Needed[]): void => {
  const seen = new Map<string, string>();
  for (const { location } of all.filter((one) => /^https?:/.test(one.location))) {
    const path = folder.pathOf(location);
    const other = seen.get(path);
    if (other !== undefined)
      throw new Failure({
        code: 'bad-value',
        message: `${printUrl(location)} and ${printUrl(other)} would be one file in a mirror`,
      });
    seen.set(path, location);
  }
};

const locked = async (root: string): Promise<() => Promise<void>> => {
  const files = makeFiles('/');
  // The mode of one that is there is for its owner to say.
  if (!(await files.isFolder(root))) await files.makeFolder(root);
  const { release } = await acquireLock(join(root, '.rcm-node-mirror.lock'), { waitMs: 0 });
  return release;
};

const toFolder = async (sources: Sources, to: string): Promise<Target> => {
  const root = resolve(to);
  const close = await locked(root);
  const folder = await openFolder(root);
  return {
    at: root,
    lock: join(root, lockName),
    ...folder,
    check: (all) => mustBeApart(folder, all),
    isComplete: async (_needed, { files }) => {
      for (const [path, sha256] of Object.entries(files))
        if ((await folder.digest(path)) !== sha256) return false;
      return true;
    },
    take: (needed, known) => copyOne(sources, folder, needed, known),
    mirrors: prefixes.map(([prefix, part]) => ({ prefix, replace: pathToFileURL(join(root, part)).href })),
    close,
  };
};

/** What goes there lies in a folder of the system for temporary files meanwhile; the lock file is where the command is run. */
const toRegistry = async (sources: Sources, to: string): Promise<Target> => {
  const here = await openFolder(resolve('.'), { incoming: false });
  const pusher = async (
    location: string,
    sha256: string,
  ): Promise<{ readonly pusher: Pusher; readonly reference: string; readonly path: string }> => {
    const { image, reference } = placeIn(to, location, sha256);
    const endpoint = await endpointFor(sources, image);
    const http = optionsOf(sources, location);
    return {
      pusher: await openPush(endpoint, () => credentialFor(sources, image), http),
      reference,
      path: `oci://${image.host}/${image.repository}`,
    };
  };
  return {
    at: to,
    lock: join(here.root, lockName),
    readLock: here.readLock,
    writeLock: here.writeLock,
    check: () => undefined,
    isComplete: async ({ location }, { sha256 }) => {
      const there = await pusher(location, sha256);
      return there.pusher.has('manifests', there.reference);
    },
    take: async (needed, known) => {
      const root = await mkdtemp(join(tmpdir(), 'rcm-node-mirror-'));
      try {
        const folder = await openFolder(root);
        const entry = await copyOne(sources, folder, needed, known, true);
        const there = await pusher(needed.location, entry.sha256);
        await pushEntry(folder, needed.location, entry, there.pusher);
        return { ...entry, path: there.path };
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    },
    mirrors: mirrorsOf(to),
    close: async () => undefined,
  };
};

export const openTarget = (sources: Sources, to: string): Promise<Target> =>
  (to.startsWith('oci:') ? toRegistry : toFolder)(sources, to);
