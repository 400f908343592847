/** What a decision starts from: the configuration without us, what of it is ours, and everything that forbids to go on. */
import type { Desired } from '../model/desired.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Observed } from './observed.ts';
import type { RuntimeFacts } from '../runtimes/facts.ts';
import { detailOf, Failure, type Problem } from '../../protocol/problem/problem.ts';
import { parseToml } from '../toml/toml.ts';
import {
  defaultRuntime,
  type Generation,
  generationOf,
  handlersIn,
  isTable,
  tableAt,
} from '../runtimes/containerd/config.ts';
import { type Relocated, relocatedOf } from './relocated.ts';
import { copiesIn, namedIn } from '../runtimes/containerd/named.ts';
import { type Parsed, parseConfig } from '../runtimes/containerd/parsed.ts';
import { faultOf } from '../runtimes/containerd/check.ts';
import { type Target, targetOf } from '../runtimes/containerd/wiring.ts';
import type { FileFact } from '../../host/facts.ts';
import { isOurDropIn } from '../runtimes/containerd/wiring-drop-in.ts';

export type Table = Readonly<Record<string, unknown>>;

export type Rules = {
  /** Remove handlers that are in use, and try revisions that failed their proof. */
  readonly force: boolean;
  /** Attempts before this time do not count: a person asked to try now. */
  readonly since: number | undefined;
  /** A person takes us out: the budgets of restarts and repairs, which slow down a loop, hold nobody back. */
  readonly unbudgeted?: boolean;
  /** A person takes us out, and no runtime runs, or none is there any more: ours goes without it. */
  readonly orphaned?: boolean;
  /** What has to be downloaded first counts as it stands: for what is done while the downloads go on. */
  readonly ready?: boolean;
};

export type Baseline = {
  readonly desired: Desired;
  readonly before: Observed;
  readonly runtime: RuntimeFacts;
  readonly site: Target;
  /** The configuration without us, the main file first. */
  readonly foreign: readonly Parsed[];
  /** Ours in files that are not: what others copied, and each of our paths that they lead to. */
  readonly copies: readonly Problem[];
  readonly named: ReadonlySet<string>;
  /** Handlers that others define, whatever version their tables are for. */
  readonly defined: readonly string[];
  /** Handler tables as they stand in our text now. */
  readonly present: Readonly<Record<string, Table>>;
  /** Ours in files that the runtime no longer reads. */
  readonly former: Relocated;
  /** Why nothing may be changed now: the runtime is not well. */
  readonly runtimeProblem: Problem | undefined;
  readonly rules: Rules;
  /**
   * Why nothing new is taken up now (the restart budget, a revision that failed its proof): what would change is decided as
   * the ledger has it, so repairs go on.
   */
  readonly held?: Problem;
};

/** Throws the Failure that forbids every change. */
export const baselineOf = (desired: Desired, before: Observed, rules: Rules): Baseline => {
  const { runtime, ledger } = before;
  if (runtime.name === 'none') throw new Failure(runtime.problem);
  const generation = knownGeneration(runtime);
  const site = targetOf(generation, runtime, before.files, ledger);
  const { base, drop } = site;
  const mainPath = runtime.configPath;
  const foreign = parseConfig(
    runtime.config.flatMap((file) => {
      if (file.path === drop || site.stale.includes(file.path)) return [];
      if (file.path !== mainPath || file.fact.kind !== 'regular') return [file];
      return base === null ? [] : [{ path: file.path, fact: { ...file.fact, text: base } }];
    }),
  );
  const fault = faultOf(runtime, foreign, drop);
  if (fault) throw new Failure(fault);
  refuseForeignDropIn(before.files[drop], drop, ledger);
  return {
    desired,
    before,
    runtime,
    site,
    foreign,
    copies: copiesIn(foreign, runtime.aliases),
    named: namedIn(foreign, runtime.aliases),
    defined: foreign.flatMap(({ doc }) => handlersIn(doc).map(({ name }) => name)),
    present: present(
      site,
      [drop, ...site.stale].map((file) => textIn(before.files[file])),
    ),
    former: relocatedOf(site, before),
    // A fault found in a file, refused above, is nearly always why the runtime does not answer.
    runtimeProblem: before.activate ? runtimeProblemOf(runtime) : undefined,
    rules,
  };
};

export const textIn = (fact: FileFact | undefined): string | null =>
  fact?.kind === 'regular' ? fact.text : null;

const runtimeProblemOf = ({ unit, cri }: RuntimeFacts): Problem | undefined => {
  if (!unit) return undefined;
  if (unit.load === 'masked')
    return {
      code: 'unit-masked',
      message: `${unit.name} is masked; it cannot be restarted`,
      hint: `systemctl unmask ${unit.name}`,
    };
  if (unit.active !== 'active')
    return {
      code: 'runtime-unreachable',
      message: `${unit.name} is ${unit.active} (${unit.sub}); nothing is written until it runs`,
      hint: `systemctl status ${unit.name}; journalctl -u ${unit.name}`,
    };
  if (cri.kind === 'silent')
    return {
      code: 'runtime-unreachable',
      message: `${unit.name} is active, but CRI does not answer: ${cri.why}`,
      ...detailOf(cri),
    };
  if (cri.ready) return undefined;
  return {
    code: 'runtime-unreachable',
    message: 'the runtime says that it is not ready',
    ...detailOf({ detail: cri.reason }),
  };
};

const knownGeneration = (runtime: RuntimeFacts): Generation => {
  const generation = generationOf(runtime.version);
  if (generation) return generation;
  throw new Failure({
    code: 'unsupported-runtime',
    message:
      runtime.version === ''
        ? `the version of ${runtime.binary || 'containerd'} cannot be found out`
        : `containerd ${runtime.version} is not known; 1.x and 2.x are`,
  });
};

const refuseForeignDropIn = (fact: FileFact | undefined, path: string, ledger: Ledger): void => {
  if (fact === undefined || fact.kind === 'absent' || path in ledger.files) return;
  if (fact.kind === 'regular' && isOurDropIn(fact.text)) return;
  throw new Failure({
    code: 'not-ours',
    message: 'a file stands where our drop-in goes, and rcm-node did not write it',
    where: { file: path },
    hint: 'Move it away, then run rcm-node once.',
  });
};

/** What the main file has with us alone, and the drop-ins. A text of ours that someone broke holds nothing. */
const present = ({ now, base }: Target, dropIns: readonly (string | null)[]): Record<string, Table> => {
  const without = new Set(tablesIn(base).map(({ path }) => path.join('\n')));
  const marked = tablesIn(now).filter(({ path }) => !without.has(path.join('\n')));
  return Object.fromEntries(
    [...marked, ...dropIns.flatMap(tablesIn)].flatMap(({ name, table }) =>
      name === defaultRuntime.name ? [] : [[name, table]],
    ),
  );
};

const tablesIn = (text: string | null) => {
  try {
    const doc = parseToml(text ?? '', 'rcm-node');
    return handlersIn(doc).flatMap(({ name, path }) => {
      const table = tableAt(doc, path);
      return isTable(table) ? [{ name, path, table }] : [];
    });
  } catch (error) {
    if (error instanceof Failure) return [];
    throw error;
  }
};
