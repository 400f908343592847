/**
 * "Is a restart due?" is observed, not remembered: the ledger says which configuration one invocation of the unit was
 * proven to have loaded; any other invocation has read what stood on the disk when it started.
 */
import type { Ledger } from '../model/ledger.ts';
import { runtimeOf } from '../runtimes/table.ts';
import type { Observed } from './observed.ts';
import type { CriFact, RuntimeFacts, Trial } from '../runtimes/facts.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { HandlerState } from '../../protocol/node-annotations.ts';

/** Names a set of handler tables, apart from the files and the spelling they are in. */
export const configId = (tables: ReadonlyMap<string, unknown>): string =>
  tables.size === 0 ? 'none' : digestOf(canonical([...tables]));

export const servedNow = (runtime: RuntimeFacts): readonly string[] =>
  runtime.cri.kind === 'answers' && runtime.cri.handlers !== 'unknown' ? runtime.cri.handlers : [];

/** Of a handler that was put into the configuration. */
export const stateOfWritten = (cri: CriFact | undefined, name: string, activate: boolean): HandlerState => {
  if (cri?.kind === 'answers' && (cri.handlers === 'unknown' ? activate : cri.handlers.includes(name)))
    return 'served';
  if (!activate) return 'written';
  return cri?.kind === 'answers' ? 'pending' : 'unknown';
};

const vanished = (runtime: RuntimeFacts, names: Iterable<string>): boolean => {
  if (runtime.cri.kind !== 'answers' || runtime.cri.handlers === 'unknown') return false;
  const served = new Set(runtime.cri.handlers);
  return [...names].some((name) => !served.has(name));
};

/**
 * Whether the runtime has loaded something else than it shall, also where nothing may be restarted now. `changes`: what is
 * written means something else than what stands there, and this invocation has not read it.
 */
export const loadDue = (
  before: Observed,
  runtime: RuntimeFacts,
  tables: ReadonlyMap<string, unknown>,
  changes: boolean,
): boolean => {
  if (!runtime.unit) return false;
  const { loaded } = before.ledger;
  // A handler that is not served has to be brought back, whatever we believed to be loaded.
  if (vanished(runtime, tables.keys())) return true;
  if (loaded?.invocation === runtime.unit.invocation) return loaded.config !== configId(tables);
  return changes;
};

/**
 * Someone else restarted the runtime, the host booted, or our state was lost, and the runtime serves what it should:
 * that is taken as loaded, without a restart. `undefined`: nothing to learn.
 */
export const adopted = (
  before: Observed,
  runtime: RuntimeFacts,
  tables: ReadonlyMap<string, unknown>,
  due: boolean,
): Ledger['loaded'] | undefined => {
  const { loaded } = before.ledger;
  if (due || !isUnknown(before, runtime) || (loaded === null && tables.size === 0)) return undefined;
  return { invocation: runtime.unit?.invocation ?? '', config: configId(tables) };
};

/**
 * The restart that is due does not come with this plan: this invocation has read what stands now, and not what the plan
 * writes.
 */
export const owing = (
  before: Observed,
  runtime: RuntimeFacts,
  standing: ReadonlyMap<string, unknown>,
): Ledger['loaded'] | undefined =>
  isUnknown(before, runtime)
    ? { invocation: runtime.unit?.invocation ?? '', config: configId(standing) }
    : undefined;

/**
 * Nothing is known of this invocation yet. Where nothing may be restarted, what was never proven stays so: the first start
 * with it is its proof.
 */
const isUnknown = ({ ledger: { loaded }, activate }: Observed, { unit }: RuntimeFacts): boolean => {
  if (!unit || unit.invocation === '' || (loaded === null && !activate)) return false;
  return loaded?.invocation !== unit.invocation;
};

/**
 * Of what is served now: `keep` has to survive the restart, `former` an undo. A handler that no file defines any more is
 * gone with any restart, whoever asks for it, and must not be held against ours.
 */
export const survivors = (
  runtime: RuntimeFacts,
  present: Readonly<Record<string, unknown>>,
  trial: Trial | undefined,
): { readonly keep: readonly string[]; readonly former: readonly string[] } => {
  const served = servedNow(runtime);
  const [without, shall] = [trial?.before, trial?.after].map((dump) =>
    dump?.kind === 'dumped' ? runtimeOf(runtime).servedBy(dump.text) : undefined,
  );
  return {
    keep: served.filter((name) => !(name in present) && shall?.has(name) !== false),
    former: served.filter((name) => name in present || without?.has(name) !== false),
  };
};
