/**
 * Writes the status of Shims: only where it changed, and not often, because every node of the cluster watches Shims and is
 * woken by it.
 */
import { ApiFailure } from '../../kube/client.ts';
import { noticesOf } from '../decide/status/notices.ts';
import { makeDefinition } from '../observe/definition.ts';
import type { LeaderContext } from './context.ts';
import type { Decision, ShimFacts, ShimStatus } from '../model/fleet.ts';
import { shimFacts } from '../model/shim-facts.ts';
import { canonical } from '../../protocol/digest.ts';
import { paths } from '../observe/watches.ts';
import { isFields } from '../../protocol/json.ts';

export type StatusWriter = {
  /** With the status that was decided last, where the definition of the type keeps none: a rollout is remembered in it. */
  recall(shims: readonly ShimFacts[]): readonly ShimFacts[];
  carry(statuses: Decision['statuses'], nodes: number): Promise<void>;
  /** `elapsed` when one that was put off is due; undefined: none was. */
  nextDue(): number | undefined;
};

const secondMs = 1000;
/** How long an answer that shows something else than was sent keeps us from sending the same again. */
const stubbornMs = 600_000;

const intervalOf = (nodes: number): number => Math.min(Math.max(nodes / 50, 1), 30) * secondMs;

/** A merge patch from one to the other: what is not there any more is taken away by null. */
export const mergeOf = (from: unknown, to: unknown): unknown => {
  if (!isFields(from) || !isFields(to)) return to;
  const gone = Object.keys(from).filter((key) => !(key in to));
  return Object.fromEntries([
    ...gone.map((key) => [key, null]),
    ...Object.entries(to).map(([key, value]) => [key, mergeOf(from[key], value)]),
  ]);
};

type Written = { readonly at: number; readonly sent: string; readonly stubborn: boolean };

export const makeStatusWriter = (context: LeaderContext): StatusWriter => {
  const { api, clock, log, metrics, writes, watches, events } = context;
  const definition = makeDefinition(api, clock, log, metrics);
  /** By uid of the Shim. */
  const last = new Map<string, Written>();
  /** By uid of the Shim, what could not be written because there is no place for it. */
  const unwritten = new Map<string, ShimStatus>();
  /** By uid of the Shim, what others set on its RuntimeClass, where the definition of Shims is too old to keep it. */
  const pruned = new Map<string, string>();
  const state = { due: undefined as number | undefined };

  const write = async (shim: ShimFacts, status: ShimStatus, sent: string): Promise<void> => {
    // With its version: what another controller gave it meanwhile, a slot for its life, is not overwritten.
    const { resourceVersion } = watches.shims.latest(shim);
    const body = { metadata: { resourceVersion }, status: mergeOf(shim.status, status) };
    const path = `${paths.shims}/${encodeURIComponent(shim.name)}/status`;
    const after = shimFacts(await api.request('PATCH', path, { patch: 'merge', body }));
    watches.shims.put(after);
    const stubborn = canonical(after.status ?? null) !== sent;
    if (stubborn && !last.get(shim.uid)?.stubborn)
      log(
        'warn',
        `the status of Shim ${shim.name} differs from what was written, its CRD may be older than this controller`,
      );
    last.set(shim.uid, { at: clock.elapsed(), sent, stubborn });
    unwritten.delete(shim.uid);
    const { runtimeClass } = status;
    if (runtimeClass === undefined || after.status?.runtimeClass !== undefined) pruned.delete(shim.uid);
    else pruned.set(shim.uid, runtimeClass);
    definition.kept();
    events.tell(noticesOf(shim, status));
  };

  const keepHere = (shim: ShimFacts, status: ShimStatus): void => {
    unwritten.set(shim.uid, status);
    const message = definition.trouble();
    events.tell([{ shim, type: 'Warning', reason: 'NoStatus', message }, ...noticesOf(shim, status)]);
  };

  const writeOrKeep = async (shim: ShimFacts, status: ShimStatus, sent: string): Promise<void> => {
    try {
      await write(shim, status, sent);
    } catch (error) {
      if (!(error instanceof ApiFailure && error.status === 404)) throw error;
      if (!(await definition.look())) keepHere(shim, status);
      else if (error.missing === shim.name) watches.shims.gone(shim);
      else throw error;
    }
  };

  const isPutOff = (shim: ShimFacts, sent: string, intervalMs: number): boolean => {
    const one = last.get(shim.uid);
    if (one === undefined) return false;
    const due = one.at + (one.stubborn && one.sent === sent ? stubbornMs : intervalMs);
    if (due <= clock.elapsed()) return false;
    state.due = Math.min(state.due ?? due, due);
    return true;
  };

  return {
    recall: (shims) =>
      unwritten.size + pruned.size === 0
        ? shims
        : shims.map((shim) => {
            const status = unwritten.get(shim.uid) ?? shim.status;
            const runtimeClass = pruned.get(shim.uid);
            if (status === undefined) return shim;
            return { ...shim, status: runtimeClass === undefined ? status : { ...status, runtimeClass } };
          }),
    carry: async (statuses, nodes) => {
      state.due = undefined;
      const uids = new Set(statuses.map(({ shim }) => shim.uid));
      for (const known of [last, unwritten, pruned])
        for (const uid of known.keys()) if (!uids.has(uid)) known.delete(uid);
      for (const { shim, status } of statuses) {
        const sent = canonical(status);
        const isWritten = !unwritten.has(shim.uid) && canonical(shim.status ?? null) === sent;
        if (isWritten || isPutOff(shim, sent, intervalOf(nodes))) continue;
        if (definition.keepsStatus())
          await writes.attempt(`Shim/${shim.name}/status`, () => writeOrKeep(shim, status, sent));
        else keepHere(shim, status);
      }
    },
    nextDue: () => {
      const due = [state.due, definition.nextTry()].filter((at) => at !== undefined);
      return due.length === 0 ? undefined : Math.min(...due);
    },
  };
};
