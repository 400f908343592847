/** A plan as sentences: for `plan`, the journal and tests. */
import { watchedBy } from '../../runtimes/distros.ts';
import type { Step } from '../../model/plan.ts';
import { printUrl } from '../../../protocol/problem/mask.ts';
import { fileOf, folderOf, keyOfTarget } from '../../../protocol/host-paths.ts';

/** `undefined` for steps that people need not see. */
export const sentence = (step: Step): string | undefined => {
  switch (step.kind) {
    case 'fetch':
      return `fetch ${printUrl(step.handler.artifact.url)} for ${step.handler.name}`;
    case 'place':
      return `check it, test-run it and place it in the store for ${step.handler.name}`;
    case 'quiet':
      return `wait until no container is being created (${step.seconds} s at most)`;
    case 'folder':
      return `create the folder ${step.path}`;
    case 'unfolder':
      return `remove the folder ${step.path}`;
    case 'write':
      if (step.after.kind === 'absent') return `remove ${step.path}`;
      return step.before.kind === 'absent' ? `write ${step.path}` : `change ${step.path}`;
    case 'link':
      if (step.after === null) return `remove the link ${step.path}`;
      return `point ${fileOf(folderOf(step.path))} to ${short(keyOfTarget(step.after))}`;
    case 'activate':
      if (step.started) return `accept that ${step.unit} restarted by itself`;
      return watchedBy(step.unit) === undefined
        ? `restart ${step.unit}`
        : `wait until ${step.unit} restarts the runtime by itself, and is not restarted`;
    case 'prove':
      if (step.serve.length === 0 && step.start)
        return `prove that a sandbox with ${Object.keys(step.start).join(', ')} starts`;
      return step.serve.length === 0
        ? 'prove that the runtime is healthy'
        : `prove that ${step.serve.join(', ')} ${step.serve.length === 1 ? 'is' : 'are'} served`;
    case 'stand-in':
      return 'put the program into the store that says why no Pod starts with a prepared handler';
    case 'discard':
      return `discard ${short(step.key)} from the store`;
    case 'clear':
      return `remove ${step.remnant.kind === 'link' ? 'the link ' : ''}${step.remnant.path}, which nothing uses any more`;
    case 'record':
      return undefined;
  }
};

const short = (key: string | undefined): string => (key ? key.slice(0, 12) : 'a file of another program');

export const sentences = (steps: readonly Step[]): readonly string[] =>
  steps.flatMap((step) => sentence(step) ?? []);
