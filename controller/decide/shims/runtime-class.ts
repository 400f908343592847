/** The RuntimeClass of a Shim: its owner, its wanted content, and when it can be changed. */
import type { ClassSettings } from '../../model/class-settings.ts';
import type { ClassChange, ClassFacts, ClassUse, ShimFacts } from '../../model/fleet.ts';
import { shimKey } from '../../model/keys.ts';
import { isOurs, isRemembered, isRight, leadsRight, settingsFor } from './class-content.ts';
import type { Slots } from './slots.ts';
import { invalidity, overwrittenBy, rejected } from './class-messages.ts';
import { countOf, someOf } from '../../model/wording.ts';
import { isLost, lostClass } from './slot-doubles.ts';

/**
 * For so long a count of zero Pods is valid. Counting the Pods of a large cluster takes minutes; a Pod that starts meanwhile
 * keeps its handler, because no node removes a handler that is in use.
 */
const believedMs = 5 * 60_000;

export type ClassStanding = {
  readonly kind:
    | 'stands'
    /** It is being created or replaced. */
    | 'missing'
    /** Another program owns an object with this name. */
    | 'foreign'
    | 'claimed'
    /** The API server rejects its name or its handler. */
    | 'invalid'
    /** No prepared handler is free for its Shim, which asks for one. */
    | 'slotless'
    /** It belongs to a deleted Shim, and is garbage-collected. */
    | 'collected'
    /** Pods use it with its former handler. */
    | 'in-use'
    /** The Pods that use it are not counted yet. */
    | 'uncounted';
  /** For people; absent where nothing is wrong. */
  readonly message?: string;
  /** Why the API server rejects its creation or its change: a person must act. */
  readonly refused?: string;
  /** Another program repeatedly reverts it: which one, and what to do. */
  readonly overwritten?: string;
  /** It exists, but does not select proven nodes of the Shim now. */
  readonly misleads?: true;
  /** Fields that others set on it, to be kept. */
  readonly settings?: ClassSettings;
  /** Former classes of this Shim that Pods still use. */
  readonly note?: string;
  readonly changes: readonly ClassChange[];
  /** Classes whose Pods must be counted before the next step. */
  readonly count: readonly string[];
};

export type Classes = {
  readonly byName: ReadonlyMap<string, ClassFacts>;
  readonly byOwner: ReadonlyMap<string, readonly ClassFacts[]>;
  readonly use: ReadonlyMap<string, ClassUse>;
  /** By name, why the API server does not let it be made or replaced. */
  readonly refused: ReadonlyMap<string, string>;
  /** By name, who changes it back again and again. */
  readonly overwritten: ReadonlyMap<string, readonly string[]>;
  /** The Shim that has the name. */
  readonly holder: (name: string) => ShimFacts | undefined;
  /** Of Shims that have no slot yet. */
  readonly slots: Slots;
  readonly holderOf: (handler: string) => ShimFacts | undefined;
  readonly shimOfUid: (uid: string) => ShimFacts | undefined;
};

/** All classes of this Shim, under any name. */
export const classesOf = (shim: ShimFacts, { byName, byOwner }: Classes): readonly ClassFacts[] => {
  const own = byName.get(shim.runtimeClass);
  const owned = byOwner.get(shim.uid) ?? [];
  return own && isOurs(own, shim) && !owned.includes(own) ? [own, ...owned] : owned;
};

export const classOf = (shim: ShimFacts, classes: Classes, now: number): ClassStanding => {
  const former = formerOf(shim, classes, now);
  const present = classes.byName.get(shim.runtimeClass);
  const settings = settingsFor(shim, present, classes.byOwner.get(shim.uid) ?? []);
  const own = presentOf(shim, classes, settings, now);
  const isWanted = own.kind === 'missing' || own.changes.length > 0;
  const refused = isWanted ? classes.refused.get(shim.runtimeClass) : undefined;
  const overwriters =
    own.kind === 'stands' || own.kind === 'missing' ? classes.overwritten.get(shim.runtimeClass) : undefined;
  return {
    ...own,
    ...(settings === undefined ? {} : { settings }),
    ...(overwriters === undefined ? {} : { overwritten: overwrittenBy(shim.runtimeClass, overwriters) }),
    ...(refused === undefined ? {} : { refused, message: rejected(shim, own.message, refused) }),
    changes: [...own.changes, ...former.changes],
    count: [...own.count, ...former.count],
    ...(former.note === undefined ? {} : { note: former.note }),
  };
};

