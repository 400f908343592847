/** A plan as sentences: for `plan`, the journal and tests. */
import { watchedBy } from '../../runtimes/distros.ts';
import type { Step } from '../../model/plan.ts';
import { printUrl } from '../../../protocol/problem/mask.ts';
import { fileOf, folderOf, keyOfTarget } from '../../../protocol/host-paths.ts';

/** `undefined` for steps that people need not see. `steps`: of the whole plan. */
export const sentence = (step: Step, steps: readonly Step[]): string | undefined => {
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
      return `prove that ${proven(step.serve, preparedBy(steps)) || 'the runtime is healthy'}`;
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

/** The runtime lists them as all others, and no shim is there. */
const preparedBy = (steps: readonly Step[]): ReadonlySet<string> => {
  const { prepared = {}, handlers } = steps.find((step) => step.kind === 'record')?.ledger ?? {
    handlers: {},
  };
  return new Set(Object.keys(prepared).filter((name) => !(name in handlers)));
};

const proven = (names: readonly string[], prepared: ReadonlySet<string>): string => {
  const say = (list: readonly string[], what: string): readonly string[] =>
    list.length === 0 ? [] : [`${list.join(', ')} ${list.length === 1 ? 'is' : 'are'} ${what}`];
  const served = names.filter((name) => !prepared.has(name));
  const others = names.filter((name) => prepared.has(name));
  return [...say(served, 'served'), ...say(others, 'prepared')].join(', and ');
};

const short = (key: string | undefined): string => (key ? key.slice(0, 12) : 'a file of another program');

export const sentences = (steps: readonly Step[]): readonly string[] =>
  steps.flatMap((step) => sentence(step, steps) ?? []);
