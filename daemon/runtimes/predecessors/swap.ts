/** Our handlers in the place of tables that a predecessor wrote for containerd: one change of the same files. */
import type { Problem } from '../../../protocol/problem/problem.ts';
import { deepEqual, differences, shownPath, type Table, tableAt } from '../../toml/compare.ts';
import { withoutTable } from '../../toml/splice-tables.ts';
import { declaredSchema, meaningful, schemas } from '../containerd/config.ts';
import { wayOf } from '../containerd/places/ways.ts';
import type { Site } from '../containerd/way.ts';
import type { ConfigFile } from '../facts.ts';
import type { Parsed } from '../parsed.ts';
import type { Tables, WantedFile, Wiring } from '../runtime.ts';
import { cutOut, type Replaceable } from './replace.ts';

/** What a file means without them. */
export const withoutTables = ({ path, doc }: Parsed, replaceable: readonly Replaceable[]): Table =>
  replaceable.reduce((rest, { file, part }) => (file === path ? withoutTable(rest, part.path) : rest), doc);

/** Those in whose place ours come, and those that go without ours. */
export const chosenOf = (
  replaceable: readonly Replaceable[],
  tables: Tables,
  gone?: ReadonlySet<string>,
): readonly Replaceable[] =>
  replaceable.filter(({ part: { handler } }) => tables.has(handler) || gone?.has(handler));

export const wireWithout = (site: Site, chosen: readonly Replaceable[], tables: Tables): Wiring => {
  const { facts, files } = cutOut(site.runtime, site.files, chosen);
  const wiring = wayOf({ ...site, runtime: facts, files }).wire(tables);
  // Its template is among ours.
  const isRendered = (path: string): boolean =>
    site.runtime.place?.kind === 'template' && path === site.runtime.configPath;
  const ours = new Set(wiring.files.map(({ path }) => path));
  const others = facts.config.flatMap(({ path, fact }): readonly WantedFile[] =>
    fact.kind === 'regular' &&
    !ours.has(path) &&
    !isRendered(path) &&
    chosen.some(({ file }) => file === path)
      ? [{ path, text: fact.text }]
      : [],
  );
  return { ...wiring, taken: { tables: chosen, files: others } };
};

/** What of a table is the same in two handlers' tables: not where the program is. */
const restOf = (table: Table): unknown => {
  const { runtime_type: _type, ...rest } = table;
  return meaningful({ ...rest, runtime_type: '/' });
};

/** containerd does not read a table below the key of version 2 in a file of version 3. An imported file has a version of its own. */
const isDead = (doc: Table, { path }: Replaceable['part']): boolean =>
  (declaredSchema(doc) ?? 0) >= 3 && path[1] === schemas[2].cri[1];

export const unlikeOf = (
  replaceable: readonly Replaceable[],
  config: readonly ConfigFile[],
  name: string,
  table: Table,
): Problem | undefined => {
  for (const { file, part } of replaceable) {
    const doc = config.find(({ path }) => path === file)?.doc ?? {};
    if (part.handler !== name || isDead(doc, part)) continue;
    const [theirs, ours] = [restOf(tableAt(doc, part.path) ?? {}), restOf(table)];
    if (deepEqual(theirs, ours)) continue;
    const paths = differences(theirs, ours).map(({ path }) => shownPath(path));
    return {
      code: 'owned-by-another',
      message: `the table that ${part.predecessor.name} wrote for "${name}" has other settings than the Shim: ${paths.join(', ')}`,
      where: { file, line: part.line },
      handler: name,
      hint: 'Give the Shim the same settings (containerdRuntimeOptions), or take the table out by hand.',
    };
  }
  return undefined;
};
