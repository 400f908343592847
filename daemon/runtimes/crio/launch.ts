/** What starts as CRI-O, and what it reads: by its command line and its environment, else as packages have it. */
import { fileOf } from '../../../protocol/host-paths.ts';
import type { Runtime } from '../runtime.ts';

export const usual = {
  configPath: '/etc/crio/crio.conf',
  socket: '/run/crio/crio.sock',
  unit: 'crio.service',
  binaries: ['/usr/bin/crio', '/usr/local/bin/crio', '/usr/sbin/crio'],
} as const satisfies Runtime['usual'];

export const usualFolder = '/etc/crio/crio.conf.d';

/** Of several the last counts. Only global flags, before a word without a dash, are flags of the configuration. */
const argument = (argv: readonly string[], names: readonly string[]): string | undefined => {
  let found: string | undefined;
  for (let index = 1; index < argv.length; index++) {
    const [name = '', ...value] = (argv[index] ?? '').split('=');
    if (!names.includes(name)) continue;
    found = value.length > 0 ? value.join('=') : argv[++index];
  }
  return found;
};

/** With `-c FILE` alone the usual folder is read all the same; an empty word switches its source off. */
export const configOf: Runtime['configOf'] = (argv, ...environments) => ({
  main:
    argument(argv, ['-c', '--config']) ??
    environments.map((environment) => environment?.get('CONTAINER_CONFIG')).find((path) => path) ??
    usual.configPath,
  folder: argument(argv, ['-d', '--config-dir']) ?? usualFolder,
});

export const isProgram = (path: string): boolean => fileOf(path) === 'crio';

/** A main file that is not there is fatal where it is named, unless the name is empty. */
export const dumpWords: Runtime['dumpWords'] = ({ main, folder }) => [
  ...['--config', main ?? '', '--config-dir', folder ?? ''],
  'config',
];
