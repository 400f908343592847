/**
 * The files of a trial: the same configuration below another folder, so that the runtime's own parser can read what
 * does not exist yet, and nobody else does.
 */
import { canonical, digestOf } from '../model/desired.ts';
import type { RuntimeFacts } from '../model/observed.ts';
import type { Plan, Staged } from '../model/plan.ts';
import { elementsOf, scan } from '../model/toml.ts';
import { fileOf, folderOf, globPattern, resolvePath } from './paths.ts';
import { importsOf, type Wiring } from './wiring.ts';

/** `bare` is the wiring without any handler: the host as if we had never come. `id` is the same wherever it is staged. */
export const trialOf = (
  bare: Wiring,
  wanted: Wiring,
  runtime: RuntimeFacts,
  scratch: string,
): Extract<Plan, { kind: 'trial' }> => {
  const others = runtime.config.map(({ path, fact }) => [
    path,
    fact.kind === 'regular' ? fact.digest : fact.kind,
  ]);
  const id = digestOf(canonical([bare, wanted, runtime.version, others])).slice(0, 16);
  return {
    kind: 'trial',
    id,
    before: stage(bare, runtime, `${scratch}/before`),
    after: stage(wanted, runtime, `${scratch}/after`),
  };
};

/**
 * The staged main file imports what the real one would, by absolute path, with the staged drop-in in the place of the
 * real one. A main file that would not exist is staged as `null`: the runtime's built-in defaults.
 */
const stage = (wiring: Wiring, runtime: RuntimeFacts, folder: string): readonly Staged[] => {
  const drop = `${folder}/${fileOf(wiring.dropIn.path)}`;
  const main = wiring.main.text;
  const staged: Staged[] = [
    { path: `${folder}/config.toml`, text: main === null ? null : retarget(main, wiring, runtime, drop) },
  ];
  if (wiring.dropIn.text !== null) staged.push({ path: drop, text: wiring.dropIn.text });
  return staged;
};

const retarget = (main: string, wiring: Wiring, runtime: RuntimeFacts, drop: string): string => {
  const pair = scan(main).find(
    (one) => one.kind === 'pair' && one.path.length === 1 && one.path[0] === 'imports',
  );
  if (pair?.kind !== 'pair') return main;
  if (elementsOf(main, pair.valueStart).length === 0) return main;
  const ours = wiring.dropIn.path;
  const stale = new Set(wiring.stale.map((file) => file.path));
  const list = importsOf(main, wiring.main.path).flatMap((entry) => {
    const full = resolvePath(folderOf(wiring.main.path), entry);
    if (!full.includes('*')) return full === ours ? [] : [full];
    const pattern = globPattern(full);
    const known = runtime.config
      .map((file) => file.path)
      .filter((file) => pattern.test(file) && file !== ours && !stale.has(file));
    const all = wiring.dropIn.text !== null && pattern.test(ours) ? [...known, ours] : known;
    return all.sort().map((file) => (file === ours ? drop : file));
  });
  const text = `[${[...new Set(list)].map((entry) => JSON.stringify(entry)).join(', ')}]`;
  return main.slice(0, pair.valueStart) + text + main.slice(pair.valueEnd);
};
