/**
 * What CRI-O 1.36.3 checks in a configuration: `crio config` a few things, the daemon each handler. Held to the record
 * (test/fixtures/crio/crio-cases.json); the order of checks is that of its pkg/config/config.go.
 */
import { knownAnnotations } from './annotations.ts';
import { quoted } from './cursor.ts';
import { type Files, PathError } from './files.ts';
import { Refused } from './load.ts';
import type { Log } from './log.ts';
import { type Config, change, defaultRuntime, type Handler, list, setting, text } from './model.ts';
import type { Programs } from './programs.ts';

export type Host = { readonly files: Files; readonly programs: Programs; readonly log: Log };

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

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

const isOci = (handler: Handler): boolean => ['', 'oci'].includes(text(handler.runtime_type));

const exists = (files: Files, path: string): PathError | undefined => {
  try {
    files.stat(path);
    return undefined;
  } catch (error) {
    if (error instanceof PathError) return error;
    throw error;
  }
};

const checkPath = (files: Files, name: string, handler: Handler): void => {
  const path = text(handler.runtime_path);
  if (path === '')
    try {
      handler.runtime_path = files.lookPath(name);
    } catch (error) {
      throw new Refused(`${quoted(name)} not found in $PATH: ${said(error)}`);
    }
  else {
    const fault = exists(files, path);
    if (fault?.missing) throw new Refused(`invalid runtime_path for runtime '${name}': ${fault.message}`);
  }
  const file = text(handler.runtime_path).split('/').at(-1) ?? '';
  if (handler.runtime_type === 'vm' && !/containerd-shim-([a-zA-Z0-9\-+])+-v2/.test(file))
    throw new Refused(
      `invalid runtime_path for runtime '${name}': containerd binary naming pattern is not followed`,
    );
};

const checkConfigPath = (files: Files, name: string, handler: Handler): void => {
  const path = text(handler.runtime_config_path);
  if (path === '') return;
  if (handler.runtime_type !== 'vm')
    throw new Refused("runtime_config_path can only be used with the 'vm' runtime type");
  const fault = exists(files, path);
  if (fault?.missing)
    throw new Refused(`invalid runtime_config_path for runtime '${name}': ${fault.message}`);
};

const checkMemory = (name: string, handler: Handler, log: Log): void => {
  const size = text(handler.container_min_memory);
  if (/^\d+(\.\d+)? ?([kmgtp]?i?b?)$/i.test(size)) return;
  handler.container_min_memory = '12MiB';
  if (size !== '')
    log(
      'error',
      `Unable to set minimum container memory for runtime handler ${quoted(name)}: unable to set runtime memory to ${quoted(size)}: invalid size: '${size}'. Setting to 12582912 instead`,
    );
};

const checkStreaming = ({ programs, files }: Host, name: string, handler: Handler): void => {
  const type = text(handler.runtime_type);
  if (type === 'pod')
    try {
      programs.ask(text(handler.monitor_path) || files.lookPath('conmonrs'), ['--version-json']);
    } catch (error) {
      throw new Refused(
        `websocket streaming: get conmon-rs version: run \`conmonrs --version-json\`: : ${said(error)}`,
      );
    }
  else if (handler.stream_websockets === true)
    throw new Refused(
      `websocket streaming: only the 'runtime_type = "pod"' supports websocket streaming, not ${quoted(type)} (runtime ${quoted(name)})`,
    );
};

const checkHandler = (host: Host, name: string, handler: Handler): void => {
  const type = text(handler.runtime_type);
  if (!['', 'oci', 'vm', 'pod'].includes(type))
    throw new Refused(`invalid \`runtime_type\` ${quoted(type)} for runtime ${quoted(name)}`);
  checkPath(host.files, name, handler);
  checkConfigPath(host.files, name, handler);
  const unknown = list(handler.allowed_annotations).find((one) => !knownAnnotations.includes(one));
  if (unknown !== undefined) throw new Refused(`invalid allowed_annotation: ${unknown}`);
  checkMemory(name, handler, host.log);
  const timeout = handler.container_create_timeout;
  if (timeout === 0n) handler.container_create_timeout = 240n;
  else if (typeof timeout === 'bigint' && timeout < 30n) handler.container_create_timeout = 30n;
  if (handler.no_sync_log === true && !isOci(handler))
    throw new Refused(
      `no sync log: no_sync_log is only allowed with runtime type 'oci', runtime type is '${type}'`,
    );
  checkStreaming(host, name, handler);
  const affinity = text(handler.exec_cpu_affinity);
  if (!['', 'first'].includes(affinity)) throw new Refused(`invalid exec_cpu_affinity ${quoted(affinity)}`);
  const profile = text(handler.seccomp_profile);
  if (profile !== '')
    try {
      host.files.read(profile);
    } catch (error) {
      throw new Refused(
        `unable to load runtime handler seccomp profile: open seccomp profile: ${said(error)}`,
      );
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
