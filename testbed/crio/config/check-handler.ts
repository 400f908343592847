/** What the daemon of CRI-O 1.36.3 asks of one handler when it starts, in the order of `RuntimeHandler.Validate` in its pkg/config. */
import { knownAnnotations } from './annotations.ts';
import { quoted } from './cursor.ts';
import { type Files, PathError } from './files.ts';
import { Refused } from './load.ts';
import type { Log } from './log.ts';
import { type Handler, list, text } from './model.ts';
import type { Programs } from './programs.ts';

export type Host = { readonly files: Files; readonly programs: Programs; readonly log: Log };

export const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const isOci = (handler: Handler): boolean => ['', 'oci'].includes(text(handler.runtime_type));

export const exists = (files: Files, path: string): PathError | undefined => {
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

/** Throws Refused; fills in what it looked up. */
export const checkHandler = (host: Host, name: string, handler: Handler): void => {
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
