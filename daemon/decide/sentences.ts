/** A plan as a person would tell it: what `plan` prints, what the journal says, and what tests compare. */
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import type { FileState, Plan, Step } from '../model/plan.ts';
import { printUrl } from '../model/shim-artifact.ts';
import { fileOf, folderOf, keyOfTarget } from './paths.ts';
import { shownChange } from './shown.ts';

/** `undefined` for steps that say nothing to a person. */
export const sentence = (step: Step): string | undefined => {
  switch (step.kind) {
    case 'fetch':
      return `fetch ${printUrl(step.handler.artifact.url)} for ${step.handler.name}`;
    case 'place':
      return `check it, test-run it and place it in the store for ${step.handler.name}`;
    case 'quiet':
      return `wait for a moment in which no container is being created (${step.seconds} s at most)`;
    case 'folder':
      return `make the folder ${step.path}`;
    case 'unfolder':
      return `remove the folder ${step.path}`;
    case 'write':
      if (step.after.kind === 'absent') return `remove ${step.path}`;
      return step.before.kind === 'absent' ? `write ${step.path}` : `change ${step.path}`;
    case 'link':
      if (step.after === null) return `remove the link ${step.path}`;
      return `point ${fileOf(folderOf(step.path))} to ${short(keyOfTarget(step.after))}`;
    case 'activate':
      return step.started ? `take ${step.unit} as it started by itself` : `restart ${step.unit}`;
    case 'prove':
      return step.serve.length === 0
        ? 'prove that the runtime is healthy'
        : `prove that ${step.serve.join(', ')} ${step.serve.length === 1 ? 'is' : 'are'} served`;
    case 'discard':
      return `discard ${short(step.key)} from the store`;
    case 'record':
      return undefined;
  }
};

const short = (key: string | undefined): string => (key ? key.slice(0, 12) : 'something foreign');

export const sentences = (steps: readonly Step[]): readonly string[] =>
  steps.flatMap((step) => sentence(step) ?? []);

const textOf = (state: FileState): string => (state.kind === 'text' ? state.text : '');

/** One file of a plan, as it may be shown to everyone. */
export type FileDiff = {
  readonly path: string;
  readonly change: 'created' | 'changed' | 'removed';
  /** Whether it shows "…" for what is not ours. */
  readonly masked: boolean;
  readonly diff: string;
};

export const diffsOf = (plan: Plan): readonly FileDiff[] => {
  if (plan.kind !== 'steps') return [];
  return plan.steps.flatMap((step) => {
    if (step.kind !== 'write') return [];
    const { path } = step;
    const [before, after] = [textOf(step.before), textOf(step.after)];
    const shown = shownChange(before, after);
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
