/**
 * Which program is containerd, and which file it reads: by command line, else the default. It reads no variable of its environment;
 * units that set CONTAINERD_CONFIG, as Flatcar's, have it in ExecStart= too.
 */
import { fileOf } from '../../../protocol/host-paths.ts';
import type { ConfigSource } from '../facts.ts';
import type { Runtime } from '../runtime.ts';

export const usual = {
  configPath: '/etc/containerd/config.toml',
  socket: '/run/containerd/containerd.sock',
  unit: 'containerd.service',
  binaries: ['/usr/bin/containerd', '/usr/local/bin/containerd', '/usr/sbin/containerd', '/bin/containerd'],
} as const satisfies Runtime['usual'];

/** `-c X`, `--config X`, `--config=X` of a containerd command line; the last one wins. */
const argument = (argv: readonly string[], names: string): string | undefined => {
  const alone = new RegExp(`^--?(?:${names})$`);
  const joined = new RegExp(`^--?(?:${names})=(.*)$`, 's');
  let found: string | undefined;
  for (let index = 1; index < argv.length && argv[index] !== '--'; index++) {
    const word = argv[index] ?? '';
    if (alone.test(word)) {
      index += 1;
      found = argv[index];
    } else found = joined.exec(word)?.[1] ?? found;
  }
  return found;
};

/** What the command line says above all files, as a file of an old version says it; an empty value says nothing. */
const givenIn = (argv: readonly string[]): ConfigSource['given'] => {
  const address = argument(argv, 'address|a');
  const state = argument(argv, 'state');
  const root = argument(argv, 'root');
  const doc = {
    ...(address ? { grpc: { address } } : {}),
    ...(state ? { state } : {}),
    ...(root ? { root } : {}),
  };
  // The parser, which is called again, has no use for them.
  return Object.keys(doc).length === 0 ? undefined : { doc, words: [] };
};

export const configOf: Runtime['configOf'] = (argv) => {
  const main = argument(argv, 'config|c') || usual.configPath;
  const given = givenIn(argv);
  return { main, ...(given ? { given } : {}) };
};

/** Packages put a version behind the name. */
export const isProgram = (path: string): boolean => /^containerd(?:-v?\d[\w.]*)?$/.test(fileOf(path));

export const dumpWords: Runtime['dumpWords'] = ({ main }) =>
  main === null ? ['config', 'default'] : ['--config', main, 'config', 'dump'];
