/** The content of the RuntimeClass of a Shim: its owner, and whether its fields are as wanted. */
import { selects } from '../../../protocol/node-selector.ts';
import { type ClassSettings, printSettings, readSettings } from '../../model/class-settings.ts';
import type { ClassFacts, ShimFacts } from '../../model/fleet.ts';
import { managedBy, shimKey } from '../../model/keys.ts';
import type { Labels } from '../../../protocol/shim-object.ts';
import { provenLabel } from '../rollout/proof.ts';

const isOwned = ({ owners }: ClassFacts, { uid }: ShimFacts): boolean =>
  uid !== '' && owners.some((owner) => owner.uid === uid);

/** Those that runtime-class-manager made have the owner; a person hands one over by the label. */
export const isOurs = (one: ClassFacts, shim: ShimFacts): boolean =>
  isOwned(one, shim) || (one.owners.length === 0 && one.labels[shimKey] === shim.name);

/**
 * Nodes that the Shim selects and that are proven. Without the first, Pods of one Shim land on the nodes of another one with
 * the same handler, and an autoscaler cannot tell which pool to grow. The proof wins over an entry of the Shim with its key:
 * without it, Pods land where nothing serves them.
 */
export const selectorOf = ({ handler, nodeSelector }: ShimFacts): Labels => ({
  ...nodeSelector,
  [provenLabel(handler)]: 'served',
});

/** Whether it schedules Pods to the right nodes. */
export const leadsRight = ({ nodeSelector }: ClassFacts, shim: ShimFacts): boolean => {
  const wanted = selectorOf(shim);
  return selects(wanted, nodeSelector) && selects(nodeSelector, wanted);
};

export const isRight = (one: ClassFacts, shim: ShimFacts): boolean =>
  isOwned(one, shim) &&
  one.labels[shimKey] === shim.name &&
  one.labels[managedBy.key] === managedBy.value &&
  !one.holdsSettings &&
  leadsRight(one, shim);

/** What others set on it: as it stands, or, where it does not stand, as it stood last. */
export const settingsFor = (
  shim: ShimFacts,
  present: ClassFacts | undefined,
  former: readonly ClassFacts[],
): ClassSettings | undefined =>
  present !== undefined && isOurs(present, shim)
    ? present.settings
    : (readSettings(shim.status?.runtimeClass) ??
      former.find(({ name }) => name !== shim.runtimeClass)?.settings);

/** Whether what others set on it outlives it: a controller that is killed after the deletion knows nothing else. */
export const isRemembered = ({ settings }: ClassFacts, { status }: ShimFacts): boolean =>
  (settings && printSettings(settings)) === status?.runtimeClass;