const presentOf = (
  shim: ShimFacts,
  classes: Classes,
  settings: ClassSettings | undefined,
  now: number,
): ClassStanding => {
  const name = shim.runtimeClass;
  const rest = { changes: [], count: [] };
  const present = classes.byName.get(name);
  const own = lostClass(shim, present, present && classes.holderOf(present.handler));
  const slot = classes.slots.get(shim);
  if (slot)
    return { ...rest, ...own, kind: slot.given === undefined ? 'slotless' : 'missing', message: slot.why };
  const invalid = invalidity(shim);
  if (invalid !== undefined) return { ...rest, ...own, kind: 'invalid', message: invalid };
  const holder = classes.holder(name);
  if (holder && holder !== shim)
    return {
      ...rest,
      ...own,
      kind: 'claimed',
      message: `the older Shim ${holder.name} owns the RuntimeClass ${name}; give one of the two another spec.runtimeClass.name, or delete one`,
    };
  const apply: ClassChange = { kind: 'apply', name, shim, ...(settings === undefined ? {} : { settings }) };
  if (!present)
    return {
      ...rest,
      kind: 'missing',
      message: `the RuntimeClass ${name} is being created`,
      changes: [apply],
    };
  if (present.deleting)
    return {
      ...rest,
      kind: 'missing',
      message: `the RuntimeClass ${name} is being deleted and is created again afterwards; if it stays, check its finalizers`,
    };
  if (!isOurs(present, shim)) return { ...rest, ...foreign(present, shim, classes) };
  if (present.handler === shim.handler)
    return isRight(present, shim)
      ? { ...rest, kind: 'stands' }
      : {
          ...rest,
          kind: 'stands',
          changes: [apply],
          ...(leadsRight(present, shim) ? {} : { misleads: true }),
        };
  if (own)
    return {
      ...rest,
      ...own,
      kind: 'missing',
      message: `the handler ${present.handler} of the RuntimeClass ${name} is another Shim's, so it is created again with ${shim.handler}`,
    };
  return replaced(present, shim, classes.use.get(name), now);
};

const foreign = (
  present: ClassFacts,
  shim: ShimFacts,
  classes: Classes,
): Pick<ClassStanding, 'kind' | 'message'> => {
  const { name, owners } = present;
  const owner = owners.find(({ kind }) => kind === 'Shim');
  const other = owner && classes.shimOfUid(owner.uid);
  if (other)
    return {
      kind: 'claimed',
      message: `the RuntimeClass ${name} still belongs to the Shim ${other.name}; it is created again when that Shim releases it`,
    };
  if (owner)
    return {
      kind: 'collected',
      message: `the RuntimeClass ${name} belonged to a deleted Shim, and is created again after the garbage collector removes it`,
    };
  // A class with another owner is deleted with that owner: it cannot be adopted.
  const handOver =
    owners.length > 0
      ? ''
      : `hand it over (kubectl label --overwrite runtimeclass ${name} ${shimKey}=${shim.name}), `;
  return {
    kind: 'foreign',
    message: `a RuntimeClass ${name} exists already and is not changed; ${handOver}delete it, or give this Shim another spec.runtimeClass.name`,
  };
};

/** The handler of a RuntimeClass is immutable: delete and create it, only while no Pod uses it. */
const replaced = (
  present: ClassFacts,
  shim: ShimFacts,
  use: ClassUse | undefined,
  now: number,
): ClassStanding => {
  const { name, handler } = present;
  const change = `the handler of the RuntimeClass ${name} is to change from ${handler} to ${shim.handler}`;
  const { pods, who } = counting(use, now);
  if (pods === undefined)
    return {
      kind: 'uncounted',
      message: `${change}; Pods that use it are being counted`,
      changes: [],
      count: [name],
    };
  if (pods > 0)
    return {
      kind: 'in-use',
      message: `${change}, but ${who} it; delete them, or set spec.runtimeClass.handler back to ${handler}, or give this Shim another spec.runtimeClass.name`,
      changes: [],
      count: [name],
    };
  return {
    kind: 'missing',
    message: `${change}, so it is created again`,
    changes: isRemembered(present, shim) ? [{ kind: 'delete', class: present, next: shim }] : [],
    count: [name],
  };
};

type Counted = {
  /** Undefined: it has to be counted first. */
  readonly pods: number | undefined;
  readonly who: string;
};

const counting = (use: ClassUse | undefined, now: number): Counted => {
  if (use === undefined || (use.pods === 0 && Math.abs(now - use.at) >= believedMs))
    return { pods: undefined, who: '' };
  const { pods, examples } = use;
  const some = examples.length === 0 ? '' : ` (${someOf(examples, 4)}${pods > examples.length ? ', …' : ''})`;
  return { pods, who: `${countOf(pods, 'Pod')}${some} still ${pods === 1 ? 'uses' : 'use'}` };
};

/** A class under a former name is deleted when no Pod uses it, or when it leads to the program of another Shim. */
const formerOf = (
  shim: ShimFacts,
  classes: Classes,
  now: number,
): Pick<ClassStanding, 'changes' | 'count' | 'note'> => {
  const rows = (classes.byOwner.get(shim.uid) ?? [])
    .filter((one) => one.name !== shim.runtimeClass && !one.deleting)
    .map((one) => ({ one, counted: counting(classes.use.get(one.name), now) }));
  const note = rows
    .filter(({ counted }) => counted.pods !== undefined && counted.pods > 0)
    .map(
      ({ one, counted }) =>
        `${counted.who} its former RuntimeClass ${one.name}, which is deleted when no Pod uses it`,
    )
    .join('; ');
  return {
    changes: rows
      .filter(({ one, counted }) => counted.pods === 0 || isLost(shim, one, classes.holderOf(one.handler)))
      .map(({ one }) => ({ kind: 'delete', class: one })),
    count: rows.map(({ one }) => one.name),
    ...(note === '' ? {} : { note }),
  };
};
