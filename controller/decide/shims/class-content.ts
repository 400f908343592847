/** The content of the RuntimeClass of a Shim: its owner, and whether its fields are as wanted. */
import { selects } from '../../../protocol/node-selector.ts';
import { heldBy, partOf, sharedOf } from '../../model/class-holders.ts';
import { type ClassSettings, isSame, printSettings, readSettings } from '../../model/class-settings.ts';
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
  isSame(one.applied, shim.classSettings) &&
  leadsRight(one, shim);

/** What others set on it. One that was just made has what its Shim asks for from the same hand. */
const othersOn = ({ settings, holdsSettings }: ClassFacts, { classSettings }: ShimFacts) =>
  settings && holdsSettings ? partOf(settings, heldBy(classSettings), 'rest') : settings;

/** What others set on it: as it stands, or, where it does not stand, as it stood last. */
export const settingsFor = (
  shim: ShimFacts,
  present: ClassFacts | undefined,
  former: readonly ClassFacts[],
): ClassSettings | undefined => {
  if (present !== undefined && isOurs(present, shim)) return othersOn(present, shim);
  const before = former.find(({ name }) => name !== shim.runtimeClass);
  return readSettings(shim.status?.runtimeClass) ?? (before && othersOn(before, shim));
};

/** Whether what others set on it outlives it: a controller that is killed after the deletion knows nothing else. */
export const isRemembered = (one: ClassFacts, shim: ShimFacts): boolean => {
  const settings = othersOn(one, shim);
  return (settings && printSettings(settings)) === shim.status?.runtimeClass;
};

/** Who changed it last of what is ours of it. */
export const overwriterOf = ({ overwrittenBy, setBy }: ClassFacts, shim: ShimFacts): string | undefined => {
  const asked = heldBy(shim.classSettings);
  return overwrittenBy ?? setBy.find(({ held }) => sharedOf(held, asked).length > 0)?.name;
};

/** Settings of others that those of its Shim take the place of. */
export const replacedOn = (
  { settings = {}, holdsSettings, setBy }: ClassFacts,
  { classSettings = {} }: ShimFacts,
) => {
  const asked = heldBy(classSettings);
  const taken = partOf(settings, asked, 'held');
  const wanted = partOf(classSettings, heldBy(taken), 'held');
  if (taken === undefined || holdsSettings || isSame(taken, wanted)) return undefined;
  const who = setBy.filter(({ held }) => sharedOf(held, asked).length > 0).map(({ name }) => name);
  return { fields: sharedOf(heldBy(taken), asked), who };
};
