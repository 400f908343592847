/**
 * How containerd itself reads its configuration, generation by generation, so that a fake daemon and its `config dump`
 * are wrong in the same ways as the real ones. From cmd/containerd/server/config/config.go (2.x) and
 * services/server/config/config.go (1.x) of the release tags; the rows were seen on 1.6.20, 1.7.24, 2.1, 2.2, 2.3 and 2.4.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { matchesGlob, resolve } from 'node:path/posix';
import { parse, stringify } from 'smol-toml';
import { resolveIn } from '../../../host/files/root-path.ts';

type Table = Record<string, unknown>;

export type Loaded =
  | {
      readonly kind: 'loaded';
      /** The handlers that CRI would serve. */
      readonly handlers: Readonly<Record<string, Table>>;
      /** Why the CRI plugin does not start, while the daemon does. */
      readonly criFault: string | undefined;
      readonly socket: string;
      /** What `config dump` prints. */
      readonly dump: string;
    }
  | { readonly kind: 'fatal'; readonly why: string };

const v2Cri = 'io.containerd.grpc.v1.cri';
const v3Runtime = 'io.containerd.cri.v1.runtime';
const v3Images = 'io.containerd.cri.v1.images';
const v4Grpc = 'io.containerd.server.v1.grpc';

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
const isZero = (value: unknown): boolean =>
  value === undefined || value === '' || value === 0 || value === false;
const tableOf = (value: unknown): Table => (isTable(value) ? value : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** mergo with override, on maps: every scalar of the later file wins, even an empty one. */
const deep = (to: unknown, from: unknown): unknown =>
  isTable(to) && isTable(from)
    ? Object.fromEntries(
        [...new Set([...Object.keys(to), ...Object.keys(from)])].map((key) => [
          key,
          key in from ? (key in to ? deep(to[key], from[key]) : from[key]) : to[key],
        ]),
      )
    : from;

const perKey = ['proxy_plugins', 'stream_processors', 'timeouts'];

/** One file onto what was read before; `from` wins, an empty field of a struct does not. */
const mergeFile = (to: Table, from: Table, major: number): Table => {
  const out: Table = { ...to };
  for (const [key, value] of Object.entries(from)) {
    if (key === 'plugins')
      // 1.x: the whole table of a plugin comes from the last file that has one.
      out.plugins =
        major === 1
          ? { ...tableOf(to.plugins), ...tableOf(value) }
          : deep(tableOf(to.plugins), tableOf(value));
    else if (Array.isArray(value))
      out[key] =
        major === 1
          ? [...listOf(to[key]), ...value]
          : [...new Set([...listOf(to[key]), ...(value as unknown[])])];
    else if (perKey.includes(key)) out[key] = { ...tableOf(to[key]), ...tableOf(value) };
    else if (isTable(value)) out[key] = mergeFile(tableOf(to[key]), value, major);
    else if (!isZero(value)) out[key] = value;
  }
  return out;
};

const renames = (config: Table): Table => {
  const rename = (id: string): string => (id === 'cri' ? v2Cri : id);
  const plugins = Object.entries(tableOf(config.plugins)).map(([id, value]) => [rename(id), value] as const);
  return {
    ...config,
    ...(plugins.length > 0 ? { plugins: Object.fromEntries(plugins) } : {}),
    ...(Array.isArray(config.disabled_plugins)
      ? { disabled_plugins: config.disabled_plugins.map((id) => rename(String(id))) }
      : {}),
  };
};

const streaming = [
  'disable_tcp_service',
  'stream_server_address',
  'stream_server_port',
  'enable_tls_streaming',
];
const images = ['registry', 'max_concurrent_downloads', 'image_pull_progress_timeout'];

/** The CRI plugin's own migration from version 2 to 3; what the version 3 tables hold already stays. */
const migrateCri = (plugins: Table): Table => {
  const old = plugins[v2Cri];
  if (!isTable(old)) return plugins;
  const runtime: Table = { ...tableOf(plugins[v3Runtime]) };
  const image: Table = { ...tableOf(plugins[v3Images]) };
  const rest: Table = {};
  for (const [key, value] of Object.entries(old)) {
    if (streaming.includes(key)) rest[key] = value;
    else if (key === 'sandbox_image')
      image.pinned_images = { sandbox: value, ...tableOf(image.pinned_images) };
    else if (images.includes(key)) image[key] ??= value;
    else if (key === 'containerd') runtime.containerd = { ...tableOf(value), ...tableOf(runtime.containerd) };
    else runtime[key] ??= value;
  }
  return { ...plugins, [v3Runtime]: runtime, [v3Images]: image, [v2Cri]: rest };
};

/** 2.3 and later, file by file: version 4 has the socket in a plugin, and reads the former place no more. */
const migrateSocket = (file: Table): Table => {
  const { grpc, ...rest } = file;
  const plugins = tableOf(file.plugins);
  if (!isTable(grpc) || isZero(grpc.address) || v4Grpc in plugins) return file;
  return { ...rest, plugins: { ...plugins, [v4Grpc]: { address: grpc.address } } };
};

const runcOptions = {
  BinaryName: '',
  CriuImagePath: '',
  CriuWorkPath: '',
  IoGid: 0,
  IoUid: 0,
  NoNewKeyring: false,
  Root: '',
  ShimCgroup: '',
  SystemdCgroup: false,
};

const emptyRuntime = (major: number): Table => ({
  base_runtime_spec: '',
  cni_conf_dir: '',
  cni_max_conf_num: 0,
  container_annotations: [],
  pod_annotations: [],
  privileged_without_host_devices: false,
  runtime_path: '',
  runtime_type: '',
  snapshotter: '',
  ...(major === 1
    ? { runtime_engine: '', runtime_root: '', sandbox_mode: 'podsandbox' }
    : { sandboxer: 'podsandbox' }),
  options: {},
});

/** The CRI plugin's settings with the compiled-in ones below them. */
const decodeCri = (given: Table, major: number): Table => {
  const defaults: Table = {
    enable_selinux: false,
    max_container_log_line_size: 16384,
    ...(major === 1 ? { sandbox_image: 'registry.k8s.io/pause:3.8' } : {}),
    containerd: { default_runtime_name: 'runc', snapshotter: 'overlayfs' },
  };
  const merged = deep(defaults, given) as Table;
  const containerd = tableOf(merged.containerd);
  const runc = { ...emptyRuntime(major), runtime_type: 'io.containerd.runc.v2', options: runcOptions };
  const named = tableOf(tableOf(given.containerd).runtimes);
  // go-toml v1 makes a new map where the file has one, so the built-in runc goes; go-toml v2 decodes into the old one.
  const base: Table = major === 1 && Object.keys(named).length > 0 ? {} : { runc };
  const runtimes = Object.fromEntries(
    [...new Set([...Object.keys(base), ...Object.keys(named)])].map((name) => [
      name,
      deep(base[name] ?? emptyRuntime(major), tableOf(named[name])),
    ]),
  );
  return { ...merged, containerd: { ...containerd, runtimes } };
};

/** 2.x splits CRI; the other two plugins print their settings in full as well. */
const decodeOthers = (plugins: Table): Table => ({
  [v3Images]: deep(
    {
      max_concurrent_downloads: 3,
      pinned_images: { sandbox: 'registry.k8s.io/pause:3.10' },
      registry: { config_path: '' },
      snapshotter: 'overlayfs',
    },
    tableOf(plugins[v3Images]),
  ),
  [v2Cri]: deep({ disable_tcp_service: true, stream_server_port: '0' }, tableOf(plugins[v2Cri])),
});

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
