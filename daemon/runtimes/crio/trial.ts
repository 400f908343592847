/** The configuration that `crio config` prints: without our handlers, and with the change. */
import { canonical, digestOf } from '../../../protocol/digest.ts';
import type { Plan, Staged } from '../../model/plan.ts';
import type { RuntimeFacts } from '../facts.ts';
import type { Wiring } from '../runtime.ts';
import { identitiesOf } from '../parsed.ts';
import { dumpWords } from './launch.ts';

/** Stands for all bytes that the trial reads. */
export const trialId = (facts: RuntimeFacts, bare: Wiring, wanted: Wiring): string => {
  const others = identitiesOf(facts.config);
  return digestOf(canonical([bare, wanted, facts.version, facts.given?.words ?? [], others])).slice(0, 16);
};

/** The same files in another folder, which the daemon does not read. */
export const trialOf = (
  facts: RuntimeFacts,
  drop: string,
  stale: readonly string[],
  bare: Wiring,
  wanted: Wiring,
  scratch: string,
): Extract<Plan, { kind: 'trial' }> => {
  const from = facts.configFolder ?? '';
  const stage = (wiring: Wiring, at: string): readonly Staged[] => {
    const main = facts.config.find(({ path }) => path === facts.configPath);
    const rest = facts.config.filter(
      ({ path }) => path !== facts.configPath && path !== drop && !stale.includes(path),
    );
    const ours = wiring.files.flatMap(({ path, text }) => [
      { path: `${at}/d${path.slice(from.length)}`, text },
    ]);
    return [
      { path: `${at}/crio.conf`, text: main?.fact.kind === 'regular' ? main.fact.text : null },
      ...rest.flatMap(({ path, fact }) =>
        fact.kind === 'regular' ? [{ path: `${at}/d${path.slice(from.length)}`, text: fact.text }] : [],
      ),
      ...ours,
    ];
  };
  const words = ([main]: readonly Staged[], at: string): readonly string[] =>
    dumpWords({ main: main && main.text !== null ? main.path : null, folder: `${at}/d`, given: facts.given });
  const before = stage(bare, `${scratch}/before`);
  const after = stage(wanted, `${scratch}/after`);
  return {
    ...{ kind: 'trial', id: trialId(facts, bare, wanted), before, after },
    words: { before: words(before, `${scratch}/before`), after: words(after, `${scratch}/after`) },
  };
};
