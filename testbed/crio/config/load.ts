/** Reads what CRI-O reads, in its order: crio.conf, then every file below crio.conf.d; and again for a reload. */
import { TomlError } from './cursor.ts';
import { decodeInto } from './decode.ts';
import { type Files, PathError } from './files.ts';
import type { Log } from './log.ts';
import { change, type Config, defaultConfig, type Handler } from './model.ts';
import type { Setting } from './schema.ts';

export const usualMain = '/etc/crio/crio.conf';
export const usualFolder = '/etc/crio/crio.conf.d';

export type Asked = {
  /** `-c`; undefined is the usual file, which alone may be absent, and '' none. */
  readonly main: string | undefined;
  readonly folder: string | undefined;
  /** Flags that stand above every file. */
  readonly flags: readonly (readonly [section: string, key: string, value: Setting])[];
  /** Of `--runtimes`. */
  readonly handlers?: readonly (readonly [name: string, handler: Handler])[];
};

/** Ends the program; the message is what CRI-O says last. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

const within = <Answer>(what: string, act: () => Answer): Answer => {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refused || error instanceof PathError || error instanceof TomlError)
      throw new Refused(`${what}: ${error.message}`, {
        cause: error instanceof Refused ? error.cause : error,
      });
    throw error;
  }
};

const readOne = (files: Files, path: string, config: Config, log: Log): void => {
  log('info', `Updating config from drop-in file: ${path}`);
  const bytes = files.read(path);
  within(`unable to decode configuration ${path}`, () => decodeInto(config, bytes));
};

const exists = (files: Files, path: string): boolean => {
  try {
    files.stat(path);
    return true;
  } catch (error) {
    return !(error instanceof PathError && error.missing);
  }
};

const readFolder = (files: Files, folder: string, config: Config, log: Log): void => {
  log('info', `Updating config from path: ${folder}`);
  if (folder === '' || !exists(files, folder)) return;
  within('walk path', () => {
    for (const path of files.walk(folder)) readOne(files, path, config, log);
  });
  // Remembered only if it was there: a folder made later is not read by a reload.
  config.folder = folder;
};

const readMain = (files: Files, path: string, config: Config, log: Log): void => {
  log('info', `Updating config from single file: ${path}`);
  within('update config from drop-in file', () => readOne(files, path, config, log));
};

const readAll = (files: Files, asked: Asked, log: Log): Config => {
  const config = defaultConfig();
  const main = asked.main ?? usualMain;
  if (main !== '')
    try {
      within('update config from file', () => readMain(files, main, config, log));
    } catch (error) {
      const missing = error instanceof Refused && error.cause instanceof PathError && error.cause.missing;
      if (missing) log('info', `Skipping not-existing config file "${main}"`);
      if (asked.main !== undefined || !missing) throw error;
    }
  within('update config from path', () => readFolder(files, asked.folder ?? usualFolder, config, log));
  config.mainFile = main;
  for (const [section, key, value] of asked.flags) change(config, section, key, value);
  for (const [name, handler] of asked.handlers ?? []) config.handlers.set(name, handler);
  return config;
};

/** Throws Refused. */
export const loadConfig = (files: Files, asked: Asked, log: Log): Config =>
  within('get and merge config from context', () => readAll(files, asked, log));

/** What a SIGHUP reads: the same files without the flags. Throws Refused. */
export const readAgain = (files: Files, before: Config, log: Log): Config => {
  const config = defaultConfig();
  if (before.mainFile !== '' && exists(files, before.mainFile))
    within('update config from single file', () => readMain(files, before.mainFile, config, log));
  else log('info', `Skipping not-existing config file "${before.mainFile}"`);
  if (before.folder !== '' && exists(files, before.folder))
    within('update config from path', () => readFolder(files, before.folder, config, log));
  else log('info', `Skipping not-existing config path "${before.folder}"`);
  return config;
};
