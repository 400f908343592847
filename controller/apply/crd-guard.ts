/**
 * Holds back what takes away while the type of Shims is away or going: its definition deleted takes all Shims with it,
 * and that is no request to remove shims from nodes.
 */
import { isTypeWhole } from '../../daemon/cluster/confirm-deletion.ts';
import { type Api, ApiFailure } from '../../kube/client.ts';
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import { goneRevision } from '../../protocol/node-annotations.ts';
import { approvedPrefix, parseApproval } from '../../protocol/node-labels.ts';
import type { Decision, NodeChange, ShimFacts, View } from '../model/fleet.ts';
import { typePath } from '../../protocol/shim-object.ts';
import { finalizer, provenPrefix } from '../model/keys.ts';

export type CrdGuard = {
  /** The type was seen to be away: what comes back with it has time to do so. */
  away(): void;
  /** The same decision, or what of it takes nothing. Throws what the API says. */
  weigh(decision: Decision, view: View): Promise<Decision>;
};

/** As long as nodes wait, too. */
const returnMs = 600_000;
const believedMs = 3_000;

/** A proof, a handler, or the startup taint, which has no Shim to wait for then; that an approval ends takes nothing. */
const takesFromNode = ({ labels, taints }: NodeChange): boolean =>
  taints !== undefined ||
  Object.entries(labels).some(([key, value]) =>
    value === null
      ? key.startsWith(provenPrefix)
      : key.startsWith(approvedPrefix) && parseApproval(value)?.revision === goneRevision,
  );

/** Held only by our finalizer. If the CRD is being deleted too, no node will report it clean. */
const isKept = ({ deleting, finalizers }: ShimFacts): boolean => deleting && finalizers.includes(finalizer);

const takesFinalizer = ({ shim }: { readonly shim: ShimFacts }): boolean => shim.deleting;

export const makeCrdGuard = (api: Api, clock: Clock, log: Log): CrdGuard => {
  const state = {
    awayUntil: Number.NEGATIVE_INFINITY,
    asked: undefined as { readonly at: number; readonly stands: boolean } | undefined,
    said: false,
  };

  /** A CRD that is being deleted rejects creates first; then its objects are deleted one by one. */
  const stands = async (): Promise<boolean> => {
    if (state.asked !== undefined && clock.elapsed() - state.asked.at < believedMs) return state.asked.stands;
    const found = await api.request('GET', typePath).then(isTypeWhole, (error: unknown) => {
      if (error instanceof ApiFailure && error.status === 404) return false;
      throw error;
    });
    state.asked = { at: clock.elapsed(), stands: found };
    return found;
  };

  const away = (): void => {
    if (!state.said) log('warn', 'keeping all shims on nodes, the CRD of Shims is absent or being deleted');
    state.said = true;
    state.awayUntil = clock.elapsed() + returnMs;
    state.asked = undefined;
  };

  /** The deletion of the CRD would never end if the Shims kept their finalizer. */
  const releaseFinalizers = (view: View) =>
    view.shims
      .filter(isKept)
      .map((shim) => ({ shim, finalizers: shim.finalizers.filter((one) => one !== finalizer) }));

  return {
    away,
    weigh: async (decision, view) => {
      const { nodes, classes, finalizers } = decision;
      const takes =
        nodes.some(takesFromNode) ||
        classes.some(({ kind }) => kind === 'delete') ||
        finalizers.some(takesFinalizer) ||
        view.shims.some(isKept);
      if (!takes) return decision;
      const isThere = await stands();
      if (!isThere) away();
      else if (clock.elapsed() >= state.awayUntil) {
        state.said = false;
        return decision;
      }
      return {
        ...decision,
        nodes: nodes.filter((change) => !takesFromNode(change)),
        classes: classes.filter(({ kind }) => kind !== 'delete'),
        finalizers: isThere
          ? finalizers.filter((change) => !takesFinalizer(change))
          : releaseFinalizers(view),
      };
    },
  };
};
