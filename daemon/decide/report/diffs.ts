/** Diffs of the files of a plan, masked. In a file of its own because it loads the diff library. */
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import type { Plan } from '../../model/plan.ts';
import type { FileState } from '../../../host/facts.ts';
import { anyOf, shownChange } from '../../runtimes/shown.ts';
import { runtimes } from '../../runtimes/table.ts';

const plain = anyOf(runtimes.map((runtime) => runtime.plain));

const textOf = (state: FileState): string => (state.kind === 'text' ? state.text : '');

/** One file of a plan, masked for every reader. */
export type FileDiff = {
  readonly path: string;
  readonly change: 'created' | 'changed' | 'removed';
  /** Whether it shows "…" for content that is not ours. */
  readonly masked: boolean;
  readonly diff: string;
};

export const diffsOf = (plan: Plan): readonly FileDiff[] => {
  if (plan.kind !== 'steps') return [];
  return plan.steps.flatMap((step) => {
    if (step.kind !== 'write') return [];
    const { path } = step;
    const [before, after] = [textOf(step.before), textOf(step.after)];
    const shown = shownChange(before, after, plain);
    const [isNew, isGone] = [step.before.kind === 'absent', step.after.kind === 'absent'];
    const patch = (from: string, to: string): string =>
      createTwoFilesPatch(isNew ? '/dev/null' : path, isGone ? '/dev/null' : path, from, to, '', '', {
        headerOptions: FILE_HEADERS_ONLY,
      });
    const diff = patch(shown.before, shown.after);
    return {
      path,
      change: isNew ? 'created' : isGone ? 'removed' : 'changed',
      masked: diff !== patch(before, after),
      diff,
    };
  });
};

export const maskedNote = 'Settings and comments of others are masked: "…" stands for them.';

/** One unified diff over all files of the plan; empty when no file changes. */
export const printDiff = (plan: Plan): string => {
  const files = diffsOf(plan);
  return `${files.some((file) => file.masked) ? `${maskedNote}\n` : ''}${files.map((file) => file.diff).join('')}`;
};
