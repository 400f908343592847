/** What predecessors left on this host: tables in the configuration that the runtime reads, and files. Reads only. */
import type { Host } from '../../../host/host.ts';
import type { Where } from '../../../protocol/problem/problem.ts';
import { isStorable, type Remnant, type Takeover } from '../../model/takeover.ts';
import type { RuntimeFacts } from '../../runtimes/facts.ts';
import { partsIn } from '../../runtimes/predecessors/parts.ts';
import {
  digestsIn,
  type Home,
  homes,
  isBelowHome,
  linkFolders,
  unclear,
} from '../../runtimes/predecessors/places.ts';
import { whyFixed } from '../../runtimes/predecessors/replace.ts';
import type { Predecessor } from '../../runtimes/predecessors/table.ts';
import { identityOf, mappedOf } from './remnants.ts';

type FoundTable = {
  readonly from: string;
  readonly handler: string;
  readonly where: Where;
  readonly program: string;
  /** Whether processes run the program. */
  readonly mapped: boolean;
  readonly digest: string;
};

/** What stays, and why. */
export type Left = { readonly where: Where; readonly why: string };

type FoundRemnant = { readonly remnant: Remnant; readonly from: string; readonly mapped: boolean };

export type Found = {
  readonly tables: readonly FoundTable[];
  readonly remnants: readonly FoundRemnant[];
  readonly left: readonly Left[];
};

export const findPredecessors = async (host: Host, runtime: RuntimeFacts): Promise<Found> => {
  const mapped = await mappedOf(host);
  const isMapped = (path: string): boolean => !mapped.complete || mapped.paths.has(path);
  const files = await filesOf(host, isMapped);
  const tables: FoundTable[] = [];
  const left: Left[] = [];
  const { place } = runtime;
  const shown = place?.kind === 'template' ? await host.files.look(place.path) : undefined;
  const template = shown?.kind === 'regular' ? shown.text : undefined;
  for (const one of runtime.config) {
    const { path: file, fact, doc } = one;
    if (fact.kind !== 'regular' || !doc) continue;
    const { parts, kept } = partsIn(fact.text, doc);
    for (const { predecessor, handler, line, why } of kept)
      left.push({
        where: { file, line },
        why: `the table of "${handler}" names a program of ${predecessor.name}, but ${why}: it may be a person's`,
      });
    for (const part of parts) {
      const { predecessor, handler, line, program, digest } = part;
      const where = { file, line };
      const path = await programOf(host, predecessor, program);
      if (path === undefined) continue;
      const why = whyFixed(runtime, one, part, template);
      if (why !== undefined) left.push({ where, why: `${predecessor.name} wrote "${handler}", and ${why}` });
      else
        tables.push({
          from: predecessor.name,
          handler,
          where,
          program: path,
          mapped: isMapped(path),
          digest,
        });
    }
  }
  return { tables, remnants: files.remnants, left: [...left, ...files.left, ...(await unclearOf(host))] };
};

/** Undefined: the program is named without a path, and what is run by this name is not the predecessor's. */
const programOf = async (
  { files }: Host,
  { links }: Predecessor,
  program: string,
): Promise<string | undefined> => {
  if (!links) return program;
  for (const link of links(program)) {
    const { target, foreign } = await files.linkAt(link);
    if (target !== null && isBelowHome(target)) return target;
    if (target !== null || foreign !== undefined) return undefined;
  }
  return undefined;
};

type Files = { readonly remnants: readonly FoundRemnant[]; readonly left: readonly Left[] };

const filesOf = async (host: Host, isMapped: (path: string) => boolean): Promise<Files> => {
  const remnants: FoundRemnant[] = [];
  const left: Left[] = [];
  for (const home of homes) {
    const digests = await recordOf(host, home);
    const add = async (kind: 'program' | 'library' | 'record', path: string): Promise<void> => {
      const is = await identityOf(host, { kind, path });
      if (is === undefined) return;
      const noted = digests.get(path);
      if (noted !== undefined && noted !== (await host.files.digest(path))) {
        left.push({
          where: { file: path },
          why: `it is not what ${home.name} noted in its record: it was replaced`,
        });
        return;
      }
      // Its containers are processes of their own: it runs only to change them.
      const handler = kind === 'program' && path.endsWith('/crun') ? { handler: 'crun' } : {};
      const remnant: Remnant = { kind, path, is, ...handler };
      remnants.push({ remnant, from: home.name, mapped: kind !== 'record' && isMapped(path) });
    };
    const isOthers = (): boolean => left.some(({ where }) => where.file.startsWith(`${home.folder}/bin/`));
    for (const [folder, isOwn] of Object.entries(home.programs))
      for (const name of (await host.files.names(`${home.folder}/${folder}`)) ?? []) {
        const path = `${home.folder}/${folder}/${name}`;
        if (!isOwn.test(name))
          left.push({ where: { file: path }, why: `${home.name} puts no such file there` });
        else if (folder === 'lib' && isOthers())
          left.push({ where: { file: path }, why: 'programs of others that are beside it may need it' });
        else await add(folder === 'lib' ? 'library' : 'program', path);
      }
    // A record that names programs that stay is still true.
    if (!isOthers()) for (const name of home.records) await add('record', `${home.folder}/${name}`);
  }
  const links = await linksOf(host, isMapped, (path) => left.some(({ where }) => where.file === path));
  return { remnants: [...remnants, ...links.remnants], left: [...left, ...links.left] };
};

const recordOf = async ({ files }: Host, { folder, records }: Home): Promise<ReadonlyMap<string, string>> => {
  const record = records.find((name) => name.endsWith('.json'));
  const fact = record === undefined ? undefined : await files.look(`${folder}/${record}`);
  return fact?.kind === 'regular' ? digestsIn(fact.text) : new Map();
};

const linksOf = async (
  { files }: Host,
  isMapped: (path: string) => boolean,
  isLeft: (path: string) => boolean,
): Promise<Files> => {
  const remnants: FoundRemnant[] = [];
  const left: Left[] = [];
  for (const [folder, fits] of Object.entries(linkFolders)) {
    // /bin is a link to /usr/bin on most hosts.
    if ((await files.linkAt(folder)).target !== null) continue;
    for (const name of ((await files.names(folder)) ?? []).filter((one) => fits.test(one))) {
      const path = `${folder}/${name}`;
      const { target } = await files.linkAt(path);
      const home = homes.find((one) => target?.startsWith(`${one.folder}/`));
      if (target === null || !home) continue;
      const remnant: Remnant = { kind: 'link', path, is: target };
      if (isLeft(target)) left.push({ where: { file: path }, why: `${target} stays, too` });
      else if (isStorable(remnant)) remnants.push({ remnant, from: home.name, mapped: isMapped(target) });
      else left.push({ where: { file: path }, why: `${home.name} makes no such link` });
    }
  }
  return { remnants, left };
};

const unclearOf = async ({ files }: Host): Promise<readonly Left[]> => {
  const left: Left[] = [];
  for (const { path, why, beside = path } of unclear)
    if ((await files.linkAt(path)).target === null && (await files.stat(path)) && (await files.stat(beside)))
      left.push({ where: { file: path }, why });
  return left;
};

/** What a person allows who has seen all of it. */
export const consentTo = (
  { tables, remnants }: Found,
  unused: boolean,
  before: Takeover | undefined,
): Takeover => ({
  tables: tables.map(({ where, handler, from, digest }) => ({ file: where.file, handler, from, digest })),
  unused,
  remnants: remnants.map(({ remnant }) => remnant),
  done: before?.done ?? [],
});
