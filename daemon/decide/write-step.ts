/** One file of ours as a step: its present and desired content, and when it must not be replaced. */
import { absent, type FileFact, type FileState, hardLinked, softLinked, stateOf } from '../../host/facts.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Observed } from './observed.ts';
import type { Step } from '../model/plan.ts';
import type { WantedFile } from '../runtimes/runtime.ts';

export const writeStep = (file: WantedFile, fact: FileFact | undefined): Step => {
  const before = stateOf(fact);
  const owner = before.kind === 'text' ? before : { mode: 0o644, uid: 0, gid: 0 };
  const after: FileState =
    file.text === null
      ? absent
      : { kind: 'text', text: file.text, mode: owner.mode, uid: owner.uid, gid: owner.gid };
  return { kind: 'write', path: fact?.kind === 'regular' ? fact.real : file.path, before, after };
};

/** Throws the Failure that forbids to replace or remove one of these files; hard links to a removed file stay. */
export const refuseLinked = (files: readonly WantedFile[], facts: Observed['files']): void => {
  for (const file of files) {
    const fact = facts[file.path];
    if (fact?.kind !== 'regular') continue;
    const isStray = file.text === null && fact.isLink === true;
    const problem = isStray
      ? softLinked(file.path, fact.real)
      : file.text === null
        ? undefined
        : hardLinked(fact.real, fact.links);
    if (problem) throw new Failure(problem);
  }
};
