/** Which program is CRI-O, and what it reads: by command line and environment, else the default of packages. */
import { fileOf } from '../../../protocol/host-paths.ts';
import type { Runtime } from '../runtime.ts';
import { flagValues, givenIn } from './flags.ts';

export const usual = {
  configPath: '/etc/crio/crio.conf',
  socket: '/run/crio/crio.sock',
  unit: 'crio.service',
  aliases: ['cri-o.service'],
  binaries: ['/usr/bin/crio', '/usr/local/bin/crio', '/usr/sbin/crio'],
} as const satisfies Runtime['usual'];

export const usualFolder = '/etc/crio/crio.conf.d';

/**
 * With `-c FILE` alone the usual folder is read all the same. An empty word switches its source off, and is no path: as one it
 * would be the root of the host.
 */
export const configOf: Runtime['configOf'] = (argv, ...environments) => {
  const named = flagValues(['config', 'c'], argv, environments)?.at(-1);
  const folder = flagValues(['config-dir', 'd'], argv, environments)?.at(-1) ?? usualFolder;
  const given = givenIn(argv, environments);
  return {
    main: named || usual.configPath,
    ...(named === undefined ? {} : { mainIs: named === '' ? 'skipped' : 'needed' }),
    ...(folder === '' ? {} : { folder }),
    ...(given ? { given } : {}),
  };
};

export const isProgram = (path: string): boolean => fileOf(path) === 'crio';

/** A missing main file is fatal if an argument names it; an empty name is allowed. */
export const dumpWords: Runtime['dumpWords'] = ({ main, folder, given }) => [
  ...['--config', main ?? '', '--config-dir', folder ?? ''],
  ...(given?.words ?? []),
  'config',
];
