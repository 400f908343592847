/** The JSON of a node's status annotation: for each handler its state, its Shim, and the revision that waits for approval. */
import type { Handler, Prepared } from '../../model/desired.ts';
import type { Report } from '../../model/outcome.ts';
import type { HandlerReport } from '../../model/plan.ts';
import type { ApprovalFacts } from '../../model/rollout-wait.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { shimOfResource } from '../../shims/resource.ts';
import { plainTable, tableKey } from '../../shims/slot-table.ts';
import type { HandlerDetail, MachineIds, NodeDetail } from '../../../protocol/node-annotations.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { isSlot } from '../../../protocol/shim-object.ts';
import { revisionHere } from '../handlers/rollout-wait.ts';

export type StatusInput = {
  readonly report: Report;
  readonly desired: readonly Handler[];
  /** Desired handlers that were refused. */
  readonly problems?: readonly Problem[];
  readonly approvals?: ApprovalFacts | undefined;
  /** Installed handlers of the ledger. */
  readonly installed: Readonly<Record<string, { readonly handler: Handler }>>;
  /** Prepared handlers of the ledger. */
  readonly prepared?: Readonly<Record<string, { readonly handler: Prepared }>> | undefined;
  /** Handlers that the runtime lists; `unknown` where it does not list handlers. */
  readonly serves: readonly string[] | 'unknown';
  readonly identity: string;
  /** Of the reporting machine. */
  readonly ids?: MachineIds;
  readonly legacyLabels: boolean;
};

/** The limit of Kubernetes for all annotations of an object together is 256 KiB. */
const statusBytes = 8192;

/** Readers ignore unknown fields. Handlers that would exceed the limit are left out. */
export const detail = (given: StatusInput, since: string): string => {
  const { report } = given;
  const asked = new Map(given.desired.map((handler) => [handler.name, handler]));
  // What is only to be prepared has nothing to do with the cluster yet.
  const said = report.handlers.filter(
    ({ state, source }) => state !== 'pending' || source !== paths.settings,
  );
  const all = new Map(said.map((one) => [one.name, detailOf(given, one, asked.get(one.name))]));
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

/** The controller gives a slot to a Shim with an equal table alone, and one that named the slot may have left another one in it. */
const tableOf = (
  { prepared = {} }: StatusInput,
  { name, state }: HandlerReport,
): Pick<HandlerDetail, 't'> => {
  const handler = state === 'prepared' && isSlot(name) ? prepared[name]?.handler : undefined;
  const key = handler === undefined ? plainTable : tableKey(handler);
  return key === plainTable ? {} : { t: key };
};

const detailOf = (given: StatusInput, one: HandlerReport, asked: Handler | undefined): HandlerDetail => {
  const before = given.installed[one.name]?.handler.order;
  const shim = asked ? asked.order?.shim : before?.shim;
  const isServing = given.serves === 'unknown' || given.serves.includes(one.name);
  // In a slot the program of another Shim is none that Pods of this one may run with.
  const isIts = before?.shim === shim || !isSlot(one.name);
  const revision = before && isServing && isIts ? before.revision : undefined;
  const revisionAsked = shim === undefined ? undefined : askedRevision(given, shim, asked?.order?.revision);
  const isSaid = one.state === 'served' && revisionAsked === revision;
  return {
    s: one.state,
    ...(shim === undefined ? {} : { n: shim }),
    ...(revision === undefined ? {} : { r: revision }),
    ...(revisionAsked === undefined || isSaid ? {} : { a: revisionAsked }),
    ...(one.approval?.hold === undefined ? {} : { w: one.approval.revision }),
    ...(one.sha256 ? { d: one.sha256.slice(0, 12) } : {}),
    ...(one.signature ? signerOf(one.signature) : {}),
    ...(one.problem ? { p: one.problem.code } : {}),
    ...tableOf(given, one),
  };
};

/** An identity may be long, and there is room for all handlers; `status --json` has it whole. */
const signerOf = ({ signer, policy }: NonNullable<HandlerReport['signature']>) => ({
  g: signer.slice(0, 120).trimEnd(),
  y: policy.slice(0, 12),
});

/** The asked revision. For a Shim that cannot be parsed a former revision may be in service; the asked one failed. */
const askedRevision = (
  { approvals }: StatusInput,
  shim: string,
  otherwise: string | undefined,
): string | undefined => (approvals ? revisionHere(approvals, shim) : otherwise);

/** Shims that were refused before they became a desired handler: only this entry reports them. */
const refusals = (
  given: StatusInput,
  known: ReadonlyMap<string, HandlerDetail>,
): readonly (readonly [string, HandlerDetail])[] =>
  (given.problems ?? []).flatMap(({ code, where, handler }) => {
    const shim = where && shimOfResource(where.file);
    if (shim === undefined) return [];
    const same = [...known].find(([, one]) => one.n === shim);
    const revisionAsked = askedRevision(given, shim, undefined);
    const refused = {
      s: 'refused',
      n: shim,
      ...(revisionAsked === undefined ? {} : { a: revisionAsked }),
      p: code,
    } as const;
    if (same) return [[same[0], { ...same[1], ...refused }] as const];
    const name = handler ?? shim;
    return known.has(name) ? [] : [[name, refused] as const];
  });
