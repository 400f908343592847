/** A configuration of CRI-O in memory. */
import { type Setting, handlerKeys, sections } from './schema.ts';

/** Every key of a handler's table by its name; absent ones have the value of Go's zero. */
export type Handler = Record<string, Setting>;

export type Config = {
  /** By table below `crio`; the keys of `crio` itself are in `crio`. */
  readonly settings: ReadonlyMap<string, Map<string, Setting>>;
  handlers: Map<string, Handler>;
  /** What a reload reads again; '' is nothing. */
  mainFile: string;
  folder: string;
};

export const text = (value: Setting | undefined): string => (typeof value === 'string' ? value : '');
export const list = (value: Setting | undefined): readonly string[] => (Array.isArray(value) ? value : []);
export const map = (value: Setting | undefined): Readonly<Record<string, string>> =>
  typeof value === 'object' && !Array.isArray(value) ? (value as Readonly<Record<string, string>>) : {};

export const setting = (config: Config, section: string, key: string): Setting | undefined =>
  config.settings.get(section)?.get(key);
export const change = (config: Config, section: string, key: string, value: Setting): void => {
  config.settings.get(section)?.set(key, value);
};

export const defaultRuntime = (config: Config): string => text(setting(config, 'runtime', 'default_runtime'));

export const emptyHandler = (): Handler =>
  Object.fromEntries(handlerKeys.map(({ name, fallback }) => [name, fallback]));

const crun = (): Handler => ({
  ...emptyHandler(),
  runtime_type: 'oci',
  runtime_root: '/run/crun',
  container_create_timeout: 240n,
  allowed_annotations: ['io.containers.trace-syscall', 'devices.crio.io'],
  monitor_env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  container_min_memory: '500KiB',
  monitor_cgroup: 'system.slice',
});

export const defaultConfig = (): Config => ({
  settings: new Map(
    [...sections].map(([name, keys]) => [name, new Map(keys.map((key) => [key.name, key.fallback]))]),
  ),
  handlers: new Map([['crun', crun()]]),
  mainFile: '',
  folder: '',
});

/** The server's own copy: a later change of one is not seen by the other. */
export const copyOf = (config: Config): Config => ({
  ...config,
  settings: new Map([...config.settings].map(([name, keys]) => [name, new Map(keys)])),
  handlers: new Map([...config.handlers].map(([name, handler]) => [name, { ...handler }])),
});
