/**
 * An uninstall on a host whose runtime is gone: its package or its unit was removed first. Nothing reads its configuration
 * any more, so nothing is judged, restarted or proven. What is ours is taken out of the files that are left, whether the
 * ledger knows of it or not, since a runtime that is installed again reads them. Then links and programs go, but for those
 * that a process still uses, and those that such a file still leads to.
 */
import type { Observed } from './observed.ts';
import type { ConfigFile } from '../runtimes/facts.ts';
import type { Decision, Step } from '../model/plan.ts';
import { Failure, type Problem, recover } from '../../protocol/problem/problem.ts';
import { unreferenced } from './collect.ts';
import { type Relocated, relocatedOf, takeBack } from './relocated.ts';
import { copiesIn, keysOf, namedIn } from '../runtimes/named.ts';
import { type Parsed, parseConfig } from '../runtimes/parsed.ts';
import type { Runtime, WantedFile } from '../runtimes/runtime.ts';
import { usualRuntime } from '../runtimes/table.ts';
import { linkSteps } from './steps.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import { refuseLinked } from './write-step.ts';

export const orphaned = (before: Observed): Decision => {
  const runtime = usualRuntime;
  const { config: remnant, aliases } = before.remnant ?? { config: [] };
  const facts = { ...Object.fromEntries(remnant.map(({ path, fact }) => [path, fact])), ...before.files };
  const known = relocatedOf(runtime, [], before);
  const standing = parsed(remnant);
  const files = [...known.files, ...unknownTo(runtime, before, standing.files, facts)];
  const former: Relocated = { files, problems: [...known.problems, ...standing.problems] };
  const gone = new Set(files.map(({ path }) => path));
  // A file that is taken back first is looked at again before any link goes.
  const staying = standing.files.filter(({ path }) => !gone.has(path));
  const left: Left = { named: namedIn(staying, aliases), isKept: standing.problems.length > 0 };
  const steps = nextSteps(before, takeBack(runtime, former, { ...before, files: facts }), left);
  const revision = digestOf(canonical(steps));
  return {
    plan:
      steps.length === 0
        ? { kind: 'settled' }
        : { kind: 'steps', revision, steps, because: ['the runtime is gone'], disrupts: false },
    handlers: [],
    notes: [...former.problems, ...copiesIn(staying, runtime.handlersIn, aliases)],
  };
};

type Left = {
  readonly named: ReadonlySet<string>;
  /** A file cannot be read, and may lead to anything of ours. */
  readonly isKept: boolean;
};

/** Files that cannot be read as a configuration, and may hold what is ours. */
const parsed = (
  remnant: readonly ConfigFile[],
): { readonly files: readonly Parsed[]; readonly problems: Relocated['problems'] } => {
  const files: Parsed[] = [];
  const problems: Relocated['problems'][number][] = [];
  for (const file of remnant)
    try {
      files.push(...parseConfig([file]));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (file.fact.kind === 'regular' && !file.fact.text.includes('rcm-node')) continue;
      const problem: Problem = error.problem;
      const message = `what it holds of ours is not known, and our programs stay for it: ${problem.message}`;
      problems.push({ code: 'not-ours', message, where: { ...problem.where, file: file.path } });
    }
  return { files, problems };
};

/** Ours by its marks, by its name and by what it means, in files that the ledger does not know (any more). */
const unknownTo = (
  { dropIn, withoutUs }: Runtime,
  { ledger }: Observed,
  files: readonly Parsed[],
  facts: Observed['files'],
): readonly WantedFile[] =>
  files.flatMap(({ path, text }) => {
    if (path in ledger.files) return [];
    return recover(
      () => {
        const bare = dropIn.mayBe(path) ? (dropIn.isOurs(text) ? null : text) : withoutUs(text, path, ledger);
        if (bare === text) return [];
        refuseLinked([{ path, text: bare }], facts);
        return [{ path, text: bare }];
      },
      () => [],
    );
  });

/** Configuration, links, programs: each once what leads to it is gone. */
const nextSteps = (before: Observed, files: readonly Step[], { named, isKept }: Left): readonly Step[] => {
  const { ledger } = before;
  if (files.length > 0) return files;
  const links = linkSteps(before, [], (path) => isKept || named.has(path)).later;
  if (links.length > 0 || Object.keys(ledger.handlers).length > 0)
    return [...links, { kind: 'record', ledger: { ...ledger, handlers: {}, loaded: null } }];
  const idle = isKept
    ? []
    : unreferenced(before, keysOf(named)).filter((key) => !before.mapped.includes(key));
  if (idle.length === 0) return [];
  return [
    ...idle.map((key) => ({ kind: 'discard', key }) as const),
    { kind: 'record', ledger: { ...ledger, retired: {} } },
  ];
};
