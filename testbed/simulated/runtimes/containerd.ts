/**
 * How containerd itself reads its configuration, generation by generation, so that a fake daemon and its `config dump`
 * are wrong in the same ways as the real ones. From cmd/containerd/server/config/config.go (2.x) and
 * services/server/config/config.go (1.x) of the release tags; the rows were seen on 1.6.20, 1.7.24, 2.1, 2.2, 2.3 and 2.4.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { matchesGlob, resolve } from 'node:path/posix';
import { parse, stringify } from 'smol-toml';
import { resolveIn } from '../../../host/files/root-path.ts';

import { mergeFile, migrateCri, migrateSocket, renames } from './containerd-merge.ts';
import { decodeCri, decodeOthers, v2Cri, v3Runtime, v4Grpc } from './containerd-plugins.ts';
import type { Loaded } from './loaded.ts';
import { isTable, listOf, type Table, tableOf } from './tables.ts';

const parts = (version: string): Record<'major' | 'minor' | 'patch', number> => {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return { major, minor, patch };
};

const newest = (version: string): number => {
  const { major, minor } = parts(version);
  return major === 1 ? 2 : minor >= 3 ? 4 : 3;
};

class Fatal extends Error {}

/** `daemon`: as the service starts. `dump`: as `config dump` reads, which on 2.x does not mind a missing import. */
export const loadConfig = (
  root: string,
  path: string | undefined,
  version: string,
  purpose: 'daemon' | 'dump',
): Loaded => {
  try {
    return load(root, path, version, purpose);
  } catch (error) {
    if (error instanceof Fatal) return { kind: 'fatal', why: error.message };
    throw error;
  }
};

const load = (
  root: string,
  main: string | undefined,
  version: string,
  purpose: 'daemon' | 'dump',
): Loaded => {
  const { major, minor, patch } = parts(version);
  const top = newest(version);
  let config: Table = { version: major === 1 ? 1 : top };
  const seen: string[] = [];
  const queue = main === undefined ? [] : [main];
  let rootVersion = 0;
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    if (seen.includes(path)) continue;
    const text = read(root, path);
    if (text === undefined) {
      if (major === 2 && purpose === 'dump' && path !== main) break;
      throw new Fatal(`failed to load TOML from ${path}: open ${path}: no such file or directory`);
    }
    let file = toTable(text, path);
    const declared = typeof file.version === 'number' ? file.version : 0;
    if (declared > top && (major === 2 || minor >= 7))
      throw new Fatal(
        `expected containerd config version equal to or less than \`${top}\`, got \`${declared}\``,
      );
    if (major === 2 && minor >= 3) {
      rootVersion ||= declared;
      if (declared > rootVersion && minor === 3 && patch < 5)
        throw new Fatal(`drop-in config version ${declared} higher than root config version ${rootVersion}`);
      if (declared < 2) file = renames(file);
      if (declared < 3 && isTable(file.plugins)) file = { ...file, plugins: migrateCri(file.plugins) };
      if (declared < 4) file = migrateSocket(file);
      file = { ...file, version: top };
    } else if (major === 2 && declared < 2) file = { ...renames(file), version: config.version };
    config = mergeFile(config, file, major);
    seen.push(path);
    queue.push(...listOf(file.imports).flatMap((entry) => expand(root, path ?? '/', String(entry))));
  }
  if (major === 2 && (config.version as number) < 3 && isTable(config.plugins))
    config = { ...config, plugins: migrateCri(config.plugins) };
  if (major === 1 && (config.version as number) >= 2) requireUris(config);
  return answer(config, seen, version);
};

/** 1.x, from version 2 on: short names are refused, which is what docker's `disabled_plugins = ["cri"]` runs into. */
const requireUris = (config: Table): void => {
  for (const id of listOf(config.disabled_plugins))
    if (!/^io\.containerd\.[^.]+\..+/.test(String(id)))
      throw new Fatal(`invalid disabled plugin URI "${id}" expect io.containerd.x.vx`);
  for (const id of Object.keys(tableOf(config.plugins)))
    if (!/^io\.containerd\.[^.]+\..+/.test(id))
      throw new Fatal(`invalid plugin key URI "${id}" expect io.containerd.x.vx`);
};

const answer = (config: Table, seen: readonly string[], version: string): Loaded => {
  const { major, minor } = parts(version);
  const plugins = tableOf(config.plugins);
  const id = major === 1 ? v2Cri : v3Runtime;
  const given = major === 1 && (config.version as number) < 2 ? plugins.cri : plugins[id];
  const cri = decodeCri(tableOf(given), major);
  const containerd = tableOf(cri.containerd);
  const handlers = tableOf(containerd.runtimes) as Record<string, Table>;
  const name = String(containerd.default_runtime_name ?? '');
  const disabled = listOf(config.disabled_plugins).map(String);
  const off = ['cri', v2Cri, v3Runtime].some((one) => disabled.includes(one));
  const { cri: _short, ...others } = plugins;
  const { version: _version, imports: _imports, plugins: _plugins, ...rest } = config;
  const grpc = tableOf(major === 2 && minor >= 3 ? plugins[v4Grpc] : config.grpc);
  return {
    kind: 'loaded',
    handlers,
    criFault: off
      ? 'the CRI plugin is disabled'
      : name in handlers
        ? undefined
        : `no corresponding runtime configured in \`containerd.runtimes\` for \`default_runtime_name = "${name}"\``,
    socket: typeof grpc.address === 'string' ? grpc.address : '/run/containerd/containerd.sock',
    dump: stringify({
      version: newest(version),
      imports: [...seen],
      ...rest,
      plugins: { ...others, ...(major === 2 ? decodeOthers(others) : {}), [id]: cri },
    }),
  };
};

const read = (root: string, path: string): string | undefined => {
  const real = resolveIn(root, path);
  return real !== undefined && statSync(real).isFile() ? readFileSync(real, 'utf8') : undefined;
};

const toTable = (text: string, path: string): Table => {
  try {
    return parse(text, { integersAsBigInt: 'asNeeded' }) as Table;
  } catch (error) {
    throw new Fatal(`failed to load TOML from ${path}: ${String(error).split('\n')[0]}`);
  }
};

/** Relative to the importing file; a glob only where there is a "*"; an empty match is fine. */
const expand = (root: string, from: string, entry: string): readonly string[] => {
  const folder = from.slice(0, from.lastIndexOf('/')) || '/';
  const full = resolve(folder, entry);
  if (!full.includes('*')) return [full];
  const parent = full.slice(0, full.lastIndexOf('/')) || '/';
  const real = resolveIn(root, parent);
  if (real === undefined) return [];
  return readdirSync(real)
    .filter((name) => matchesGlob(name.replace(/^\./, '_'), full.slice(full.lastIndexOf('/') + 1)))
    .sort()
    .map((name) => `${parent}/${name}`);
};
