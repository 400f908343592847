/**
 * A runtime that is down because of what we wrote: for another generation of it (it was upgraded, went back, or is another
 * one than in the image), or changed by others since. To wait until it runs would be to wait for ever, so ours is taken out
 * first, and the runtime proven healthy without it; what is asked for is then put in place as on any healthy runtime.
 */
import type { Trial } from '../model/observed.ts';
import type { Decision, HandlerReport, Plan } from '../model/plan.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { parseToml } from '../toml/toml.ts';
import { handlersIn } from '../runtimes/containerd/config.ts';
import { remember } from './backoff.ts';
import { identity, refuseImported } from './change.ts';
import { foldersOf, kept } from './relocated.ts';
import { type Baseline, textIn } from './baseline.ts';
import { trialOf } from '../runtimes/containerd/trial.ts';
import { verdict } from '../runtimes/containerd/check.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { refuseLinked, writeStep } from './write-step.ts';
import { type Wiring, wire } from '../runtimes/containerd/wiring.ts';

/** It ended by itself; a unit that a person stopped is no verdict on anything. */
const crashed = ({ active, sub, restarts }: UnitFacts): boolean =>
  active === 'failed' || (active === 'activating' && (restarts > 0 || sub === 'auto-restart'));

const filesOf = (wiring: Wiring): readonly Wiring['main'][] => [wiring.main, wiring.dropIn, ...wiring.stale];

/** Whether ours stands in a form that this generation, with this main file, reads otherwise or not at all. */
const isOfAnother = ({ site, before }: Baseline): boolean => {
  const drop = textIn(before.files[site.drop]);
  if (site.generation.wiring === 'block') return drop !== null;
  if (drop === null) return false;
  try {
    const doc = parseToml(drop, site.drop);
    const isElsewhere = handlersIn(doc).some(({ path }) =>
      site.place.some((key, depth) => path[depth] !== key),
    );
    return isElsewhere || doc.version !== (site.declares ? site.schema : undefined);
  } catch (error) {
    if (error instanceof Failure) return true;
    throw error;
  }
};

/** Whether ours, as it stands, is not what would be written for the same handlers now. */
const isMisfit = (baseline: Baseline): boolean => {
  if (isOfAnother(baseline)) return true;
  try {
    const files = filesOf(wire(baseline.site, new Map(Object.entries(baseline.present))));
    return files.some((file) => file.text !== textIn(baseline.before.files[file.path]));
  } catch (error) {
    if (error instanceof Failure) return true;
    throw error;
  }
};

const isOurFault = (baseline: Baseline): boolean => {
  const { unit, cri } = baseline.runtime;
  if (!baseline.before.activate || !unit || unit.load === 'masked') return false;
  // CRI may be silent for a moment, and has many reasons: what others changed in our text is none of them by itself.
  if (unit.active === 'active') return cri.kind === 'silent' && isOfAnother(baseline);
  return crashed(unit) && isMisfit(baseline);
};

/** `undefined` where that is not the case at hand, or was tried and did not help. Throws what forbids it. */
export const ownFault = (
  baseline: Baseline,
  reports: readonly HandlerReport[],
): Pick<Decision, 'plan' | 'handlers'> | undefined => {
  if (!isOurFault(baseline)) return undefined;
  const { before, runtime, rules } = baseline;
  const { ledger } = before;
  const bare = wire(baseline.site, new Map());
  const files = filesOf(bare).filter((file) => file.text !== textIn(before.files[file.path]));
  const states = files.map(({ path }) => [path, identity({ path, text: textIn(before.files[path]) })]);
  const revision = digestOf(canonical(['taken out', runtime.version, states]));
  if (files.length === 0 || (ledger.bad?.revision === revision && !rules.force)) return undefined;
  refuseLinked(files, before.files);
  if (files.includes(bare.dropIn)) refuseImported(baseline, bare.dropIn.path);
  // Whether a handler is in use cannot be asked; what is to stay is put back in a moment.
  const handlers = reports.map(({ problem, ...one }) =>
    problem && one.state !== 'removing' ? { ...one, problem } : one,
  );
  const asking = trialOf(bare, bare, runtime, before.scratch);
  const trial = before.trials.find((one) => one.id === asking.id);
  if (!trial) return { plan: asking, handlers };
  refuseHopeless(baseline, trial);
  return { plan: planOf(baseline, files, revision), handlers };
};

/** With a configuration that has a fault without us a restart would not help: it is named, and left to a person. */
const refuseHopeless = (baseline: Baseline, trial: Trial): void => {
  const ours = new Set(Object.keys(baseline.present));
  const problem = verdict(trial, { tables: new Map(), ours }, baseline.foreign, baseline.runtime.configPath);
  if (problem) throw new Failure(problem);
};

const planOf = (
  { before, runtime, former }: Baseline,
  files: readonly Wiring['main'][],
  revision: string,
): Extract<Plan, { kind: 'steps' }> => {
  const { ledger } = before;
  const unit = runtime.unit?.name ?? '';
  const keeping = kept(former, ledger);
  const folders = foldersOf(
    ledger.folders,
    keeping.map(([path]) => path),
  );
  const leaving = ledger.folders.filter((one) => !folders.includes(one)).reverse();
  return {
    kind: 'steps',
    revision,
    disrupts: true,
    because: [
      `what rcm-node wrote does not fit containerd ${runtime.version}, which is down: it is taken out first, and written anew when the runtime is healthy`,
    ],
    steps: [
      // The main file comes first: the import goes before the file that it names.
      ...files.map((file) => writeStep(file, before.files[file.path])),
      ...leaving.map((path) => ({ kind: 'unfolder', path }) as const),
      { kind: 'activate', unit },
      { kind: 'prove', unit, serve: [], keep: [], former: [] },
      {
        kind: 'record',
        ledger: {
          ...ledger,
          files: Object.fromEntries(keeping),
          folders,
          loaded: { invocation: '', config: 'none' },
          restarts: remember(ledger.restarts, before.now),
        },
      },
    ],
  };
};
