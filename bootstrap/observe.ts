/** Every read of the host that a plan of bootstrap depends on, in one place. */
import { paths } from '../protocol/host-paths.ts';
import { setAside } from '../host/files/aside.ts';
import { fields, parseJson } from '../protocol/json.ts';
import { Failure } from '../protocol/problem/problem.ts';
import { pathOfSetting } from './files.ts';
import { type Payload, type Seen, unitPath } from './plan.ts';
import type { Target } from './target.ts';
import type { FileFact } from '../host/facts.ts';
import { type Digests, emptyState, parseState, places, service, type State } from './state.ts';

/** Names of keys in a ConfigMap; names that begin with a dot are the kubelet's. */
const settingName = /^[A-Za-z0-9][A-Za-z0-9._-]*\.toml$/;

export const incomingPrefix = '.incoming-';

const textAt = async (files: Target['own'], path: string): Promise<string | undefined> => {
  const fact = await files.look(path);
  return fact.kind === 'regular' ? fact.text : undefined;
};

export const readPayload = async (site: Target): Promise<Payload> => {
  const unit = await textAt(site.own, `${site.payload}/${service}`);
  if (unit === undefined)
    throw new Failure({
      code: 'unsupported-host',
      message: `this program is not part of the image payload: there is no ${site.payload}/${service}`,
      hint: 'bootstrap is what the image runs; by hand, follow docs/standalone-node.md.',
    });
  return { version: site.version, files: await digestsOf(site.own, site.payload), unit };
};

const readSettings = async (site: Target): Promise<Record<string, string>> => {
  const found: Record<string, string> = {};
  for (const name of (await site.own.names(site.settings)) ?? []) {
    if (!settingName.test(name)) continue;
    const text = await textAt(site.own, `${site.settings}/${name}`);
    if (text !== undefined) found[name] = text;
  }
  return found;
};

/** A damaged state file is set aside: its content can be determined again. The caller holds the lock. */
export const readState = async (site: Target): Promise<State> => {
  const fact = await site.host.look(places.state);
  if (fact.kind === 'absent' || (fact.kind === 'unreadable' && fact.errno !== undefined)) return emptyState;
  try {
    return parseState(fact.kind === 'regular' ? fact.text : '');
  } catch (error) {
    if (!(error instanceof Failure) || error.problem.code !== 'state-damaged') throw error;
    const to = await setAside(site.host, places.state, site.clock.now());
    site.say(`${error.message}; it is renamed to ${to ?? 'nothing'}, and the files on the disk are used`);
    return emptyState;
  }
};

const digestsOf = async (host: Target['own'], folder: string): Promise<Digests> => {
  const files: Record<string, string> = {};
  for (const name of (await host.names(folder)) ?? [])
    files[name] = (await host.digest(`${folder}/${name}`)) ?? '';
  return files;
};

/** `versions/<folder>/rcm-node`, in any spelling. */
export const folderOfLink = (target: string | null): string | null =>
  target === null
    ? null
    : (/^(?:\/opt\/rcm-node\/bin\/)?versions\/([^/]+)\/rcm-node$/.exec(target)?.[1] ?? null);

export const look = async (site: Target, payload: Payload): Promise<Seen> => {
  const state = await readState(site);
  const settings = await readSettings(site);
  const folders: Record<string, Digests> = {};
  const units: Record<string, string> = {};
  for (const folder of (await site.host.names(places.versions)) ?? []) {
    if (folder.startsWith('.')) continue;
    const path = `${places.versions}/${folder}`;
    // Only a folder that may become the target is read in full: each has 119 MB.
    if (folder.startsWith(payload.version)) folders[folder] = await digestsOf(site.host, path);
    const unit = await textAt(site.host, `${path}/${service}`);
    if (unit !== undefined) units[folder] = unit;
  }
  const files: Record<string, FileFact> = {};
  for (const path of [
    unitPath,
    paths.namespace,
    ...Object.keys(settings).map(pathOfSetting),
    ...Object.keys(state.wrote),
  ])
    files[path] = await site.host.look(path);
  return {
    payload,
    settings,
    namespace: site.namespace,
    state,
    linked: folderOfLink((await site.host.linkAt(places.link)).target),
    folders,
    units,
    files,
    service: await site.systemd.unit(service),
    now: site.clock.now(),
  };
};

/** The last report of the service; undefined if there is none, or if it cannot be parsed. */
export const lastReport = async (
  site: Target,
): Promise<{ readonly agent: string; readonly at: string } | undefined> => {
  const { agent, at } = fields(parseJson((await textAt(site.host, paths.status)) ?? ''));
  return typeof agent === 'string' && typeof at === 'string' ? { agent, at } : undefined;
};
