/** Files that predecessors left: whether each still is what was found, whether a process uses it, and its removal. */
import { folderOf } from '../../../protocol/host-paths.ts';
import type { Host } from '../../../host/host.ts';
import type { RemnantState } from '../../decide/observed.ts';
import type { Remnant } from '../../model/takeover.ts';
import { homes } from '../../runtimes/predecessors/places.ts';
import { runtimes } from '../../runtimes/table.ts';

/** Of a file its size and when it was written, of a link its target; undefined if it is neither. */
export const identityOf = async (
  { files }: Pick<Host, 'files'>,
  { kind, path }: Pick<Remnant, 'kind' | 'path'>,
): Promise<string | undefined> => {
  const { target } = await files.linkAt(path);
  if (kind === 'link') return target ?? undefined;
  // In a folder of others, which a link may lead to, a name says nothing.
  for (const folder of [...homes.map((one) => one.folder), folderOf(path)])
    if (path.startsWith(`${folder}/`) && (await files.linkAt(folder)).target !== null) return undefined;
  const facts = target === null ? await files.stat(path) : null;
  return facts ? `${facts.bytes} bytes of ${facts.modified}` : undefined;
};

const isOfRuntime = (cgroup: string): boolean => runtimes.some(({ cgroups }) => cgroups.test(cgroup));

/** Paths below the folders of predecessors that processes have mapped; `complete: false`: others may be, too. */
export const mappedOf = async (
  host: Host,
): Promise<{ readonly paths: ReadonlySet<string>; readonly complete: boolean }> => {
  const paths = new Set<string>();
  let complete = true;
  // Processes of this host do not need the files of another root.
  if (!host.systemd) return { paths, complete };
  for (const { folder: home } of homes) {
    if (!(await host.files.isFolder(home))) continue;
    const found = await host.mappedFiles(`${host.files.real(home)}/`, isOfRuntime);
    // The kernel follows links on the way to it: /opt is one on ostree systems.
    for (const path of found.files) paths.add(`${home}${/\/((bin|lib)\/)?[^/]*$/.exec(path)?.[0] ?? ''}`);
    complete &&= found.complete;
  }
  return { paths, complete };
};

export const observeRemnants = async (
  host: Host,
  remnants: readonly Remnant[],
): Promise<Readonly<Record<string, RemnantState>>> => {
  const { paths, complete } = await mappedOf(host);
  const states: Record<string, RemnantState> = {};
  for (const one of remnants) {
    const is = await identityOf(host, one);
    const isUsed = one.kind !== 'record' && (!complete || paths.has(one.kind === 'link' ? one.is : one.path));
    states[one.path] = is === undefined ? 'gone' : is !== one.is ? 'changed' : isUsed ? 'used' : 'unused';
  }
  return states;
};

/** What changed since stays: it is of others. */
export const clearRemnant = async (host: Host, remnant: Remnant): Promise<void> => {
  const is = await identityOf(host, remnant);
  if (is === remnant.is) await host.files.removeTree(remnant.path);
  else if (is !== undefined) host.log('warn', `${remnant.path} was changed meanwhile; it is left`);
};
