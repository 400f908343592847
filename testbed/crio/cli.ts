/** The command line: which words CRI-O takes, and what it does with each. */
import { join } from 'node:path';
import { checkConfig } from './config/check.ts';
import type { Host } from './config/check-handler.ts';
import { filesBelow } from './config/files.ts';
import { type Asked, loadConfig, Refused } from './config/load.ts';
import { logTo } from './config/log.ts';
import {
  type Config,
  defaultConfig,
  emptyHandler,
  type Handler,
  list,
  setting,
  text,
} from './config/model.ts';
import { printed } from './config/print.ts';
import { programsOf } from './config/programs.ts';
import { askConfig } from './serve/ask.ts';
import { jsonVersion, longVersion, shortVersion } from './version.ts';

export type Surroundings = {
  readonly root: string;
  readonly path: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Serves until it is told to end. */
  readonly daemon: (config: Config, host: Host) => Promise<void>;
};

/** Flags with a value, and the key that they stand above. */
const valued: Readonly<Record<string, readonly [section: string, key: string] | undefined>> = {
  '--cgroup-manager': ['runtime', 'cgroup_manager'],
  '--conmon': ['runtime', 'conmon'],
  '--conmon-cgroup': ['runtime', 'conmon_cgroup'],
  '--default-runtime': ['runtime', 'default_runtime'],
  '--listen': ['api', 'listen'],
  '--log-level': ['runtime', 'log_level'],
  '--pause-command': ['image', 'pause_command'],
  '--pause-image': ['image', 'pause_image'],
  '--root': ['crio', 'root'],
  '--runroot': ['crio', 'runroot'],
};

/** NAME:PATH:ROOT[:TYPE] */
const handlerOf = (value: string): readonly [string, Handler] => {
  const [name = '', path = '', root, type = 'oci'] = value.split(':');
  if (root === undefined) throw new Refused(`invalid format for --runtimes: ${JSON.stringify(value)}`);
  return [name, { ...emptyHandler(), runtime_path: path, runtime_root: root, runtime_type: type }];
};

type Words = { asked: Asked; version: boolean; command: readonly string[] };

export const wordsOf = (
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Words => {
  let main = environment.CONTAINER_CONFIG;
  let folder = environment.CONTAINER_CONFIG_DIR;
  let version = false;
  const flags = Object.entries(valued).flatMap(([name, key]): (readonly [string, string, string])[] => {
    const value = environment[`CONTAINER${name.slice(1).toUpperCase().replaceAll('-', '_')}`];
    return value === undefined || !key ? [] : [[...key, value]];
  });
  const handlers: (readonly [string, Handler])[] = [];
  const rest = [...argv];
  while (rest[0]?.startsWith('-')) {
    const [name = '', ...joined] = (rest.shift() ?? '').split('=');
    const value = (): string => (joined.length > 0 ? joined.join('=') : (rest.shift() ?? ''));
    const key = valued[name];
    if (name === '-c' || name === '--config') main = value();
    else if (name === '-d' || name === '--config-dir') folder = value();
    else if (name === '-v' || name === '--version') version = true;
    else if (name === '--runtimes') handlers.push(...value().split(',').map(handlerOf));
    else if (key !== undefined) flags.push([...key, value()]);
    else throw new Refused(`flag provided but not defined: ${name.replace(/^--/, '-')}`);
  }
  return { asked: { main, folder, flags, handlers }, version, command: rest };
};

const status = async (what: string, { root }: Surroundings, config: Config): Promise<string> => {
  const socket = join(root, text(setting(config, 'api', 'listen')));
  try {
    const told = await askConfig(socket);
    if (what === 'config') return told;
    if (what !== 'info') throw new Refused(`command ${JSON.stringify(what)} not supported`);
    const line = (key: string): string => new RegExp(`^${key} = (.*)$`, 'm').exec(told)?.[1] ?? '""';
    const roots = `storage root: ${line('root')}\ncgroup driver: ${line('cgroup_manager')}\n`;
    return roots.replaceAll('"', '');
  } catch (error) {
    throw error instanceof Refused ? error : new Refused(`unable to get ${what}: ${String(error)}`);
  }
};

export const programOf = async (argv: readonly string[], around: Surroundings): Promise<number> => {
  const log = logTo(around.error);
  const files = filesBelow(around.root, around.path);
  try {
    const { asked, version, command } = wordsOf(argv, around.environment);
    if (version) {
      around.out(shortVersion);
      return 0;
    }
    const config = loadConfig(files, asked, log);
    const [verb, ...options] = command;
    const wrong = options.find((one) => one.startsWith('-') && one !== '--default' && one !== '--json');
    if (wrong !== undefined) throw new Refused(`flag provided but not defined: ${wrong.replace(/^--/, '-')}`);
    switch (verb) {
      case 'version':
        around.out(options.includes('--json') ? jsonVersion : longVersion);
        return 0;
      case 'config': {
        checkConfig(config);
        const usual = options.includes('--default');
        const capabilities = list(setting(config, 'runtime', 'default_capabilities'));
        log('info', `Using default capabilities: ${capabilities.map((one) => `CAP_${one}`).join(', ')}`);
        around.out(usual ? printed(defaultConfig(), true) : printed(config));
        return 0;
      }
      case 'status':
        around.out(await status(options[0] ?? '', around, config));
        return 0;
      case undefined:
        await around.daemon(config, { files, programs: programsOf(files), log });
        return 0;
      default:
        throw new Refused(`command ${JSON.stringify(verb)} not supported`);
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    log('fatal', error.message);
    return 1;
  }
};
