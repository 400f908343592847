/** What `crio config` prints. It fills a template with names and values as they are: not all of that is TOML. */
import type { Problem } from '../../../protocol/problem/problem.ts';
import { isTable, printString, type Table, tableAt } from '../../toml/compare.ts';
import { parseToml } from '../../toml/toml.ts';
import { type Parsed, readOnce, whereIn } from '../parsed.ts';
import type { Tables } from '../runtime.ts';
import { runtimesPath } from './config.ts';

/** A name ends with the line, and so does the text of a single value; members of lists, and of tables in one line, have quotes. */
const quoted = (text: string): string =>
  text
    .replace(/^\[crio\.runtime\.runtimes\.([^\n]*)\]$/gm, (_all, name: string) => header('runtimes', name))
    .replace(
      /^\[crio\.runtime\.workloads\.([^\n]*?)(\.resources)?\]$/gm,
      (_all, name: string, inner: string | undefined) => header('workloads', name, inner),
    )
    .replace(/^(\w+ = )"([^\n]*)"$/gm, (_all, key: string, value: string) => `${key}${printString(value)}`);

const header = (kind: string, name: string, inner = ''): string =>
  `[crio.runtime.${kind}.${printString(name)}${inner}]`;

/** Printed after the tables of handlers, so that a reader takes them for keys of the last one. */
const strays = new Set(['hostnetwork_disable_selinux', 'disable_hostport_mapping', 'timezone']);

/** Separates the handler tables from the rest. `crio config` prints them as comments when all of them are the built-in ones. */
export const dumpOf = readOnce((text): { readonly handlers: Tables; readonly rest: Table } => {
  const doc = parseToml(quoted(text), 'crio config', 'broken-config');
  const runtime = tableAt(doc, ['crio', 'runtime']) ?? {};
  const tables = tableAt(doc, runtimesPath) ?? {};
  const loose: Record<string, unknown> = {};
  const handlers = new Map<string, Table>();
  for (const [name, table] of Object.entries(tables)) {
    if (!isTable(table)) continue;
    const own = Object.entries(table).filter(([key, value]) => {
      if (strays.has(key)) loose[key] = value;
      return !strays.has(key);
    });
    handlers.set(name, Object.fromEntries(own));
  }
  const { runtimes: _runtimes, ...others } = runtime;
  return {
    handlers,
    rest: { ...doc, crio: { ...tableAt(doc, ['crio']), runtime: { ...others, ...loose } } },
  };
});

/** For a dump that is no TOML: the first line of a file with a name or a value that a template cannot print. */
export const unprintable = (files: readonly Parsed[]): Problem | undefined => {
  for (const file of files) {
    const path = breaking(file.doc, []);
    if (path)
      return {
        code: 'broken-config',
        message: 'it has a name or a value with a line break, and what CRI-O prints of that cannot be read',
        where: whereIn(file, path),
        hint: 'Take the line break out of it. Until then rcm-node cannot see whether a change would change other settings.',
      };
  }
  return undefined;
};

const isBreaking = (text: string): boolean => text.includes('\n');

const breaking = (value: unknown, path: readonly (string | number)[]): typeof path | undefined => {
  if (typeof value === 'string') return isBreaking(value) ? path : undefined;
  if (!isTable(value) && !Array.isArray(value)) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    const found = isBreaking(key) ? at : breaking(inner, at);
    if (found) return found;
  }
  return undefined;
};
