/** Which program is containerd, and which file it reads: by command line and environment, else the default of packages. */
import { fileOf } from '../../../protocol/host-paths.ts';
import type { Runtime } from '../runtime.ts';

export const usual = {
  configPath: '/etc/containerd/config.toml',
  socket: '/run/containerd/containerd.sock',
  unit: 'containerd.service',
  binaries: ['/usr/bin/containerd', '/usr/local/bin/containerd', '/usr/sbin/containerd', '/bin/containerd'],
} as const satisfies Runtime['usual'];

/** `-c X`, `--config X`, `--config=X` of a containerd command line; the last one wins. */
const configArgument = (argv: readonly string[]): string | undefined => {
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
const configVariable = 'CONTAINERD_CONFIG';

export const configOf: Runtime['configOf'] = (argv, ...environments) => ({
  main:
    configArgument(argv) ||
    environments.map((environment) => environment?.get(configVariable)).find((path) => path) ||
    usual.configPath,
});

/** Packages put a version behind the name. */
export const isProgram = (path: string): boolean => /^containerd(?:-v?\d[\w.]*)?$/.test(fileOf(path));

export const dumpWords: Runtime['dumpWords'] = ({ main }) =>
  main === null ? ['config', 'default'] : ['--config', main, 'config', 'dump'];
