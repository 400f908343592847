/** What others added to a drop-in that rcm-node writes as a whole: it is lost with the next write, and named before that. */
import { recover } from '../../protocol/problem/problem.ts';
import { isTable, type Table, shownPath } from '../toml/compare.ts';
import { parseToml } from '../toml/toml.ts';
import { leadsToOwn } from './named.ts';
import type { Runtime } from './runtime.ts';

const most = 5;

/** The keys, without their values, which may be secrets. */
export const additionsIn = ({ handlersIn, plain }: Runtime, text: string): readonly string[] => {
  const doc = recover(
    () => parseToml(text, ''),
    () => undefined,
  );
  if (!doc) return ['text that is no TOML'];
  const tables = new Map(handlersIn(doc).map(({ name, path }) => [path.join('\n'), name]));
  const foreign = (table: Table, above: readonly string[]): readonly string[] =>
    Object.entries(table).flatMap(([key, value]) => {
      const path = [...above, key];
      const handler = tables.get(path.join('\n'));
      if (handler !== undefined) return leadsToOwn(handler, value) ? [] : [shownPath(path)];
      if (isTable(value)) return foreign(value, path);
      return path.length === 1 && key === 'version' ? [] : [shownPath(path)];
    });
  const found = foreign(doc, []);
  const remarks = text.split('\n').filter((line) => /^\s*#/.test(line) && !plain.comments.has(line.trim()));
  return [
    ...found.slice(0, most),
    ...(found.length > most ? [`${found.length - most} more`] : []),
    ...(remarks.length > 0 ? ['comments'] : []),
  ];
};
