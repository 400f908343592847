/** All reads of the host for a decision, in one place. */
import { randomBytes } from 'node:crypto';
import { unreferenced } from '../../decide/collect.ts';
import { folderOf, paths } from '../../../protocol/host-paths.ts';
import type { Host } from '../../../host/host.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Observed } from '../../decide/observed.ts';
import type { ConfigFile, RuntimeFacts } from '../../runtimes/facts.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import { configFile } from '../../runtimes/parsed.ts';
import { unitDropIns } from '../../runtimes/distros.ts';
import { runtimeOf, runtimeOfFile, runtimes } from '../../runtimes/table.ts';
import { aliasesIn } from './aliases.ts';
import { readTree } from './config-files.ts';
import { namesIn } from './names.ts';
import { filesOfPlace, withRendering } from './place.ts';
import { observeRuntime } from './runtime.ts';
import type { FileFact, LinkFact } from '../../../host/facts.ts';
import { observeStore } from '../artifacts/store.ts';
import { observeRemnants } from '../takeover/remnants.ts';

export type Looking = {
  readonly activate: boolean;
  /** Verify every byte of the store, not only sizes. */
  readonly deep: boolean;
};

export const observe = async (
  host: Host,
  settings: Settings,
  ledger: Ledger,
  looking: Looking,
): Promise<Observed> => {
  const [seen, store, links, files] = await Promise.all([
    observeRuntime(host, settings),
    observeStore(host, looking.deep),
    observeLinks(host),
    observeOwned(host, ledger),
  ]);
  const runtime = seen.name === 'none' ? seen : await withRendering(host.files, seen);
  const keys = new Set(Object.values(ledger.handlers).map((one) => one.key));
  const base = {
    now: host.clock.now(),
    machine: host.machine,
    activate: looking.activate,
    runtime,
    store,
    links,
    ledger,
    trials: [],
    // The time in the name marks leftovers of a killed run (leftovers.ts).
    scratch: `${paths.trials}/${host.clock.now()}-${randomBytes(6).toString('hex')}`,
    files: {},
    folders: {},
    mapped: [],
  };
  const mapped = unreferenced(base, keys).length > 0 ? await observeMapped(host) : [];
  const left = ledger.takeover?.remnants ?? [];
  const remnants = left.length > 0 ? { remnants: await observeRemnants(host, left) } : {};
  if (runtime.name === 'none') return { ...base, mapped, files, remnant: await observeRemnant(host, ledger) };
  return { ...base, mapped, ...remnants, ...(await observeFiles(host, runtime, files, ledger)) };
};

/** Files that we wrote before; the configuration of the runtime may be elsewhere now. */
const observeOwned = async (host: Host, ledger: Ledger): Promise<Observed['files']> => {
  const files: Record<string, FileFact> = {};
  for (const path of Object.keys(ledger.files)) files[path] = await host.files.look(path);
  return files;
};

/** Files that may have our content although the ledger does not list them: the state was lost, or others copied it. */
const observeRemnant = async (host: Host, ledger: Ledger): Promise<NonNullable<Observed['remnant']>> => {
  const remnant: NonNullable<Observed['remnant']>[number][] = [];
  for (const runtime of runtimes) {
    const found = new Map<string, ConfigFile>();
    const { dropIn } = runtime;
    const known = Object.keys(ledger.files).filter((path) => runtimeOfFile(path) === runtime);
    for (const source of [runtime.configOf([]), ...known.map((main) => ({ main }))]) {
      const { config } = await readTree(host.files, runtime, source);
      for (const file of config) found.set(file.path, file);
    }
    for (const file of [...found.values()]) {
      if (dropIn.mayBe(file.path)) continue;
      const drop = dropIn.beside(file);
      if (!found.has(drop)) found.set(drop, configFile(drop, await host.files.look(drop)));
    }
    // It would name a main file that goes.
    for (const path of unitDropIns)
      if (runtimeOfFile(path) === runtime) found.set(path, configFile(path, await host.files.look(path)));
    const config = [...found.values()];
    remnant.push({ name: runtime.name, config, aliases: await aliasesIn(host.files, runtime, config) });
  }
  return remnant;
};

const observeFiles = async (
  host: Host,
  runtime: RuntimeFacts,
  owned: Observed['files'],
  { takeover }: Ledger,
): Promise<Pick<Observed, 'files' | 'folders'>> => {
  const { dropIn } = runtimeOf(runtime);
  const files: Record<string, FileFact> = { ...owned };
  // Read each file once: a file that others change in between would be seen in a state that it never had.
  for (const { path, fact } of runtime.config)
    if (
      path === runtime.configPath ||
      dropIn.mayBe(path) ||
      takeover?.tables.some(({ file }) => file === path)
    )
      files[path] = fact;
  const main = runtime.config.find(({ path }) => path === runtime.configPath);
  const standing = main ?? { path: runtime.configPath, fact: { kind: 'absent' } };
  const { place } = runtime;
  const drop = dropIn.beside(standing, place?.kind === 'folder' ? place.folder : runtime.configFolder);
  const placed = filesOfPlace(runtime);
  for (const path of [drop, ...placed]) files[path] ??= await host.files.look(path);
  const folders: Record<string, boolean> = {};
  for (const path of [drop, runtime.configPath, ...placed])
    for (
      let folder = folderOf(path);
      folder !== '/' && folders[folder] === undefined;
      folder = folderOf(folder)
    )
      folders[folder] = await host.files.isFolder(folder);
  return { files, folders };
};

const unreadable = (file: string, errno: string): Failure =>
  new Failure({
    code: 'unreadable-source',
    message: `the link cannot be read: ${errno}`,
    where: { file },
  });

const observeLinks = async (host: Host): Promise<Observed['links']> => {
  const links: Record<string, LinkFact> = {};
  for (const handler of (await host.files.names(paths.links)) ?? [])
    for (const binary of await namesIn(host.files, `${paths.links}/${handler}`)) {
      const path = `${paths.links}/${handler}/${binary}`;
      const link = await host.files.linkAt(path);
      // Otherwise its target would count as out of service, and be discarded.
      if (link.errno !== undefined) throw unreadable(path, link.errno);
      links[path] = link;
    }
  return links;
};

const isOfRuntime = (cgroup: string): boolean => runtimes.some(({ cgroups }) => cgroups.test(cgroup));

/**
 * A process whose mappings cannot be read may have mapped any file: then everything counts as in use. Processes of this host do
 * not need the store of another root, so there only a visible mapping counts.
 */
export const observeMapped = async (host: Host): Promise<readonly string[]> => {
  const { files, complete } = await host.mappedFiles(`${host.files.real(paths.store)}/`, isOfRuntime);
  const all = complete || !host.systemd ? [] : ((await host.files.names(paths.store)) ?? []);
  return [...new Set([...all, ...files.flatMap((file) => /\/store\/([^/]+)\//.exec(file)?.[1] ?? [])])];
};
