/**
 * What CRI-O 1.36.3 checks in a configuration: `crio config` a few things, the daemon each handler. Held to the record
 * (test/fixtures/crio/crio-cases.json); the order of checks is that of its pkg/config/config.go.
 */
import { checkHandler, exists, type Host, isOci, said } from './check-handler.ts';
import { quoted } from './cursor.ts';
import type { Files } from './files.ts';
import { Refused } from './load.ts';
import { type Config, change, defaultRuntime, type Handler, list, setting, text } from './model.ts';

/** Throws Refused where it has no table. */
export const checkDefault = (config: Config): void => {
  const name = defaultRuntime(config);
  if (config.handlers.has(name)) return;
  if (name !== '')
    throw new Refused(
      `default_runtime set to ${quoted(name)}, but no runtime entry table [crio.runtime.runtimes.${name}] was found`,
    );
  change(config, 'runtime', 'default_runtime', 'crun');
};

const checkTimezone = (zone: string): void => {
  if (zone === '' || zone.toLowerCase() === 'local') return;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
  } catch {
    throw new Refused(`invalid timezone: ${zone}`);
  }
};

const inherit = (files: Files, config: Config, handler: Handler): void => {
  const name = defaultRuntime(config);
  const parent = config.handlers.get(name);
  if (handler.inherit_default_runtime !== true || parent === undefined) return;
  for (const key of ['runtime_path', 'runtime_type', 'runtime_config_path', 'runtime_root'])
    handler[key] = parent[key] ?? '';
  if (handler.runtime_path === '')
    try {
      handler.runtime_path = files.lookPath(name);
    } catch {
      // Then its own name is looked up.
    }
};

/** Takes out handlers that are not usable, with a warning; throws Refused for the default one. */
export const checkHandlers = (host: Host, config: Config): void => {
  for (const handler of config.handlers.values()) inherit(host.files, config, handler);
  for (const [name, handler] of [...config.handlers])
    try {
      checkHandler(host, name, handler);
    } catch (error) {
      if (!(error instanceof Refused) || name === defaultRuntime(config)) throw error;
      host.log('warning', `Runtime handler ${quoted(name)} is being ignored due to: ${error.message}`);
      config.handlers.delete(name);
    }
};

/** `conmon` and `conmon_cgroup` stand above what a handler says; `host` is undefined when nothing is to be run. */
const checkMonitors = (config: Config, host: Host | undefined): void => {
  const systemd = host === undefined || setting(config, 'runtime', 'cgroup_manager') === 'systemd';
  for (const [name, handler] of config.handlers) {
    if (!isOci(handler)) continue;
    const refuse = (message: string): never => {
      throw new Refused(`failed to translate monitor fields for runtime ${name}: ${message}`);
    };
    handler.monitor_cgroup =
      text(setting(config, 'runtime', 'conmon_cgroup')) || text(handler.monitor_cgroup);
    handler.monitor_path = text(setting(config, 'runtime', 'conmon')) || text(handler.monitor_path);
    const env = list(setting(config, 'runtime', 'conmon_env'));
    if (env.length > 0) handler.monitor_env = env;
    if (systemd && handler.monitor_cgroup === '') handler.monitor_cgroup = 'system.slice';
    if (host === undefined) continue;
    if (handler.monitor_path === '')
      try {
        handler.monitor_path = host.files.lookPath('conmon');
      } catch (error) {
        refuse(said(error));
      }
    const fault = exists(host.files, text(handler.monitor_path));
    if (fault !== undefined) refuse(`invalid conmon path: ${fault.message}`);
    if (!systemd && handler.monitor_cgroup === 'system.slice') handler.monitor_cgroup = '';
    const group = text(handler.monitor_cgroup);
    if (!systemd && !['', 'pod'].includes(group))
      refuse(`cgroupfs manager conmon cgroup should be 'pod' or empty, but got: '${group}'`);
    if (systemd && group !== 'pod' && !group.endsWith('.slice'))
      refuse("conmon cgroup should be 'pod' or a systemd slice");
  }
};

const within = (what: string, act: () => void): void => {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new Refused(`${what}: ${error.message}`);
  }
};

/** Changes the configuration as CRI-O does; `host` is given where the daemon starts. Throws Refused. */
export const checkConfig = (config: Config, host?: Host): void => {
  if (!['mkdir', 'bind', 'ignore'].includes(text(setting(config, 'image', 'image_volumes'))))
    throw new Refused('unrecognized image volume type specified');
  within('validating runtime config', () => {
    checkDefault(config);
    checkTimezone(text(setting(config, 'runtime', 'timezone')));
    if (host !== undefined) within('runtime validation', () => checkHandlers(host, config));
    within('monitor fields translation', () => checkMonitors(config, host));
  });
};
