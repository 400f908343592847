/** The tables of predecessors that a person allowed to replace, as far as their bytes are still what was found. */
import type { FileFact } from '../../../host/facts.ts';
import { digestOf } from '../../../protocol/digest.ts';
import type { Takeover } from '../../model/takeover.ts';
import { type Span, skipBreak } from '../../toml/toml-text.ts';
import type { ConfigFile, RuntimeFacts } from '../facts.ts';
import { configFile } from '../parsed.ts';
import { generatedAt } from '../generated.ts';
import { withoutParts, withoutSpans } from './cut.ts';
import { type Part, partsIn } from './parts.ts';

export type Replaceable = { readonly file: string; readonly part: Part };

export const replaceableIn = (
  facts: RuntimeFacts,
  files: Readonly<Record<string, FileFact>>,
  allowed: Takeover | undefined,
): readonly Replaceable[] => {
  if (!allowed || allowed.tables.length === 0) return [];
  const digests = new Set(
    allowed.tables.map(({ file, handler, digest }) => [file, handler, digest].join('\n')),
  );
  return facts.config.flatMap((one) => {
    const { path: file, fact, doc } = one;
    return fact.kind !== 'regular' || !doc
      ? []
      : partsIn(fact.text, doc).parts.flatMap((part) =>
          digests.has([file, part.handler, part.digest].join('\n')) &&
          whyFixed(facts, one, part, templateIn(facts, files)) === undefined
            ? [{ file, part }]
            : [],
        );
  });
};

const templateIn = (
  { place }: RuntimeFacts,
  files: Readonly<Record<string, FileFact>>,
): string | undefined => {
  const fact = place?.kind === 'template' ? files[place.path] : undefined;
  return fact?.kind === 'regular' ? fact.text : undefined;
};

/**
 * Why a part cannot be taken out of the files: a distribution would render it again. It can, where the text of its template has
 * the same bytes, once. `template`: that text.
 */
export const whyFixed = (
  { configPath, place }: RuntimeFacts,
  { path, fact }: ConfigFile,
  part: Part,
  template: string | undefined,
): string | undefined => {
  const text = fact.kind === 'regular' ? fact.text : '';
  if (place === undefined || place.kind === 'override')
    return generatedAt(text) === undefined ? undefined : 'the file says that it is generated';
  if (place.kind !== 'template' || path !== configPath) return 'a distribution renders this file';
  return template !== undefined &&
    part.spans.every((span) => onceIn(template, bytesOf(text, span)) !== undefined)
    ? undefined
    : `a distribution renders this file, and ${place.path} does not have these lines once`;
};

const bytesOf = (text: string, { start, end }: Span): string => text.slice(start, end).trimEnd();

/** Where these bytes are, if that is at one place alone. */
const onceIn = (text: string, bytes: string): number | undefined => {
  const at = text.indexOf(bytes);
  return at < 0 || text.indexOf(bytes, at + 1) >= 0 ? undefined : at;
};

/** The parts of a rendered file, in its template. */
const inTemplate = (template: string, rendered: string, parts: readonly Part[]): readonly Part[] =>
  parts.map((part) => ({
    ...part,
    spans: part.spans.map((span) => {
      const bytes = bytesOf(rendered, span);
      const start = onceIn(template, bytes) ?? template.length;
      return { start, end: skipBreak(template, Math.min(start + bytes.length, template.length)) };
    }),
  }));

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
  const template = facts.place?.kind === 'template' ? facts.place.path : undefined;
  const rendered = facts.config.find(({ path }) => path === facts.configPath)?.fact;
  const parts = chosen.filter(({ file }) => file === facts.configPath).map(({ part }) => part);
  const without = (path: string, fact: FileFact): FileFact => {
    if (path !== template || fact.kind !== 'regular' || rendered?.kind !== 'regular')
      return known.get(path) ?? fact;
    const text = withoutSpans(fact.text, inTemplate(fact.text, rendered.text, parts));
    return { ...fact, text, digest: digestOf(text) };
  };
  return {
    facts: { ...facts, config },
    files: Object.fromEntries(Object.entries(files).map(([path, fact]) => [path, without(path, fact)])),
  };
};
