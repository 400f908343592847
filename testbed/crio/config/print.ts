/**
 * What `crio config` prints: every key, those with their default value as a comment, and the handlers all live as soon as one
 * of them differs. Each line that is no explanation is CRI-O's, byte for byte; its long explanations are left out.
 */
import { isDeepStrictEqual } from 'node:util';
import { quoted } from './cursor.ts';
import { type Config, defaultConfig, type Handler, list, map, text } from './model.ts';
import { type Key, type Setting, sections } from './schema.ts';

const listed = (name: string, items: readonly string[], comment: string): string =>
  `${comment}${name} = [\n${items.map((item) => `${comment}\t${quoted(item)},\n`).join('')}${comment}]`;

const line = ({ name, kind }: Key, value: Setting | undefined, comment: string): string => {
  if (kind === 'list') return listed(name, list(value), comment);
  const bareValue = kind === 'bool' || kind === 'int' ? String(value) : `"${text(value)}"`;
  return `${comment}${name} = ${bareValue}`;
};

const inlineMap = (name: string, entries: Readonly<Record<string, string>>): string => {
  const pairs = Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length === 0) return '\n';
  return `${name} = {${pairs.map(([key, value]) => `${quoted(key)} = ${quoted(value)}`).join(',')}}\n\n`;
};

/** A name that needs quotes is printed without them. */
const handlerText = (name: string, handler: Handler, comment: string): string => {
  const value = (key: string): string => `${comment}${key} = "${text(handler[key])}"\n`;
  const flag = (key: string): string => `${comment}${key} = ${handler[key] === true}\n`;
  const environment = list(handler.monitor_env);
  const annotations = list(handler.allowed_annotations);
  return [
    `\n${comment}[crio.runtime.runtimes.${name}]\n`,
    value('runtime_path'),
    value('runtime_type'),
    value('runtime_root'),
    flag('inherit_default_runtime'),
    value('runtime_config_path'),
    value('container_min_memory'),
    value('monitor_path'),
    value('monitor_cgroup'),
    value('monitor_exec_cgroup'),
    environment.length > 0 ? `${listed('monitor_env', environment, comment)}\n` : `${comment}\n`,
    annotations.length > 0 ? `${listed('allowed_annotations', annotations, comment)}\n` : '\n',
    flag('privileged_without_host_devices'),
    inlineMap('platform_runtime_paths', map(handler.platform_runtime_paths)),
    inlineMap('default_annotations', map(handler.default_annotations)),
  ].join('');
};

const example = '# [crio.runtime.runtimes.runtime-handler]\n# runtime_path = "/path/to/the/executable"\n';

const handlersText = (config: Config, comment: string): string =>
  `${example}\n${[...config.handlers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, handler]) => handlerText(name, handler, comment))
    .join('')}\n`;

/** `all`: with the values that are defaults, too (`crio config --default`). */
export const printed = (config: Config, all = false): string => {
  const usual = defaultConfig();
  const commentOf = (same: boolean): string => (same && !all ? '# ' : '');
  const parts = [...sections].map(([section, keys]) => {
    const lines = keys
      .filter((key) => key.printed)
      .map((key) => {
        if (key.kind === 'handlers')
          return handlersText(config, commentOf(isDeepStrictEqual(config.handlers, usual.handlers)));
        const value = config.settings.get(section)?.get(key.name);
        return `${line(key, value, commentOf(isDeepStrictEqual(value, key.fallback)))}\n\n`;
      });
    return `[${section === 'crio' ? 'crio' : `crio.${section}`}]\n\n${lines.join('')}`;
  });
  return `# Printed by a stand-in for CRI-O, without its explanations.\n${parts.join('')}`;
};

const tomlValue = (value: Setting): string => {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(quoted).join(', ')}]`;
  return '';
};

/** What the daemon logs when it starts, and `crio status config` shows: a handler's keys that have a value. */
export const effective = (config: Config): string => {
  const always = new Set([
    'runtime_config_path',
    'runtime_path',
    'runtime_type',
    'runtime_root',
    'no_sync_log',
  ]);
  const isSet = (value: Setting): boolean =>
    !(value === '' || value === false || value === 0n || (Array.isArray(value) && value.length === 0));
  const handlers = [...config.handlers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, handler]) => {
      const table = `crio.runtime.runtimes.${/^[\w-]+$/.test(name) ? name : quoted(name)}`;
      const keys = Object.entries(handler).filter(([key, value]) => always.has(key) || isSet(value));
      const plain = keys.filter(([, value]) => typeof value !== 'object' || Array.isArray(value));
      const maps = keys.filter(([, value]) => Object.keys(map(value)).length > 0);
      return [
        `[${table}]`,
        ...plain.map(([key, value]) => `${key} = ${tomlValue(value)}`),
        ...maps.flatMap(([key, value]) => [
          `[${table}.${key}]`,
          ...Object.entries(map(value)).map(([one, other]) => `${quoted(one)} = ${quoted(other)}`),
        ]),
      ].join('\n');
    });
  const tables = [...config.settings].map(([section, keys]) => {
    const lines = [...keys]
      .filter(([, value]) => typeof value !== 'object' || Array.isArray(value))
      .map(([key, value]) => `${key} = ${tomlValue(value)}`);
    return `[${section === 'crio' ? 'crio' : `crio.${section}`}]\n${lines.join('\n')}`;
  });
  return `${[...tables, ...handlers].join('\n\n')}\n`;
};
