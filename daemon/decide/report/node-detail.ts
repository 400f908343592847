/** The JSON of a node's status annotation: by handler what it serves, of which Shim, and what waits for its turn. */
import type { Handler } from '../../model/desired.ts';
import type { Report } from '../../model/outcome.ts';
import type { HandlerReport } from '../../model/plan.ts';
import type { TurnFacts } from '../../model/rollout-wait.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { shimOfResource } from '../../shims/resource.ts';
import type { HandlerDetail, MachineIds, NodeDetail } from '../../../protocol/node-annotations.ts';
import { revisionHere } from '../handlers/rollout-wait.ts';

export type StatusInput = {
  readonly report: Report;
  readonly desired: readonly Handler[];
  /** What was asked for and is no handler here. */
  readonly problems?: readonly Problem[];
  readonly turns?: TurnFacts | undefined;
  /** What the ledger says was put in place, by handler. */
  readonly installed: Readonly<Record<string, { readonly handler: Handler }>>;
  /** Handlers that the runtime serves, as it says itself; `unknown` where it does not. */
  readonly serves: readonly string[] | 'unknown';
  readonly identity: string;
  /** Of the machine that says it. */
  readonly ids?: MachineIds;
  readonly legacyLabels: boolean;
};

/** At most: shared with everyone else are 256 KiB for all annotations of an object. */
const statusBytes = 8192;

/** Who reads it ignores what it does not know. Handlers that would make it too long are left out. */
export const detail = (given: StatusInput, since: string): string => {
  const { report } = given;
  const asked = new Map(given.desired.map((handler) => [handler.name, handler]));
  const all = new Map(report.handlers.map((one) => [one.name, detailOf(given, one, asked.get(one.name))]));
  for (const [name, one] of refusals(given, all)) all.set(name, one);
  const shims = [...all];
  const print = (count: number): string =>
    JSON.stringify({
      v: 1,
      agent: report.agent,
      runtime: report.runtime ? `${report.runtime.name}/${report.runtime.version}` : null,
      identity: given.identity,
      since,
      ...given.ids,
      ...(count < shims.length ? { trunc: true } : {}),
      shims: Object.fromEntries(shims.slice(0, count)),
    } satisfies NodeDetail);
  for (let count = shims.length; count > 0; count--) {
    const text = print(count);
    if (Buffer.byteLength(text) <= statusBytes) return text;
  }
  return print(0);
};

const detailOf = (given: StatusInput, one: HandlerReport, asked: Handler | undefined): HandlerDetail => {
  const before = given.installed[one.name]?.handler.order;
  const shim = asked ? asked.order?.shim : before?.shim;
  const isServing = given.serves === 'unknown' || given.serves.includes(one.name);
  const revision = before && isServing ? before.revision : undefined;
  const wish = shim === undefined ? undefined : wishOf(given, shim, asked?.order?.revision);
  const isSaid = one.state === 'served' && wish === revision;
  return {
    s: one.state,
    ...(shim === undefined ? {} : { n: shim }),
    ...(revision === undefined ? {} : { r: revision }),
    ...(wish === undefined || isSaid ? {} : { a: wish }),
    ...(one.turn?.hold === undefined ? {} : { w: one.turn.revision }),
    ...(one.sha256 ? { d: one.sha256.slice(0, 12) } : {}),
    ...(one.problem ? { p: one.problem.code } : {}),
  };
};

/** Of a Shim that cannot be understood, a former state may be in force; what is asked for is what failed. */
const wishOf = ({ turns }: StatusInput, shim: string, otherwise: string | undefined): string | undefined =>
  turns ? revisionHere(turns, shim) : otherwise;

/** Shims that this node cannot even take for a wish, since they have nothing for it: nobody else knows of them. */
const refusals = (
  given: StatusInput,
  known: ReadonlyMap<string, HandlerDetail>,
): readonly (readonly [string, HandlerDetail])[] =>
  (given.problems ?? []).flatMap(({ code, where, handler }) => {
    const shim = where && shimOfResource(where.file);
    if (shim === undefined) return [];
    const same = [...known].find(([, one]) => one.n === shim);
    const wish = wishOf(given, shim, undefined);
    const refused = { s: 'refused', n: shim, ...(wish === undefined ? {} : { a: wish }), p: code } as const;
    if (same) return [[same[0], { ...same[1], ...refused }] as const];
    const name = handler ?? shim;
    return known.has(name) ? [] : [[name, refused] as const];
  });
