/** The tables of predecessors that a person allowed to replace, as far as their bytes are still what was found. */
import type { FileFact } from '../../../host/facts.ts';
import { digestOf } from '../../../protocol/digest.ts';
import type { Takeover } from '../../model/takeover.ts';
import type { RuntimeFacts } from '../facts.ts';
import { configFile } from '../parsed.ts';
import { generatedAt } from '../generated.ts';
import { withoutParts } from './cut.ts';
import { type Part, partsIn } from './parts.ts';

export type Replaceable = { readonly file: string; readonly part: Part };

export const replaceableIn = (
  { config, place }: RuntimeFacts,
  allowed: Takeover | undefined,
): readonly Replaceable[] => {
  // A distribution renders its main file anew: what is cut out of that comes back.
  if (!allowed || place || allowed.tables.length === 0) return [];
  const digests = new Set(
    allowed.tables.map(({ file, handler, digest }) => [file, handler, digest].join('\n')),
  );
  return config.flatMap(({ path: file, fact, doc }) =>
    fact.kind !== 'regular' || !doc || generatedAt(fact.text) !== undefined
      ? []
      : partsIn(fact.text, doc).parts.flatMap((part) =>
          digests.has([file, part.handler, part.digest].join('\n')) ? [{ file, part }] : [],
        ),
  );
};

/** The host as it would be without these tables. */
export const cutOut = (
  facts: RuntimeFacts,
  files: Readonly<Record<string, FileFact>>,
  chosen: readonly Replaceable[],
): { readonly facts: RuntimeFacts; readonly files: Readonly<Record<string, FileFact>> } => {
  const cut = (path: string, fact: FileFact): FileFact => {
    const parts = chosen.filter(({ file }) => file === path).map(({ part }) => part);
    if (fact.kind !== 'regular' || parts.length === 0) return fact;
    const text = withoutParts(fact.text, parts, path);
    return { ...fact, text, digest: digestOf(text) };
  };
  const config = facts.config.map((file) => {
    const fact = cut(file.path, file.fact);
    return fact === file.fact ? file : configFile(file.path, fact);
  });
  const known = new Map(config.map(({ path, fact }) => [path, fact]));
  return {
    facts: { ...facts, config },
    files: Object.fromEntries(Object.entries(files).map(([path, fact]) => [path, known.get(path) ?? fact])),
  };
};
