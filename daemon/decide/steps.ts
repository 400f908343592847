/** From a change to its steps, in the one order that may be interrupted at any step. */
import type { Ledger } from '../model/ledger.ts';
import { binaryName } from '../model/desired.ts';
import type { Observed } from './observed.ts';
import type { Step } from '../model/plan.ts';
import { lastHour, remember, type Limits } from './backoff.ts';
import { folderOf, keyOfTarget, storePath, fileOf } from '../../protocol/host-paths.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { Wanted } from './handlers/selection.ts';
import { standInKey, standInLink } from './handlers/stand-in.ts';
import type { WantedFile } from '../runtimes/runtime.ts';

export type LinkStep = Extract<Step, { kind: 'link' }>;

/**
 * `now`: before the restart, so that the configuration never names a missing path. `later`: after it, and only links that
 * neither the files nor the loaded configuration name. `standIn`: a prepared handler needs a program, too.
 */
export const linkSteps = (
  before: Observed,
  wanted: readonly Wanted[],
  isNamed: (path: string) => boolean = () => false,
  standIn = false,
): { readonly now: readonly LinkStep[]; readonly later: readonly LinkStep[] } => {
  const now: LinkStep[] = [];
  const kept = new Set<string>();
  const bare = new Set<string>();
  for (const { name, installed, prepared } of wanted) {
    const path = prepared?.path ?? installed?.path;
    if (path !== undefined && before.links[path]?.foreign !== undefined) {
      // Nothing of ours is put in its place: a step that can only fail would take every other change with it.
      kept.add(path);
      continue;
    }
    if (prepared && !standIn) {
      // Where it leads elsewhere, Pods would run with a program of others, and the handler would be called prepared.
      bare.add(prepared.path);
      continue;
    }
    if (prepared) {
      const { path } = prepared;
      kept.add(path);
      const was = before.links[path]?.target ?? null;
      if (was !== standInLink) now.push({ kind: 'link', path, before: was, after: standInLink });
      continue;
    }
    if (!installed) {
      const own = new Set(Object.keys(before.links).filter((path) => folderOf(path).endsWith(`/${name}`)));
      for (const path of own) if (!isHalf(path, own)) kept.add(path);
      continue;
    }
    kept.add(installed.path);
    const { runtime } = installed.handler;
    const target = storePath(
      installed.key,
      binaryName(installed.handler),
      runtime.type === 'oci' && runtime.libraries.length > 0,
    );
    const was = before.links[installed.path]?.target ?? null;
    if (was !== target) now.push({ kind: 'link', path: installed.path, before: was, after: target });
  }
  const later = Object.entries(before.links).flatMap(([path, { target }]): LinkStep[] =>
    kept.has(path) ||
    target === null ||
    (keyOfTarget(target) === undefined && !bare.has(path)) ||
    (isNamed(path) && !isHalf(path, kept))
      ? []
      : [{ kind: 'link', path, before: target, after: null }],
  );
  return { now, later };
};

/** The other name of a link that a killed run was about to replace (`point` in host/files/files.ts): nothing can name it. */
const isHalf = (path: string, kept: ReadonlySet<string>): boolean =>
  /\.[0-9a-f]{12}$/.test(path) && kept.has(path.slice(0, -13));

/** Store folders that lose their link: out of service, but possibly still in use. */
export const retire = (
  before: Observed,
  links: readonly LinkStep[],
  keys: ReadonlySet<string>,
): Ledger['retired'] => {
  const left = links.flatMap((link) => {
    const key = link.before === null ? undefined : keyOfTarget(link.before);
    return key === undefined || key === standInKey
      ? []
      : [[key, { handler: fileOf(folderOf(link.path)), sandboxes: null }] as const];
  });
  const all = Object.entries({ ...before.ledger.retired, ...Object.fromEntries(left) });
  return Object.fromEntries(all.filter(([key]) => !keys.has(key)));
};

export const missingFolders = (before: Observed, files: readonly WantedFile[]): readonly string[] => {
  const missing = new Set<string>();
  for (const file of files) {
    if (file.text === null) continue;
    for (let folder = folderOf(file.path); before.folders[folder] === false; folder = folderOf(folder))
      missing.add(folder);
  }
  return [...missing].sort();
};

/** The file differs from its ledger entry: another program changed a file of ours. */
const touched = (file: WantedFile, before: Observed): boolean => {
  const known = before.ledger.files[file.path];
  if (!known) return false;
  const fact = before.files[file.path];
  return fact?.kind !== 'regular' || fact.digest !== known.digest;
};

export const repairs = (before: Observed, files: readonly WantedFile[]): Ledger['repairs'] => {
  const all: Record<string, readonly number[]> = { ...before.ledger.repairs };
  for (const file of files)
    if (touched(file, before)) all[file.path] = [...(all[file.path] ?? []), before.now];
  return Object.fromEntries(
    Object.entries(all)
      .map(([path, times]) => [path, remember(times, before.now)] as const)
      .filter(([, times]) => times.length > 0),
  );
};

/** More repairs than the budget allows: reported with the first comment of the other writer, for a person to solve. */
export const writeConflict = (file: WantedFile, before: Observed, limits: Limits): Problem | undefined => {
  const count = lastHour(before.ledger.repairs[file.path] ?? [], before.now);
  if (count < limits.repairsPerHour || !touched(file, before)) return undefined;
  const fact = before.files[file.path];
  const mark = fact?.kind === 'regular' ? /^\s*#\s*(.*\S)/m.exec(fact.text)?.[1]?.slice(0, 120) : undefined;
  const what = fact?.kind === 'regular' ? 'changed' : 'removed';
  return {
    code: 'write-conflict',
    message: `another program ${what} the file again after ${count} repairs within an hour${mark ? `; its first comment reads "${mark}"` : ''}`,
    where: { file: file.path },
  };
};
