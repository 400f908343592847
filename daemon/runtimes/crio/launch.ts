/** Which program is CRI-O, and what it reads: by command line and environment, else the default of packages. */
import { fileOf } from '../../../protocol/host-paths.ts';
import type { Runtime } from '../runtime.ts';

export const usual = {
  configPath: '/etc/crio/crio.conf',
  socket: '/run/crio/crio.sock',
  unit: 'crio.service',
  aliases: ['cri-o.service'],
  binaries: ['/usr/bin/crio', '/usr/local/bin/crio', '/usr/sbin/crio'],
} as const satisfies Runtime['usual'];

export const usualFolder = '/etc/crio/crio.conf.d';

/** The last one wins. Only global flags, before the first argument without a dash, are about the configuration. */
const argument = (argv: readonly string[], names: readonly string[]): string | undefined => {
  let found: string | undefined;
  for (let index = 1; index < argv.length; index++) {
    const [name = '', ...value] = (argv[index] ?? '').split('=');
    if (!names.includes(name)) continue;
    found = value.length > 0 ? value.join('=') : argv[++index];
  }
  return found;
};

/**
 * With `-c FILE` alone the usual folder is read all the same. An empty word switches its source off, and is no path: as one it
 * would be the root of the host.
 */
export const configOf: Runtime['configOf'] = (argv, ...environments) => {
  const main =
    argument(argv, ['-c', '--config']) ??
    environments.map((environment) => environment?.get('CONTAINER_CONFIG')).find((path) => path) ??
    usual.configPath;
  const folder = argument(argv, ['-d', '--config-dir']) ?? usualFolder;
  return { main, ...(folder === '' ? {} : { folder }) };
};

export const isProgram = (path: string): boolean => fileOf(path) === 'crio';

/** A missing main file is fatal if an argument names it; an empty name is allowed. */
export const dumpWords: Runtime['dumpWords'] = ({ main, folder }) => [
  ...['--config', main ?? '', '--config-dir', folder ?? ''],
  'config',
];
