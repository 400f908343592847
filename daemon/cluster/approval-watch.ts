/**
 * Keeps what a node knows of approvals: those on its own Node, whether a controller exists that can approve, and if not,
 * the moment at which this node makes its changes without approval. All of it is stored in cluster.json.
 */
import { isYoung } from '../decide/handlers/rollout-wait.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import { provenPrefix } from '../../protocol/node-annotations.ts';
import {
  type ControllerFact,
  type NeededApproval,
  trimApprovals,
  type KnownApprovals,
} from '../model/rollout-wait.ts';
import { keepApprovals, lateMs } from './approvals.ts';
import { canonical } from '../../protocol/digest.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { LeaseWatch } from './lease-watch.ts';
import { drawMoments, type Moments } from './own-moment.ts';

export type ApprovalKeeper = {
  /** The state that was stored before this start. */
  restore(known: KnownApprovals | undefined): void;
  /** Takes the current state of the own Node. */
  seen(node: NodeObject): void;
  /** The approvals that the last tick needed, granted or not; `api` is undefined while there is no connection. */
  need(needed: readonly NeededApproval[], spreadMs: number, api: Api | undefined): void;
  /** Undefined while no change needs an approval. */
  controller(): 'alive' | 'none' | 'unknown' | undefined;
  /** Ends the use of the current connection. */
  leave(): void;
};

/** `changed`: the state for cluster.json changed; `wake`: this node's moment has come; `serverTime`: the API server's clock. */
export const openApprovalWatch = (
  host: Host,
  changed: (kept: KnownApprovals | undefined) => void,
  wake: () => void,
  serverTime: () => number | undefined,
): ApprovalKeeper => {
  const { clock } = host;
  const state = {
    node: undefined as NodeObject | undefined,
    fact: undefined as ControllerFact | undefined,
    alone: {} as Moments,
    needed: [] as readonly NeededApproval[],
    spreadMs: 0,
    timer: undefined as NodeJS.Timeout | undefined,
    kept: canonical(null),
  };

  const kept = (): KnownApprovals | undefined =>
    trimApprovals({ approved: approvals.kept(), controller: state.fact, alone: state.alone });

  const note = (): void => {
    const now = kept();
    const text = canonical(now ?? null);
    if (text === state.kept) return;
    state.kept = text;
    changed(now);
  };

  const approvals = keepApprovals(clock, note, serverTime);

  const draw = (): void => {
    const now = clock.now();
    const young = isYoung(state.node?.metadata.creationTimestamp, serverTime());
    const { moments, added, at } = drawMoments(state.alone, {
      needed: state.needed,
      controller: state.fact?.answer,
      spreadMs: state.spreadMs,
      waitMs: young ? 0 : clock.random() * state.spreadMs,
      now,
    });
    state.alone = moments;
    if (added.length > 0)
      host.log('info', `scheduled the change for ${at}, no controller runs in this cluster`, {
        shims: [...new Set(added)],
      });
    ring(now);
  };

  const ring = (now: number): void => {
    clearTimeout(state.timer);
    state.timer = undefined;
    const ahead = Object.values(state.alone)
      .map(({ at }) => Date.parse(at) - now)
      .filter((ms) => ms > 0);
    if (ahead.length === 0) return;
    state.timer = setTimeout(wake, Math.min(...ahead) + lateMs);
    state.timer.unref();
  };

  const learn = (answer: ControllerFact['answer']): void => {
    if (answer === 'alive' && state.fact?.answer !== 'alive')
      host.log('info', 'waiting for approval, a controller runs in this cluster');
    state.fact = { answer, looked: new Date(clock.now()).toISOString() };
    draw();
    note();
  };

  /** Whether a controller has written to this node before. */
  const wasThere = (): boolean => {
    const { labels = {} } = state.node?.metadata ?? {};
    // Labels of proofs and of approvals.
    const isMarked = Object.keys(labels).some((key) => key.includes(provenPrefix));
    return state.fact?.answer === 'alive' || isMarked;
  };

  const lease = new LeaseWatch(host, { wasThere, learn });

  return {
    restore: (known) => {
      // The answer about the controller is not restored: the clock of a machine that was off for a week may have stood still.
      state.alone = known?.alone ?? {};
      state.kept = canonical(known ?? null);
      approvals.restore(known?.approved ?? {});
    },
    seen: (node) => {
      state.node = node;
      approvals.seen(node.metadata.labels ?? {});
    },
    need: (needed, spreadMs, api) => {
      state.needed = needed;
      state.spreadMs = spreadMs;
      if (needed.length === 0) {
        lease.forget();
        state.fact = undefined;
      } else if (api) lease.start(api);
      draw();
      note();
    },
    controller: () => (state.needed.length === 0 ? undefined : (state.fact?.answer ?? 'unknown')),
    leave: () => {
      lease.stop();
      clearTimeout(state.timer);
      state.timer = undefined;
      state.node = undefined;
    },
  };
};
