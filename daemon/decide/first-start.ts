/**
 * The first start of a runtime with what was put into its image. Nobody could prove that before: where the runtime does
 * not come up, the plan that prepared it is taken as interrupted between its restart and its proof. The proof has its
 * patience; when it fails, ours is taken back, and the runtime proven healthy without it.
 */
import type { Observed } from './observed.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import type { Step } from '../model/plan.ts';
import type { Baseline } from './baseline.ts';
import { writeStep } from './write-step.ts';

/** A start that goes on, and a unit that somebody stopped, are no verdict on anything. */
const cameDown = ({ unit }: RuntimeFacts): boolean =>
  unit !== undefined &&
  unit.invocation !== '' &&
  (unit.active === 'failed' ||
    unit.active === 'active' ||
    (unit.active === 'activating' && unit.restarts > 0));

/** The ledger knows what was put in place, and of no invocation that ever loaded it. */
const isUnproven = ({ ledger, activate }: Observed): boolean =>
  activate && ledger.loaded === null && Object.keys(ledger.handlers).length > 0;

/**
 * Steps that find everything done up to the proof; `undefined` where that is not the case at hand. `config` names what
 * stands in the files.
 */
export const firstStart = (
  baseline: Baseline,
  config: string,
  revision: string,
): readonly Step[] | undefined => {
  const { before, runtime, target } = baseline;
  const { present } = target;
  const { ledger } = before;
  const { unit } = runtime;
  if (!unit || !isUnproven(before) || !cameDown(runtime)) return undefined;
  if (Object.keys(present).length === 0 || ledger.bad?.revision === revision) return undefined;
  const bare = target.wire(new Map());
  const writes = [...bare.files].reverse().flatMap((file): readonly Step[] => {
    const step = writeStep(file, before.files[file.path]);
    if (step.kind !== 'write' || JSON.stringify(step.before) === JSON.stringify(step.after)) return [];
    return [{ ...step, before: step.after, after: step.before }];
  });
  const serve = Object.keys(present);
  return [
    ...ledger.folders.map((path) => ({ kind: 'folder', path }) as const),
    ...writes,
    { kind: 'activate', unit: unit.name, started: true },
    { kind: 'prove', unit: unit.name, serve, keep: [], former: [] },
    { kind: 'record', ledger: { ...ledger, loaded: { invocation: '', config } } },
  ];
};
