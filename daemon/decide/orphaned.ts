/**
 * An uninstall on a host whose runtime is gone: its package or its unit was removed first. Nothing reads its configuration
 * any more, so nothing is judged, restarted or proven. What the ledger knows to be ours is taken out of the files that are
 * left, then links and programs go, but for those that a process still uses.
 */
import { canonical, digestOf } from '../model/desired.ts';
import type { Observed } from '../model/observed.ts';
import type { Decision, Step } from '../model/plan.ts';
import { unreferenced } from './collect.ts';
import { formerBeside, takeBack } from './former.ts';
import { linkSteps } from './steps.ts';

export const orphaned = (before: Observed): Decision => {
  const former = formerBeside(new Set(), before);
  const steps = nextSteps(before, takeBack(former, before));
  const revision = digestOf(canonical(steps));
  return {
    plan:
      steps.length === 0
        ? { kind: 'settled' }
        : { kind: 'steps', revision, steps, because: ['the runtime is gone'], disrupts: false },
    handlers: [],
    notes: former.problems,
  };
};

/** Configuration, links, programs: each once what leads to it is gone. */
const nextSteps = (before: Observed, files: readonly Step[]): readonly Step[] => {
  const { ledger } = before;
  if (files.length > 0) return files;
  const links = linkSteps(before, []).later;
  if (links.length > 0 || Object.keys(ledger.handlers).length > 0)
    return [...links, { kind: 'record', ledger: { ...ledger, handlers: {}, loaded: null } }];
  const idle = unreferenced(before, new Set()).filter((key) => !before.mapped.includes(key));
  if (idle.length === 0) return [];
  return [
    ...idle.map((key) => ({ kind: 'discard', key }) as const),
    { kind: 'record', ledger: { ...ledger, retired: {} } },
  ];
};
