/** Which configuration a start of the fake daemon reads, by its command line and environment, and what it loads. */
import { readFileSync } from 'node:fs';
import type { Files } from '../../../host/files/files.ts';
import { loadConfig } from '../runtimes/containerd.ts';
import type { Loaded } from '../runtimes/loaded.ts';
import { loadCrio } from '../runtimes/crio.ts';
import { type Rendering, render } from '../runtimes/rendering.ts';

export type Program = {
  readonly root: string;
  readonly isCrio: boolean;
  /** Its command line. */
  readonly argv: readonly string[];
};

/** `environment`: of the unit now; `first`: as it was declared. */
export const loadAtStart = (
  { root, isCrio, argv }: Program,
  version: string,
  rendering: Rendering | undefined,
  environment: readonly string[],
  first: readonly string[],
  real: Files['real'],
): Loaded => {
  const main = configOf(argv, environment);
  if (rendering) render(root, main.path, rendering);
  const config = main.given || exists(real(main.path)) ? main.path : undefined;
  return isCrio
    ? loadCrio(root, argv.slice(1), 'daemon', environmentOf(first))
    : listeningAt(argv, loadConfig(root, config, version, 'daemon'));
};

const environmentOf = (rows: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(rows.map((row) => [row.replace(/=.*/s, ''), row.replace(/^[^=]*=/, '')]));

/** A flag counts before every file. */
const listeningAt = (execStart: readonly string[], loaded: Loaded): Loaded => {
  const words = execStart.flatMap((word) => word.split(/(?<=^--address)=/));
  const socket = words[words.findIndex((word) => word === '-a' || word === '--address') + 1] ?? '';
  return loaded.kind === 'loaded' && socket.endsWith('.sock') ? { ...loaded, socket } : loaded;
};

const configOf = (
  execStart: readonly string[],
  environment: readonly string[],
): { readonly path: string; readonly given: boolean } => {
  const words = execStart.flatMap((word) => word.split(/(?<=^--config)=/));
  const flag = words.findIndex((word) => word === '-c' || word === '--config');
  const variables = environmentOf(environment);
  const given =
    flag > 0 ? words[flag + 1]?.replace(/^\$\{(\w+)\}$/, (_, name) => variables[name] ?? '') : undefined;
  return { path: given ?? '/etc/containerd/config.toml', given: flag > 0 };
};

const exists = (path: string): boolean => {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
};
