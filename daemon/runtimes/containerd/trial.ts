/**
 * The files of a trial: the same configuration below another folder, so that the runtime's own parser can read what
 * does not exist yet, and the daemon does not read it.
 */
import type { RuntimeFacts } from '../facts.ts';
import type { Plan, Staged } from '../../model/plan.ts';
import type { Table } from '../../toml/compare.ts';
import { elementsOf, parseToml, scan } from '../../toml/toml.ts';
import { fileOf, globPattern } from '../../../protocol/host-paths.ts';
import { identitiesOf, type Parsed, parseConfig } from '../parsed.ts';
import type { Wiring } from '../runtime.ts';
import { canonical, digestOf } from '../../../protocol/digest.ts';
import { dumpWords } from './launch.ts';
import { importsOf } from './wiring-drop-in.ts';

/** Stands for all bytes that the trial reads. It does not depend on the folder. */
export const trialId = (bare: Wiring, wanted: Wiring, runtime: RuntimeFacts): string => {
  const others = identitiesOf(runtime.config);
  return digestOf(canonical([bare, wanted, runtime.version, others])).slice(0, 16);
};

/** `bare`: the wiring without any handler, as on a host without rcm-node. */
export const trialOf = (
  bare: Wiring,
  wanted: Wiring,
  runtime: RuntimeFacts,
  scratch: string,
): Extract<Plan, { kind: 'trial' }> => {
  const id = trialId(bare, wanted, runtime);
  const before = stage(bare, runtime, `${scratch}/before`);
  const after = stage(wanted, runtime, `${scratch}/after`);
  return {
    kind: 'trial',
    id,
    before,
    after,
    words: { before: wordsFor(before), after: wordsFor(after) },
  };
};

const wordsFor = ([main]: readonly Staged[]): readonly string[] =>
  dumpWords({ main: main && main.text !== null ? main.path : null });

/**
 * The staged main file has the imports of the real one, by absolute path, with the staged drop-in in place of the real
 * one. If there would be no main file, `null` is staged: the runtime's built-in defaults. A file that imports the main
 * file or the drop-in is staged too: otherwise the trial would also read the real ones, which the runtime itself skips,
 * because it has loaded them already.
 */
const stage = (wiring: Wiring, runtime: RuntimeFacts, folder: string): readonly Staged[] => {
  const [main, ...ours] = wiring.reads ?? wiring.files;
  if (!main) return [];
  const changed = [...ours, ...(wiring.taken?.files ?? [])];
  const texts = new Map(changed.map(({ path, text }) => [path, text]));
  const places = new Map<string, string | null>([
    [main.path, null],
    ...changed.map(({ path, text }, index) => {
      const name = index === 0 ? fileOf(path) : `${index}-changed-${fileOf(path)}`;
      return [path, text === null ? null : `${folder}/${name}`] as const;
    }),
    ...wiring.stale.map(({ path }) => [path, null] as const),
  ]);
  const others = new Map(
    parseConfig(runtime.config.filter(({ path }) => !places.has(path))).map((file) => [file.path, file]),
  );
  const known = [...others.keys(), ...texts.keys()];
  for (const path of leadBack([...others.values()], known, places))
    places.set(path, `${folder}/${places.size}-${fileOf(path)}`);
  const staged: Staged[] = [
    {
      path: `${folder}/config.toml`,
      text: main.text === null ? null : retarget({ path: main.path, text: main.text }, known, places),
    },
  ];
  for (const [path, place] of places) {
    if (place === null) continue;
    const other = others.get(path);
    const text = texts.get(path) ?? other?.text;
    staged.push({ path: place, text: text === undefined ? '' : retarget({ path, text }, known, places) });
  }
  return staged;
};

type Places = ReadonlyMap<string, string | null>;

/** The files from which imports lead to one that is staged or left out, over any number of files. */
const leadBack = (others: readonly Parsed[], known: readonly string[], places: Places): readonly string[] => {
  const imports = others.map(({ doc, path }) => ({ path, list: importedBy(doc, path, known) }));
  const found = new Set(places.keys());
  const back: string[] = [];
  for (let before = -1; before < back.length; ) {
    before = back.length;
    for (const { path, list } of imports) {
      if (found.has(path) || !list.some((one) => found.has(one))) continue;
      found.add(path);
      back.push(path);
    }
  }
  return back;
};

/** What a file imports, by absolute path, in the runtime's order; a glob is what is known to match it. */
const importedBy = (doc: Table, path: string, known: readonly string[]): readonly string[] =>
  importsOf(doc, path).flatMap((full) => {
    if (!full.includes('*')) return [full];
    const pattern = globPattern(full);
    return known.filter((file) => pattern.test(file)).sort();
  });

/** Of a large file only this list is parsed: the whole of it is, by the wiring and by the runtime. */
const retarget = (
  { path, text }: Pick<Parsed, 'path' | 'text'>,
  known: readonly string[],
  places: Places,
): string => {
  const pair = scan(text, 'top').find(
    (one) => one.kind === 'pair' && one.path.length === 1 && one.path[0] === 'imports',
  );
  if (pair?.kind !== 'pair') return text;
  if (elementsOf(text, pair.valueStart).length === 0) return text;
  const doc = parseToml(text.slice(pair.start, pair.valueEnd), path, 'broken-config');
  const list = importedBy(doc, path, known).flatMap((file) => {
    const place = places.get(file);
    return place === undefined ? [file] : place === null ? [] : [place];
  });
  const imports = `[${[...new Set(list)].map((entry) => JSON.stringify(entry)).join(', ')}]`;
  return text.slice(0, pair.valueStart) + imports + text.slice(pair.valueEnd);
};
