/**
 * The files of a unit in a root without a running systemd, found as systemd finds them: the file, its names, and the
 * drop-ins in their order. All of them decide what runs as root, so only root may be able to write them.
 * https://www.freedesktop.org/software/systemd/man/latest/systemd.unit.html; src/shared/unit-file.c, src/shared/dropin.c
 */
import { basename, dirname, join, resolve } from 'node:path/posix';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Files } from '../files/files.ts';

export type FoundUnit =
  | {
      readonly kind: 'found';
      /** The unit's own name, if the requested one is an alias. */
      readonly name: string;
      /** The unit file, then the drop-ins in the order in which they are read. */
      readonly files: readonly { readonly path: string; readonly text: string }[];
    }
  | { readonly kind: 'masked'; readonly path: string }
  | { readonly kind: 'absent' };

/** The first folder with a file of this name wins. */
export const unitFolders: readonly string[] = [
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
  '/run/systemd/transient',
  '/etc/systemd/system',
  '/etc/systemd/system.attached',
  '/run/systemd/system',
  '/run/systemd/system.attached',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  '/run/systemd/generator.late',
];

/** Aliases of aliases. */
const mostLinks = 8;
/** A link to it masks the unit or the drop-in; so does an empty file. */
const nowhere = '/dev/null';

type At =
  | { readonly kind: 'file'; readonly path: string; readonly text: string }
  | { readonly kind: 'alias'; readonly name: string }
  | { readonly kind: 'masked'; readonly path: string };

export const findUnit = async (files: Files, name: string): Promise<FoundUnit> => {
  for (const folder of unitFolders) await trustThere(files, folder);
  const names = [name];
  for (let at = await lookFor(files, name); ; at = await lookFor(files, names.at(-1) ?? name)) {
    if (at === undefined) return { kind: 'absent' };
    if (at.kind === 'masked') return at;
    if (at.kind === 'file') {
      const own = names.at(-1) ?? name;
      const all = [...new Set([own, ...names, ...(await aliasesOf(files, own))])];
      return { kind: 'found', name: own, files: [at, ...(await dropInsOf(files, all))] };
    }
    if (names.length > mostLinks || names.includes(at.name))
      throw new Failure({
        code: 'unclear-start',
        message: `the links of ${name} go round`,
        where: { file: join('/etc/systemd/system', name) },
      });
    names.push(at.name);
  }
};

/** A user who can write a folder decides its content. A missing folder has no effect. */
const trustThere = async (files: Files, folder: string): Promise<void> => {
  if (await files.isFolder(folder)) await files.trust(folder);
};

/** `a@b.service` without a file of its own uses `a@.service`. */
const templateOf = (name: string): string | undefined =>
  /^[^@]+@[^@]+\.service$/.test(name) ? name.replace(/@.*(?=\.service$)/, '@') : undefined;

const lookFor = async (files: Files, name: string): Promise<At | undefined> => {
  for (const folder of unitFolders) {
    const at = await lookAt(files, folder, name);
    if (at) return at;
  }
  const template = templateOf(name);
  return template === undefined ? undefined : lookFor(files, template);
};

const isUnitName = (name: string): boolean => /^[\w:.@\\-]+\.service$/.test(name);

const lookAt = async (files: Files, folder: string, name: string): Promise<At | undefined> => {
  const path = join(folder, name);
  const { target } = await files.linkAt(path);
  if (target !== null) {
    const leads = resolve(folder, target);
    if (leads === nowhere) return { kind: 'masked', path };
    const other = basename(leads);
    const isOther = other !== name && other !== templateOf(name) && isUnitName(other);
    if (isOther && unitFolders.some((one) => one === dirname(leads))) return { kind: 'alias', name: other };
  }
  const text = await textAt(files, path);
  if (text === undefined && target !== null)
    throw new Failure({
      code: 'unclear-start',
      message: `the unit is a link that leads nowhere (${target}): systemd finds no unit then, and looks in no other folder`,
      where: { file: path },
      hint: 'Remove the link, or let it lead to the unit.',
    });
  if (text === undefined) return undefined;
  return text === '' ? { kind: 'masked', path } : { kind: 'file', path, text };
};

/** Undefined if there is no file: absent, a folder, a dangling link. */
const textAt = async (files: Files, path: string): Promise<string | undefined> => {
  const fact = await files.lookTrusted(path);
  if (fact.kind === 'regular') return fact.text;
  if (fact.kind !== 'unreadable') return undefined;
  throw new Failure({
    code: 'unreadable-source',
    message: `the unit cannot be read: ${fact.why}`,
    where: { file: path },
    hint: 'No change is made until it can be read.',
  });
};

/** Links to a unit are its names, also if another name was requested. */
const aliasesOf = async (files: Files, name: string): Promise<readonly string[]> => {
  const found = new Set([name]);
  const links = new Map<string, string>();
  for (const folder of unitFolders)
    for (const one of (await files.names(folder)) ?? []) {
      if (!isUnitName(one) || links.has(one)) continue;
      const { target } = await files.linkAt(join(folder, one));
      links.set(one, target === null ? one : basename(target));
    }
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const [one, leads] of links) if (found.has(leads)) found.add(one);
  }
  return [...found];
};

/** `a-b-c.service`: its own folder, those of `a-b-` and `a-`, and that of its template. */
const dropInFolders = (name: string): readonly string[] => {
  const base = name.replace(/\.service$/, '');
  const [prefix = ''] = base.split('@');
  const shorter = [...prefix.matchAll(/-/g)]
    .map(({ index }) => prefix.slice(0, index + 1))
    .filter((one) => one !== prefix)
    .reverse();
  const template = templateOf(name);
  return [name, ...(template ? [template] : []), ...shorter.map((one) => `${one}.service`)].map(
    (one) => `${one}.d`,
  );
};

const dropInsOf = async (files: Files, names: readonly string[]) => {
  const folders = [...names.map(dropInFolders), ['service.d']].flatMap((kinds) =>
    unitFolders.flatMap((folder) => kinds.map((kind) => join(folder, kind))),
  );
  // By name: a file in an earlier folder replaces all files of this name in later ones.
  const found = new Map<string, { readonly path: string; readonly text: string }>();
  for (const folder of folders) {
    await trustThere(files, folder);
    for (const name of await confNames(files, folder)) {
      if (found.has(name)) continue;
      const path = join(folder, name);
      const { target } = await files.linkAt(path);
      const isNowhere = target !== null && resolve(folder, target) === nowhere;
      const text = isNowhere ? '' : await textAt(files, path);
      // A dangling link also hides the files of its name in later folders.
      if (text !== undefined || target !== null) found.set(name, { path, text: text ?? '' });
    }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
};

const confNames = async (files: Files, folder: string): Promise<readonly string[]> => {
  if (!(await files.isFolder(folder))) return [];
  return ((await files.names(folder)) ?? []).filter(
    (name) => name.endsWith('.conf') && !name.startsWith('.'),
  );
};
