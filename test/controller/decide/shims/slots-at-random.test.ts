/**
 * Whatever slots statuses and RuntimeClasses name, as restores and other options leave them: Shims do not take slots from each other
 * again and again, no two have one, and none waits beside a slot that fits. The nodes do as rcm-node does with what a status says.
 */
import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import type { ClassFacts, NodeFacts, ShimFacts } from '../../../../controller/model/fleet.ts';
import { plainTable } from '../../../../daemon/shims/slot-table.ts';
import type { HandlerDetail } from '../../../../protocol/node-annotations.ts';
import { chance } from '../../../../testbed/controller/chance.ts';
import { aClass, aNode, aShim, now } from '../../../../testbed/controller/facts.ts';

const runs = Number(process.env.SEEDS ?? 8) * 100;
const names = ['slot-1', 'slot-2', 'slot-3'];

type Machine = {
  /** By slot its table. */
  readonly prepared: ReadonlyMap<string, string>;
  /** By slot the Shim that is served in it. */
  readonly served: Map<string, string>;
};
type State = {
  readonly machines: readonly Machine[];
  readonly shims: readonly ShimFacts[];
  readonly classes: readonly ClassFacts[];
};

const begin = (seed: number): State => {
  const next = chance(seed);
  const below = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(given: readonly T[]): T => given[below(given.length)]!;
  const shims = Array.from({ length: 1 + below(3) }, (_, index) => {
    const slot = pick([undefined, ...names]);
    return aShim(`s${index}`, {
      ...{ created: now - below(1000) * 1000, runtimeClass: `s${index}`, handler: slot ?? '' },
      ...{ seeks: pick([plainTable, 'aa', 'bb']), strategy: { scope: 'no-restart' } },
      status: {
        ...{ observedGeneration: 3, nodes: 1, nodesReady: 0, nodesUpdated: 0, nodesFailed: 0 },
        ...{ conditions: [], ...(slot === undefined ? {} : { slot }) },
      },
    });
  });
  const machines = Array.from({ length: 1 + below(2) }, () => ({
    prepared: new Map(
      names.flatMap((name) => (below(3) > 0 ? [[name, pick([plainTable, 'aa'])] as const] : [])),
    ),
    served: new Map<string, string>(),
  }));
  // A Shim that is gone, and whose removal the node missed.
  for (const { prepared, served } of machines)
    for (const slot of prepared.keys()) if (below(3) === 0) served.set(slot, 'ghost');
  const classes = shims.flatMap((shim) =>
    below(2) === 0 ? [] : [aClass({ ...shim, handler: pick(names) })],
  );
  return { machines, shims, classes };
};

const reportOf = ({ prepared, served }: Machine, shims: readonly ShimFacts[]) => {
  const told: Record<string, HandlerDetail> = {};
  for (const [slot, table] of prepared)
    told[slot] = { s: 'prepared', ...(table === plainTable ? {} : { t: table }) };
  for (const [slot, n] of served) told[slot] = { s: 'served', n, r: 'r2' };
  for (const { handler, name } of shims)
    if (handler !== '' && holderOf(shims, handler)?.name === name && served.get(handler) !== name)
      told[handler] = { s: 'failed', n: name, a: 'r2', p: 'needs-restart' };
  return told;
};

/** On a node the older one has it. What is served stays where its Shim may not change the table. */
const holderOf = (shims: readonly ShimFacts[], slot: string): ShimFacts | undefined =>
  shims.filter(({ handler }) => handler === slot).sort((a, b) => a.created - b.created)[0];

const act = (machine: Machine, shims: readonly ShimFacts[]): void => {
  for (const slot of names) {
    const holder = holderOf(shims, slot);
    if (holder && machine.prepared.get(slot) === holder.seeks) machine.served.set(slot, holder.name);
    else if (!holder) machine.served.delete(slot);
  }
};

const step = ({ machines, shims, classes }: State): State => {
  const nodes: readonly NodeFacts[] = machines.map((machine, index) =>
    aNode(`n${index}`, reportOf(machine, shims)),
  );
  const use = new Map(classes.map(({ name }) => [name, { at: now, pods: 0, examples: [] }]));
  const decided = decideFleet({ now, nodes, shims, classes, use });
  const left = new Map(classes.map((one) => [one.name, one]));
  for (const change of decided.classes)
    if (change.kind === 'delete') left.delete(change.class.name);
    else left.set(change.name, aClass(change.shim));
  const statuses = new Map(decided.statuses.map(({ shim, status }) => [shim.name, status]));
  const next = shims.map((shim) => {
    const status = statuses.get(shim.name)!;
    return { ...shim, status, handler: status.slot ?? '' };
  });
  for (const machine of machines) act(machine, next);
  return { machines, shims: next, classes: [...left.values()] };
};

const slotsIn = ({ shims, classes }: State): string =>
  JSON.stringify([shims, classes].map((all) => all.map(({ name, handler }) => [name, handler])));

t.test('slots come to rest', async (t) => {
  for (let seed = 0; seed < runs; seed++) {
    let state = begin(seed);
    for (let passes = 0; passes < 15; passes++) state = step(state);
    const rest = slotsIn(state);
    for (let passes = 0; passes < 4; passes++) {
      state = step(state);
      if (slotsIn(state) !== rest) t.fail(`seed ${seed}: ${rest} and ${slotsIn(state)}`);
    }
    const { machines, shims, classes } = state;
    const held = shims.map(({ handler }) => handler).filter((handler) => handler !== '');
    if (new Set(held).size !== held.length) t.fail(`seed ${seed}: one slot for two: ${held.join(' ')}`);
    for (const { name, handler, seeks } of shims) {
      const fits = (slot: string): boolean =>
        machines.every(({ prepared }) => prepared.get(slot) === seeks) &&
        !held.includes(slot) &&
        !classes.some((one) => one.handler === slot && one.name !== name);
      if (handler === '' && names.some(fits)) t.fail(`seed ${seed}: ${name} waits beside a slot`);
      if (handler !== '' && !machines.some(({ served }) => served.get(handler) === name))
        t.fail(`seed ${seed}: ${name} has ${handler} in vain`);
    }
  }
  t.pass(`${runs} clusters`);
});
