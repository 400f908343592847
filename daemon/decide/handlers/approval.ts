/**
 * Which changes wait for an approval: changes of the configuration that a Shim asks for. Changes of a local file, repairs,
 * adoption of existing content, and forced changes never wait.
 */
import type { Handler } from '../../model/desired.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { startId } from '../../model/start.ts';
import type { NeededApproval } from '../../model/rollout-wait.ts';
import { leftOut } from './failed-starts.ts';
import { servedNow } from '../restart.ts';
import type { Baseline } from '../baseline.ts';
import { deepEqual, type Table } from '../../toml/compare.ts';
import { leftAlone } from './failed-revisions.ts';
import { isLost, standingTable, staysPrepared } from './prepared.ts';
import { keyOfTarget } from '../../../protocol/host-paths.ts';
import { revisionHere, neededApproval, waitsForApproval } from './rollout-wait.ts';

/** A change that needs an approval, or waits for another reason; with `held` it is not made now. */
export type Approval = {
  readonly needed?: NeededApproval;
  readonly held?: Problem;
  /** Held because no sandbox started with it. */
  readonly leftOut?: true;
};

/** The table of a handler as it was installed, with the present options of the default handler. */
export const tableInForce = ({ before, target }: Baseline, name: string): Table | undefined => {
  const installed = before.ledger.handlers[name];
  return installed && target.tableOf(installed.handler, installed.path);
};

/** Of a desired handler. Undefined: it needs no approval and may change. */
export const approvalOf = (
  baseline: Baseline,
  handler: Handler,
  asked: { readonly table: Table; readonly key: string | undefined; readonly path: string },
): Approval | undefined => {
  const { order, name } = handler;
  const failed =
    asked.key === undefined ? undefined : leftOut(baseline, name, startId(asked.key, asked.table));
  if (failed) return { ...neededFor(baseline, order, order?.revision), held: failed, leftOut: true };
  // What the runtime was started without needs a restart, also where the files have it; one that was served is repaired.
  const isLoaded = name in baseline.before.ledger.handlers || !isLost(baseline, name);
  const isSame =
    isLoaded &&
    [standingTable(baseline, name), baseline.target.present[name]].some(
      (table) => table !== undefined && deepEqual(table, asked.table),
    );
  if (order?.scope === 'no-restart' && !isSame && !baseline.rules.force)
    return { ...neededFor(baseline, order, order.revision), held: needsRestart(name) };
  const isMoved = keyInForce(baseline, name, asked.path) !== asked.key;
  const own =
    !order || (isSame && !(order.scope === 'all' && isMoved))
      ? undefined
      : gate(baseline, name, order.shim, order.revision);
  return isSame && !(isMoved && baseline.held?.code === 'known-bad') ? own : heldWith(baseline, name, own);
};

const needsRestart = (name: string): Problem => ({
  code: 'needs-restart',
  handler: name,
  message: `its Shim says that no runtime may be restarted for it (scope: no-restart), and "${name}" is not prepared here with the same options and annotations`,
});

/** The artifact that serves it now; a handler that was only prepared has none. */
const keyInForce = ({ before }: Baseline, name: string, path: string): string | undefined => {
  const target = before.links[path]?.target ?? null;
  return before.ledger.handlers[name]?.key ?? (target === null ? undefined : keyOfTarget(target));
};

const heldWith = ({ held }: Baseline, name: string, own: Approval | undefined): Approval | undefined =>
  held === undefined || own?.held ? own : { ...own, held: { ...held, handler: name } };

/** A failure is reported with its Shim and revision; no approval would change it. */
const neededFor = (
  { desired: { approvals } }: Baseline,
  order: Handler['order'],
  revision?: string,
): Pick<Approval, 'needed'> =>
  approvals && order
    ? { needed: { shim: order.shim, revision: revision ?? revisionHere(approvals, order.shim) } }
    : {};

/** Of a handler that is no longer desired. `failing`: why a desired handler is left out, by its source. */
export const approvalOfRemoval = (
  baseline: Baseline,
  name: string,
  failing: ReadonlyMap<string, Problem>,
): Approval | undefined => {
  const installed = baseline.before.ledger.handlers[name]?.handler;
  const order = installed?.order;
  const { approvals } = baseline.desired;
  // The handler was renamed and does not start under its new name: the former name stays in service.
  const failed = installed && failing.get(installed.where.file);
  if (failed) return { ...neededFor(baseline, order), held: { ...failed, handler: name } };
  // The Shim may have another handler now: both are one change with one approval.
  const isGated = order?.scope === 'all' || !staysPrepared(baseline, name);
  const own =
    order && approvals && isGated
      ? gate(baseline, name, order.shim, revisionHere(approvals, order.shim))
      : undefined;
  if (!isGated) return own;
  // Foreign content in our text that the runtime never loaded is removed without a restart.
  const isInForce = name in baseline.before.ledger.handlers || servedNow(baseline.runtime).includes(name);
  return isInForce ? heldWith(baseline, name, own) : own;
};

const gate = (baseline: Baseline, name: string, shim: string, revision: string): Approval | undefined => {
  const { approvals } = baseline.desired;
  if (!approvals || baseline.rules.force) return undefined;
  const needed = neededApproval(approvals, shim, revision, baseline.before.now);
  const { bad } = baseline.before.ledger;
  // What has run out is the approval, not the failure: to wait for the next one would be to fail again.
  if (bad?.tried && Object.hasOwn(bad.tried, shim) && bad.tried[shim] === revision)
    return { needed: { shim, revision }, held: leftAlone(baseline.before, bad, name) };
  return needed.hold === undefined ? { needed } : { needed, held: waitsForApproval(needed, name, approvals) };
};
