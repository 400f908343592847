/**
 * Which changes have to wait for their turn: those of the configuration that a Shim asks for. What a local file asks for,
 * what repairs or adopts what stands already, and what a person forces never waits.
 */
import type { Handler } from '../../model/desired.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { startId } from '../../model/start.ts';
import type { NeededTurn } from '../../model/rollout-wait.ts';
import { leftOut } from './failed-starts.ts';
import { servedNow } from '../restart.ts';
import type { Baseline } from '../baseline.ts';
import type { Table } from '../../toml/compare.ts';
import { leftAlone } from './failed-revisions.ts';
import { canonical } from '../../../protocol/digest.ts';
import { revisionHere, turnOf, waitsForTurn } from './rollout-wait.ts';

/** A change that needs a turn, or has to wait for another reason; with `held` it is not made now. */
export type Approval = {
  readonly turn?: NeededTurn;
  readonly held?: Problem;
  /** Held for itself: no sandbox started with it. */
  readonly leftOut?: true;
};

/** The table of a handler as it was put in place, under the default handler's options of now. */
export const tableInForce = ({ before, target }: Baseline, name: string): Table | undefined => {
  const installed = before.ledger.handlers[name];
  return installed && target.tableOf(installed.handler, installed.path);
};

/** Of a handler that is asked for. Undefined: it needs no turn, and nothing holds it back. */
export const approvalOf = (
  baseline: Baseline,
  handler: Handler,
  asked: { readonly table: Table; readonly key: string | undefined },
): Approval | undefined => {
  const { order, name } = handler;
  const failed =
    asked.key === undefined ? undefined : leftOut(baseline, name, startId(asked.key, asked.table));
  if (failed) return { ...turnFor(baseline, order, order?.revision), held: failed, leftOut: true };
  const installed = baseline.before.ledger.handlers[name];
  const isSame = [tableInForce(baseline, name), baseline.target.present[name]].some(
    (table) => table !== undefined && canonical(table) === canonical(asked.table),
  );
  const isMoved = installed !== undefined && installed.key !== asked.key;
  const own =
    !order || (isSame && !(order.scope === 'all' && isMoved))
      ? undefined
      : gate(baseline, name, order.shim, order.revision);
  return isSame && !(isMoved && baseline.held?.code === 'known-bad') ? own : heldWith(baseline, name, own);
};

const heldWith = ({ held }: Baseline, name: string, own: Approval | undefined): Approval | undefined =>
  held === undefined || own?.held ? own : { ...own, held: { ...held, handler: name } };

/** What failed and what is held for it is said of its Shim and revision; no approval would change it. */
const turnFor = (
  { desired: { turns } }: Baseline,
  order: Handler['order'],
  revision?: string,
): Pick<Approval, 'turn'> =>
  turns && order ? { turn: { shim: order.shim, revision: revision ?? revisionHere(turns, order.shim) } } : {};

/** Of a handler that nobody asks for any more. `failing`: why what is asked for now is left out, by what asks for it. */
export const approvalOfRemoval = (
  baseline: Baseline,
  name: string,
  failing: ReadonlyMap<string, Problem>,
): Approval | undefined => {
  const installed = baseline.before.ledger.handlers[name]?.handler;
  const order = installed?.order;
  const { turns } = baseline.desired;
  // It was given another name, and does not start under that: the former one is served as long.
  const failed = installed && failing.get(installed.where.file);
  if (failed) return { ...turnFor(baseline, order), held: { ...failed, handler: name } };
  // Its Shim may live on under another handler: both are one change, and one approval.
  const own = order && turns && gate(baseline, name, order.shim, revisionHere(turns, order.shim));
  // What somebody wrote into our text, and the runtime never loaded, needs no restart to go.
  const isInForce = name in baseline.before.ledger.handlers || servedNow(baseline.runtime).includes(name);
  return isInForce ? heldWith(baseline, name, own) : own;
};

const gate = (baseline: Baseline, name: string, shim: string, revision: string): Approval | undefined => {
  const { turns } = baseline.desired;
  if (!turns || baseline.rules.force) return undefined;
  const turn = turnOf(turns, shim, revision, baseline.before.now);
  const { bad } = baseline.before.ledger;
  // What has run out is the approval, not the failure: to wait for the next one would be to fail again.
  if (bad?.tried && Object.hasOwn(bad.tried, shim) && bad.tried[shim] === revision)
    return { turn: { shim, revision }, held: leftAlone(baseline.before, bad, name) };
  return turn.hold === undefined ? { turn } : { turn, held: waitsForTurn(turn, name, turns) };
};
