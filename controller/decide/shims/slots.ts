/**
 * Prepared handlers for Shims that ask for one (`scope: no-restart`, and no handler): the first that is prepared and free on all
 * selected nodes. A Shim keeps it in its status for as long as it lives: Pods have its name in their RuntimeClass.
 */
import { plainTable } from '../../../daemon/shims/slot-table.ts';
import { isSlot } from '../../../protocol/shim-object.ts';
import type { ClassFacts, NodeFacts, ShimFacts } from '../../model/fleet.ts';
import { shimKey } from '../../model/keys.ts';
import { byName, countOf, someOf } from '../../model/wording.ts';
import type { Placement, Placements } from '../rollout/placement.ts';
import { isOurs } from './class-content.ts';
import { isAbsent } from './slot-absent.ts';
import { isUntold, untoldOf } from './slot-untold.ts';

/** `why` is for people. */
type Found = { readonly given?: string; readonly why: string };

export type Slots = ReadonlyMap<ShimFacts, Found>;

/** For this Shim: also those by which the node serves it. */
const preparedOn = ({ detail }: NodeFacts, shim: ShimFacts): readonly string[] =>
  Object.entries(detail?.shims ?? {}).flatMap(([name, { s, n, r, t = plainTable }]) =>
    ((s === 'prepared' && t === shim.seeks) || (n === shim.name && r !== undefined)) && isSlot(name)
      ? [name]
      : [],
  );

/** slot-2 goes before slot-10. */
const inOrder = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : 1);

/** What its Pods ask for, where its status was lost. No node decides this alone: it could name a slot that the others lack. */
export const formerOf = (shim: ShimFacts, classes: readonly ClassFacts[]): string | undefined =>
  classes.find((one) => isSlot(one.handler) && isOurs(one, shim))?.handler;

/**
 * Slots to which a RuntimeClass leads that is not of a Shim of this name: of one that is gone and not garbage-collected yet, or of one
 * that has another handler by now while Pods use the class. Its Pods would run with the program of this Shim.
 */
const ledBy = (shim: ShimFacts, classes: readonly ClassFacts[]): ReadonlyMap<string, string> =>
  new Map(
    classes
      .filter((one) => isSlot(one.handler) && !isOurs(one, shim) && one.labels[shimKey] !== shim.name)
      .map(({ handler, name }) => [handler, name]),
  );

/** Of the Shims that have none. */
export const slotsOf = (
  shims: readonly ShimFacts[],
  { of }: Pick<Placements, 'of'>,
  classes: readonly ClassFacts[],
): Slots => {
  const taken = new Set(shims.map(({ handler }) => handler));
  const slots = new Map<ShimFacts, Found>();
  const seeking = shims
    .filter(({ seeks, handler, deleting }) => seeks && handler === '' && !deleting)
    .map((shim) => ({ shim, former: formerOf(shim, classes) }))
    .sort(
      (a, b) =>
        Number(a.former === undefined) - Number(b.former === undefined) ||
        a.shim.created - b.shim.created ||
        byName(a.shim, b.shim),
    );
  for (const { shim, former } of seeking) {
    const { given, why } = slotFor(shim, of.get(shim)!, taken, ledBy(shim, classes), former);
    if (given !== undefined) taken.add(given);
    const lost = lostBy(shim, former, shims, of.get(shim)!.targets);
    slots.set(shim, { ...(given === undefined ? {} : { given }), why: `${lost}${why}` });
  }
  return slots;
};

/** slot-doubles.ts or slot-absent.ts left it without the slot that it had. */
const lostBy = (
  shim: ShimFacts,
  former: string | undefined,
  shims: readonly ShimFacts[],
  targets: readonly NodeFacts[],
): string => {
  const lost = shim.status?.slot ?? former;
  if (lost === undefined) return '';
  const keeper = shims.find(({ handler }) => handler === lost);
  const its = shim.status?.slot === undefined ? 'of its RuntimeClass' : 'in its status';
  if (keeper) return `the handler ${lost} ${its} is that of the Shim ${keeper.name}, and `;
  return isAbsent(lost, shim, targets)
    ? `the handler ${lost} ${its} is prepared on none of its selected nodes, and `
    : '';
};

const given = (slot: string): Found => ({ given: slot, why: `the prepared handler ${slot} is given to it` });

const slotFor = (
  shim: ShimFacts,
  { targets, strays }: Placement,
  held: ReadonlySet<string>,
  led: ReadonlyMap<string, string>,
  former: string | undefined,
): Found => {
  if (former !== undefined && !held.has(former) && !isAbsent(former, shim, targets)) return given(former);
  const taken = new Set([...held, ...led.keys()]);
  const [first, ...others] = targets.map((node) => ({ node, free: new Set(preparedOn(node, shim)) }));
  if (!first) return { why: 'no selected node reports yet, so it is not known which handlers are prepared' };
  const common = [...first.free].filter((name) => others.every(({ free }) => free.has(name)));
  const free = common.filter((name) => !taken.has(name)).sort(inOrder);
  const served = new Set([...strays.values()].flat().map(({ handler }) => handler));
  const best = free.find((name) => served.has(name)) ?? free[0];
  if (best !== undefined) return given(best);
  const lacking = targets.filter((node) => preparedOn(node, shim).every((name) => taken.has(name)));
  const untold = untoldOf(lacking);
  const without = lacking.filter((node) => !isUntold(node));
  if (untold !== '' && without.length === 0)
    return {
      why: `no prepared handler is given to it: on which nodes they are is not known, because ${untold}`,
    };
  const where =
    without.length === 0
      ? `none is free on all of ${countOf(targets.length, 'selected node')}`
      : `none is free on ${someOf(without.map(({ name }) => name))}`;
  const leading = common.flatMap((slot) => {
    const name = held.has(slot) ? undefined : led.get(slot);
    return name === undefined ? [] : [`the RuntimeClass ${name} leads to ${slot}`];
  });
  const because = leading.length === 0 ? '' : ` (${someOf(leading)})`;
  return {
    why: `no prepared handler is free for it: ${where}${because}; ${more(shim)}, delete a Shim or a RuntimeClass that has one, or take scope: no-restart out${untold === '' ? '' : `; also, ${untold}`}`,
  };
};

const more = ({ seeks, entry }: ShimFacts): string => {
  const kind = seeks === plainTable ? '' : ', with its options and annotations,';
  const example = entry === undefined ? '' : ` (${entry})`;
  return `add handlers that begin with slot-${kind} to [runtime] prepare in the settings of the nodes${example}`;
};

/** For its status: as long as it asks for one. */
export const slotIn = (shim: ShimFacts, slots: Slots): string | undefined => {
  if (!shim.seeks) return undefined;
  if (shim.handler !== '') return shim.handler;
  return slots.get(shim)?.given;
};
