/** From what the controller sees to what it wants done: pure, and at rest once that is done. */
import type { Decision, View } from '../model/fleet.ts';
import { provenPrefix } from '../model/keys.ts';
import { claimsOf } from './shims/claims.ts';
import { shimPlanOf, type Given, makesYield, orphan } from './shims/shim-plan.ts';
import { atWork } from './rollout/control-plane.ts';
import { placementsOf } from './rollout/placement.ts';
import { askedOf, nodeChanges } from './node-changes.ts';
import { finalizerChange, holdersOf } from './shims/removal.ts';
import { settlesAt } from './rollout/rollout.ts';
import { withoutAbsent } from './shims/slot-absent.ts';
import { withoutDoubles } from './shims/slot-doubles.ts';
import { slotIn, slotsOf } from './shims/slots.ts';
import { startsOf } from './shims/starting.ts';
import { statusOf } from './status/status.ts';
import { byName } from '../model/wording.ts';

export const decideFleet = (seen: View): Decision => {
  const { now } = seen;
  const nodes = [...seen.nodes].sort(byName);
  const shims = withoutAbsent(withoutDoubles([...seen.shims].sort(byName), nodes, seen.classes), nodes);
  const view = { ...seen, shims };
  const all = placementsOf(nodes, shims);
  const slots = slotsOf(shims, all, view.classes);
  const { classes, rivalOf } = claimsOf(view, all, slots);
  const living = new Set(shims.filter(({ deleting }) => !deleting).map(({ name }) => name));
  const held = view.held ?? new Set();
  const working = new Set(atWork(nodes, now));
  const yields = shims.some((shim) => makesYield(shim, all.of.get(shim)!, { living, now, held }));
  const given: Given = { living, classes, now, held, shares: new Map(), working, yields };
  const plans = shims.map((shim) => shimPlanOf(shim, all.of.get(shim)!, given));
  for (const [name, placement] of [...all.orphans].sort(([a], [b]) => (a < b ? -1 : 1)))
    orphan(name, placement, given);

  const changes = nodeChanges(
    nodes,
    given.shares,
    askedOf(shims, selectedHandlers(view)),
    startsOf(plans),
    now,
  );
  const decided = plans.map((plan) => {
    const { shim, placement } = plan;
    const shown = changes.shown.get(shim.handler);
    const holders = shim.deleting ? holdersOf(shim, placement, nodes) : [];
    const status = statusOf(
      {
        ...plan,
        holders,
        isProven: (node) => shown?.has(node) === true,
        unmarked: view.unmarked ?? new Map(),
        rival: rivalOf(shim),
        slot: slotIn(shim, slots),
      },
      now,
    );
    const finalizer = finalizerChange(shim, holders.length === 0 && plan.classes.length === 0);
    return { shim, status, finalizer };
  });
  const moments = [...changes.moments, ...shims.flatMap((shim) => settlesAt(shim, now) ?? [])];
  return {
    nodes: changes.nodes,
    classes: plans.flatMap((plan) => plan.changes),
    finalizers: decided.flatMap(({ finalizer }) => finalizer ?? []),
    statuses: decided.map(({ shim, status }) => ({ shim, status })),
    count: [...new Set(plans.flatMap(({ own }) => own?.count ?? []))].sort(),
    wakeAt: moments.length > 0 ? moments.reduce((a, b) => Math.min(a, b)) : undefined,
  };
};

/** A class whose handler is about to change still sends Pods to nodes with the former one. */
const selectedHandlers = ({ classes }: View): readonly string[] =>
  classes.flatMap(({ nodeSelector }) =>
    Object.keys(nodeSelector)
      .filter((key) => key.startsWith(provenPrefix))
      .map((key) => key.slice(provenPrefix.length)),
  );
