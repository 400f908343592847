/** How containerd puts one file of its configuration over another, and moves settings to where its version has them. */
import { v2Cri, v3Images, v3Runtime, v4Grpc } from './containerd-plugins.ts';
import { deep, isTable, isZero, listOf, type Table, tableOf } from './tables.ts';

const perKey = ['proxy_plugins', 'stream_processors', 'timeouts'];

/** One file onto what was read before; `from` wins, an empty field of a struct does not. */
export const mergeFile = (to: Table, from: Table, major: number): Table => {
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

export const renames = (config: Table): Table => {
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
export const migrateCri = (plugins: Table): Table => {
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
export const migrateSocket = (file: Table): Table => {
  const { grpc, ...rest } = file;
  const plugins = tableOf(file.plugins);
  if (!isTable(grpc) || isZero(grpc.address) || v4Grpc in plugins) return file;
  return { ...rest, plugins: { ...plugins, [v4Grpc]: { address: grpc.address } } };
};
