/**
 * Files that a predecessor left, and that nothing uses any more: no table of the configuration names them, the runtime has loaded
 * it, no process has them mapped. They are not brought back, so they go after the proof of everything else.
 */
import { folderOf } from '../../../protocol/host-paths.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import type { Remnant } from '../../model/takeover.ts';
import type { Step } from '../../model/plan.ts';
import { mayUse } from '../../runtimes/facts.ts';
import { homes } from '../../runtimes/predecessors/places.ts';
import { runtimeOf } from '../../runtimes/table.ts';
import type { Baseline } from '../baseline.ts';

/** The service cannot write there (ProtectSystem= of its unit), and says so. */
export const leftover = (steps: readonly Step[]): Problem => {
  const paths = steps.flatMap((step) => (step.kind === 'clear' ? [step.remnant.path] : []));
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : '';
  return {
    code: 'leftover',
    message: `an earlier installer left ${paths[0] ?? 'a record'}${more}, and nothing uses it any more`,
  };
};

const homeOf = (path: string): string =>
  homes.find(({ folder }) => path.startsWith(`${folder}/`))?.folder ?? folderOf(path);

export const clearable = ({ before, runtime }: Baseline): readonly Step[] => {
  const { ledger, remnants = {} } = before;
  const { takeover } = ledger;
  if (!takeover || takeover.remnants.length === 0) return [];
  const row = runtimeOf(runtime);
  const named = new Set(
    runtime.config.flatMap(({ doc }) => (doc ? row.programsIn(doc).flatMap(({ places }) => places) : [])),
  );
  const isBusy = (handler: string | undefined): boolean =>
    handler !== undefined &&
    runtime.unit !== undefined &&
    (runtime.cri.kind === 'silent' || runtime.cri.sandboxes.some((one) => mayUse(one, handler)));
  // A link by which a table finds a program keeps the program, too.
  const staying = new Set(
    takeover.remnants.flatMap((one) => (one.kind === 'link' && named.has(one.path) ? [one.is] : [])),
  );
  /** Whether a program of the same installer stays, for which this file is. */
  const isNeeded = (path: string): boolean =>
    [...staying].some((other) => other.startsWith(`${homeOf(path)}/bin/`));
  const isKept = (one: Remnant): boolean =>
    remnants[one.path] === 'used' ||
    named.has(one.path) ||
    (one.kind === 'program' && (staying.has(one.path) || isBusy(one.handler))) ||
    (one.kind === 'library' && isNeeded(one.path)) ||
    (one.kind === 'link' && staying.has(one.is)) ||
    (one.kind === 'record' && isNeeded(one.path));
  const present = takeover.remnants.filter(({ path }) => /^(un)?used$/.test(remnants[path] ?? ''));
  const kept: Remnant[] = [];
  for (const kind of ['program', 'library', 'link', 'record'])
    for (const one of present)
      if (one.kind === kind && isKept(one)) {
        kept.push(one);
        staying.add(one.path);
      }
  const gone = present.filter((one) => !kept.includes(one));
  if (gone.length === 0 && kept.length === takeover.remnants.length) return [];
  const folders = gone.flatMap(({ kind, path }) => (kind === 'link' ? [] : [folderOf(path), homeOf(path)]));
  return [
    ...gone.map((remnant) => ({ kind: 'clear', remnant }) as const),
    ...[...new Set(folders)]
      .sort((a, b) => b.length - a.length)
      .map((path) => ({ kind: 'unfolder', path }) as const),
    { kind: 'record', ledger: { ...ledger, takeover: { ...takeover, remnants: kept } } },
  ];
};
