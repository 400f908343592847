/** docs/json.md as a schema: what its tables say of a document, held against one. */
import { tables } from '../../packaging/documents/json-tables.ts';

export type Seen = Set<string>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const faultOf = (type: string, value: unknown, at: string, seen: Seen): readonly string[] => {
  if (type.endsWith(' or null')) return value === null ? [] : faultOf(type.slice(0, -8), value, at, seen);
  const list = /^(.+)\[\]$/.exec(type)?.[1];
  if (list !== undefined)
    return Array.isArray(value)
      ? value.flatMap((one, index) => faultOf(list, one, `${at}[${index}]`, seen))
      : [`${at} is no list`];
  const map = /^map of (.+)$/.exec(type)?.[1];
  if (map !== undefined)
    return isObject(value)
      ? Object.entries(value).flatMap(([key, one]) => faultOf(map, one, `${at}.${key}`, seen))
      : [`${at} is no object`];
  if (type.startsWith('"')) {
    const known = [...type.matchAll(/"(\w+)"/g)].map((one) => one[1]);
    return known.includes(String(value)) ? [] : [`${at} is ${JSON.stringify(value)}, not one of ${type}`];
  }
  if (/^[A-Z]/.test(type)) return faultsOf([type], value, at, seen);
  return typeof value === type ? [] : [`${at} is ${JSON.stringify(value)}, not a ${type}`];
};

/** What in `value` is not as the tables with these headings say; `seen` collects which of their rows were met. */
export const faultsOf = (
  headings: readonly string[],
  value: unknown,
  at = '$',
  seen: Seen = new Set(),
): readonly string[] => {
  if (!isObject(value)) return [`${at} is no object`];
  const rows = headings.flatMap((heading) => {
    const table = tables.get(heading);
    if (!table) throw new Error(`docs/json.md has no table "${heading}"`);
    return table.map((field) => ({ ...field, heading }));
  });
  return [
    ...Object.keys(value)
      .filter((key) => !rows.some((row) => row.name === key))
      .map((key) => `${at}.${key} is not documented`),
    ...rows.flatMap((row) => {
      const inner = value[row.name];
      if (inner === undefined) return row.isOptional ? [] : [`${at}.${row.name} is missing`];
      seen.add(`${row.heading}.${row.name}`);
      return faultOf(row.type, inner, `${at}.${row.name}`, seen);
    }),
  ];
};
