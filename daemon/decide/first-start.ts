/**
 * The first start of a runtime with the configuration of its image, which no proof has verified. If the runtime does not start,
 * the plan that prepared the image counts as interrupted between its restart and its proof. The proof then runs with its usual
 * deadline; when it fails, our changes are rolled back and the runtime is proven healthy without them.
 */
import type { Observed } from './observed.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import type { Step } from '../model/plan.ts';
import type { Baseline } from './baseline.ts';
import { writeStep } from './write-step.ts';

/** A start in progress, and a unit that a person stopped, prove nothing. */
const cameDown = ({ unit }: RuntimeFacts): boolean =>
  unit !== undefined &&
  unit.invocation !== '' &&
  (unit.active === 'failed' ||
    unit.active === 'active' ||
    (unit.active === 'activating' && unit.restarts > 0));

/** The ledger has installed handlers, and no invocation that loaded them. */
const isUnproven = ({ ledger, activate }: Observed): boolean =>
  activate && ledger.loaded === null && Object.keys({ ...ledger.handlers, ...ledger.prepared }).length > 0;

/**
 * Steps that are done up to the proof; `undefined` if this is not a first start. `config`: the digest of the configuration in
 * the files.
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
  // Without its default handler it would not start: that is nothing to roll back to.
  if (target.required || Object.keys(present).length === 0 || ledger.bad?.revision === revision)
    return undefined;
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
