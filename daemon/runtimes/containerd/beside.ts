/** Our text in the main file, or in a drop-in beside it: for a main file that others write and that we may edit. */
import { parseConfig } from '../parsed.ts';
import type { Site, Way } from './way.ts';
import { handlersOfOurs, isMisreadDropIn, meaningOf, ownTables, textIn } from './way.ts';
import { layoutOf, wire } from './wiring.ts';

export const besideWay = ({ generation, runtime, files, ledger }: Site): Way => {
  const layout = layoutOf(generation, runtime, files, ledger);
  const { now, base, drop, stale, place, schema, declares } = layout;
  const mainPath = runtime.configPath;
  const foreign = runtime.config.flatMap((file) => {
    if (file.path === drop || stale.includes(file.path)) return [];
    if (file.path !== mainPath || file.fact.kind !== 'regular') return parseConfig([file]);
    return base === null ? [] : [{ path: mainPath, ...base }];
  });
  const text = textIn(files[drop]);
  return {
    schema,
    place,
    paths: [mainPath, drop, ...stale],
    whole: [drop],
    foreign,
    present: {
      ...ownTables(now?.doc, base?.doc),
      ...handlersOfOurs([drop, ...stale].map((file) => meaningOf(textIn(files[file])))),
    },
    isMisread: () =>
      generation.wiring === 'block'
        ? text !== null
        : isMisreadDropIn(text, place, declares ? schema : undefined),
    wire: (tables) => wire(layout, tables),
  };
};
