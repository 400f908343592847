/**
 * Which distribution of Kubernetes this host is, by facts that only root or the kernel can have made; a few small files are
 * read for it at each tick.
 */
import { releaseIn } from '../../../host/os-facts.ts';
import { unitFolders } from '../../../host/systemd/unit-search.ts';
import { mustBeSeen, unlessUntrusted } from '../../../host/files/trusted.ts';
import type { Host } from '../../../host/host.ts';
import type { Files } from '../../../host/files/files.ts';
import type { Settings } from '../../model/settings.ts';
import { type Clue, type Distro, pick, type Served } from '../../runtimes/distro.ts';
import { distros } from '../../runtimes/distros.ts';
import { untilChanged } from '../until-changed.ts';

type Identified = {
  /** Undefined: a plain host. */
  readonly distro: Served | undefined;
  /** The names of all unit files. */
  readonly units: ReadonlySet<string>;
};

type Looking = Pick<Host, 'files' | 'clock'>;

type Seen = {
  readonly release: ReadonlyMap<string, string>;
  readonly units: ReadonlySet<string>;
  readonly init: string;
};

/** Throws the Failure for a host that is not served, and for one that looks like several. */
export const identify = async (host: Looking, { unit }: Pick<Settings, 'unit'>): Promise<Identified> => {
  const { files } = host;
  const seen: Seen = {
    release: await releaseIn(files),
    units: await unitNames(host),
    init: (await files.linkAt('/proc/1/exe')).target ?? '',
  };
  const found: Distro[] = [];
  for (const row of distros) if (await holds(files, seen, row.evidence)) found.push(row);
  return { distro: pick(found, unit), units: seen.units };
};

const holds = async (files: Files, seen: Seen, clues: readonly Clue[]): Promise<boolean> => {
  for (const clue of clues) if (!(await isSo(files, seen, clue))) return false;
  return true;
};

const isSo = async (files: Files, { release, units, init }: Seen, clue: Clue): Promise<boolean> => {
  if ('release' in clue)
    return Object.entries(clue.release).every(([key, value]) => release.get(key) === value);
  if ('units' in clue) return [...units].some((name) => clue.units.test(name));
  if ('init' in clue) return clue.init.test(init);
  return unforged(async () => {
    if ('folder' in clue) {
      await files.trust(clue.folder);
      return files.isFolder(clue.folder);
    }
    const fact = mustBeSeen(clue.file, await files.lookTrusted(clue.file));
    return fact.kind === 'regular' && (clue.says?.test(fact.text) ?? true);
  });
};

/** What another user can have made shows nothing. */
const unforged = async (look: () => Promise<boolean>): Promise<boolean> =>
  (await look().catch(unlessUntrusted)) ?? false;

const namesAt = untilChanged<readonly string[]>();

const unitNames = async (host: Looking): Promise<ReadonlySet<string>> => {
  const { files } = host;
  const found = new Set<string>();
  for (const folder of unitFolders) {
    const isRoots = await unforged(async () => {
      await files.trust(folder);
      return files.isFolder(folder);
    });
    if (!isRoots) continue;
    const list = async (): Promise<readonly string[] | undefined> => (await files.names(folder)) ?? undefined;
    const names = await namesAt(host, folder, await files.statFolder(folder), list);
    for (const name of names ?? []) found.add(name);
  }
  return found;
};
