/**
 * Uninstall on a host whose runtime was removed before (its package or its unit). No program reads the configuration, so there
 * is no check, no restart and no proof. Our content is removed from the remaining files, also where the ledger does not know of
 * it, because a runtime that is installed again would read it. Then links and programs are removed, except those that a process
 * still uses and those that a remaining file still names.
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
import { runtimeOf } from '../runtimes/table.ts';
import { linkSteps } from './steps.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import { refuseLinked } from './write-step.ts';

export const orphaned = (before: Observed): Decision => {
  const remnant = before.remnant ?? [];
  const read = remnant.flatMap(({ config }) => config);
  const facts = { ...Object.fromEntries(read.map(({ path, fact }) => [path, fact])), ...before.files };
  const known = relocatedOf([], before);
  const standing = remnant.map((one) => ({ ...one, row: runtimeOf(one), ...parsed(one.config) }));
  const unknown = standing.flatMap((one) => unknownTo(one.row, before, one.files, facts));
  const files = [...known.files, ...unknown];
  const unclear = standing.flatMap(({ problems }) => problems);
  const former: Relocated = { files, problems: [...known.problems, ...unclear] };
  const gone = new Set(files.map(({ path }) => path));
  // A file that is restored first is read again before any link is removed.
  const staying = standing.map((one) => ({ ...one, files: one.files.filter(({ path }) => !gone.has(path)) }));
  const named = staying.flatMap((one) => [...namedIn(one.files, one.aliases)]);
  const left: Left = { named: new Set(named), isKept: unclear.length > 0 };
  const steps = nextSteps(before, takeBack(former, { ...before, files: facts }), left);
  const revision = digestOf(canonical(steps));
  return {
    plan:
      steps.length === 0
        ? { kind: 'settled' }
        : { kind: 'steps', revision, steps, because: ['the runtime is gone'], disrupts: false },
    handlers: [],
    notes: [
      ...former.problems,
      ...staying.flatMap((one) => copiesIn(one.files, one.row.handlersIn, one.aliases)),
    ],
  };
};

type Left = {
  readonly named: ReadonlySet<string>;
  /** A file cannot be read, and may name any of our programs. */
  readonly isKept: boolean;
};

/** Files that cannot be parsed as a configuration, and may have our content. */
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

/** Our content by its marks, its name and its meaning, in files that the ledger does not list. */
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

/** Configuration, then links, then programs: each after everything that names it is removed. */
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
