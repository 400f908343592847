/**
 * What a running containerd tells of itself, and where packages put it: its command line, its socket, the programs that a
 * handler's table names, the image of its sandboxes.
 */
import { type Table, tableAt } from '../../toml/compare.ts';
import { schemas } from './config.ts';

export const defaults = {
  configPath: '/etc/containerd/config.toml',
  socket: '/run/containerd/containerd.sock',
  unit: 'containerd.service',
  binaries: ['/usr/bin/containerd', '/usr/local/bin/containerd', '/usr/sbin/containerd', '/bin/containerd'],
} as const;

/** Where a program is searched that a table names without a path: the service's $PATH as a rule, and the folder for plugins. */
export const searched = [
  ...['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', '/opt/containerd/bin'],
];

/** The program that a value of a handler's table names: a path, or a name to be searched. */
export const programOf = (key: string, value: string): string | undefined => {
  if (value.startsWith('/')) return value;
  if (key === 'BinaryName') return /^[\w.+-]+$/.test(value) ? value : undefined;
  // `io.containerd.spin.v2` is run as `containerd-shim-spin-v2`.
  const [, name, version] = key === 'runtime_type' ? (/([\w-]+)\.([\w-]+)$/.exec(value) ?? []) : [];
  return name === undefined ? undefined : `containerd-shim-${name}-${version}`;
};

/** The image of sandboxes in a dumped configuration: 2.x pins it in a plugin of its own, 1.x has it with CRI. */
export const pauseImageIn = (dump: Table): string | undefined =>
  [
    tableAt(dump, ['plugins', 'io.containerd.cri.v1.images', 'pinned_images'])?.sandbox,
    tableAt(dump, schemas[2].cri)?.sandbox_image,
    tableAt(dump, schemas[1].cri)?.sandbox_image,
  ].find((name) => typeof name === 'string' && name !== '') as string | undefined;

/** `-c X`, `--config X`, `--config=X` of a containerd command line; of several the last counts. */
export const configArgument = (argv: readonly string[]): string | undefined => {
  let found: string | undefined;
  for (let index = 1; index < argv.length && argv[index] !== '--'; index++) {
    const word = argv[index] ?? '';
    if (/^--?(?:config|c)$/.test(word)) {
      index += 1;
      found = argv[index];
    } else found = /^--?(?:config|c)=(.*)$/s.exec(word)?.[1] ?? found;
  }
  return found;
};

/** containerd itself reads CONTAINERD_CONFIG where no `-c` is given. */
export const configVariable = 'CONTAINERD_CONFIG';

/** Where the daemon listens: `[grpc] address`, which version 4 moved into a plugin. */
export const socketIn = (doc: Table): string | undefined => {
  const tables = [tableAt(doc, ['grpc']), tableAt(doc, ['plugins', 'io.containerd.server.v1.grpc'])];
  return tables
    .map((table) => table?.address)
    .find((address) => typeof address === 'string' && address !== '') as string | undefined;
};
