/**
 * A runtime that is down because of our configuration: it was written for another version of the runtime (upgrade, downgrade,
 * another version than in the image), or another program changed it. Waiting for a healthy runtime would never end, so our
 * content is removed first and the runtime proven healthy without it; then the handlers are installed as usual.
 */
import type { OwnedFile } from '../model/ledger.ts';
import type { Decision, HandlerReport, Plan } from '../model/plan.ts';
import { Failure, recover } from '../../protocol/problem/problem.ts';
import type { Tables, WantedFile, Wiring } from '../runtimes/runtime.ts';
import { remember } from './backoff.ts';
import { identity, refuseNeeded } from './change.ts';
import { tableInForce } from './handlers/approval.ts';
import { foldersOf, kept } from './relocated.ts';
import { type Baseline, textIn } from './baseline.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { UnitFacts } from '../../host/facts.ts';
import { refuseLinked, writeStep } from './write-step.ts';

/** It ended by itself; a unit that a person stopped proves nothing. */
const crashed = ({ active, sub, restarts }: UnitFacts): boolean =>
  active === 'failed' || (active === 'activating' && (restarts > 0 || sub === 'auto-restart'));

const filesOf = (wiring: Wiring): readonly WantedFile[] => [...wiring.files, ...wiring.stale];

/** Whether our present content differs from what would be written for the same handlers now. */
const isMisfit = ({ target, before }: Baseline): boolean => {
  if (target.isMisread()) return true;
  const files = recover(
    () => filesOf(target.wire(new Map(Object.entries(target.present)))),
    () => undefined,
  );
  return files === undefined || files.some((file) => file.text !== textIn(before.files[file.path]));
};

const isOurFault = (baseline: Baseline): boolean => {
  const { unit, cri } = baseline.runtime;
  if (!baseline.before.activate || !unit || unit.load === 'masked') return false;
  // CRI may not answer for many reasons; a foreign change of our text alone is no evidence for one.
  if (unit.active === 'active') return cri.kind === 'silent' && baseline.target.isMisread();
  return crashed(unit) && isMisfit(baseline);
};

/** `undefined` if this is not such a case, or if it was tried without success. Throws the Failure that forbids it. */
export const ownFault = (
  baseline: Baseline,
  reports: readonly HandlerReport[],
): Pick<Decision, 'plan' | 'handlers'> | undefined => {
  if (!isOurFault(baseline)) return undefined;
  const { before, runtime, target, rules } = baseline;
  const { ledger } = before;
  const least = leastOf(baseline);
  const bare = target.wire(least);
  const files = filesOf(bare).filter((file) => file.text !== textIn(before.files[file.path]));
  const states = files.map(({ path }) => [
    path,
    identity(runtime, { path, text: textIn(before.files[path]) }),
  ]);
  const revision = digestOf(canonical(['taken out', runtime.version, states]));
  if (files.length === 0 || (ledger.bad?.revision === revision && !rules.force)) return undefined;
  refuseLinked(files, before.files);
  refuseNeeded(target, files);
  // CRI cannot tell which handlers are in use; handlers that stay are installed again shortly after.
  const handlers = reports.map(({ problem, ...one }) =>
    problem && one.state !== 'removing' ? { ...one, problem } : one,
  );
  const id = target.trialId(bare);
  const trial = before.trials.find((one) => one.id === id);
  if (!trial) return { plan: target.stage(bare, before.scratch), handlers };
  // If the configuration has a fault without our content, a restart does not help: report it.
  const problem = target.check(trial, least);
  if (problem) throw new Failure(problem);
  const owned = filesOf(bare).flatMap((file) => (file.owned ? [[file.path, file.owned] as const] : []));
  return { plan: planOf(baseline, { least, owned }, files, revision), handlers };
};

/** Nothing, or the one handler of ours that the runtime does not start without. */
const leastOf = (baseline: Baseline): Tables => {
  const { required, present } = baseline.target;
  const table = required && (tableInForce(baseline, required.name) ?? present[required.name]);
  return new Map(table ? [[required.name, table]] : []);
};

/** What stays ours, with the files that need no write. */
type Rest = {
  readonly least: Tables;
  readonly owned: readonly (readonly [string, OwnedFile])[];
};

const planOf = (
  { before, runtime, former }: Baseline,
  { least, owned }: Rest,
  files: readonly WantedFile[],
  revision: string,
): Extract<Plan, { kind: 'steps' }> => {
  const { ledger } = before;
  const unit = runtime.unit?.name ?? '';
  const keeping = [...kept(former, ledger), ...owned];
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
      `what rcm-node wrote does not fit ${runtime.name} ${runtime.version}, which is down: ${least.size === 0 ? 'it is taken out' : 'only its default handler is written'} first, and all of it when the runtime is healthy`,
    ],
    steps: [
      // The main file comes first: the import goes before the file that it names.
      ...files.map((file) => writeStep(file, before.files[file.path])),
      ...leaving.map((path) => ({ kind: 'unfolder', path }) as const),
      { kind: 'activate', unit },
      { kind: 'prove', unit, serve: [...least.keys()], keep: [], former: [] },
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
