/**
 * The connection of a node to its cluster: watches the own Node and the Shims, and writes the outcome to the Node. Without
 * an API server the node continues to serve.
 */
import { startDelay } from '../../kube/retry.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import type { ClusterFacts } from '../model/outcome.ts';
import { logFields, printProblem, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { ClusterSettings } from '../model/settings.ts';
import { CacheFile } from './cache-file.ts';
import type { KnownApprovals } from '../model/rollout-wait.ts';
import { openShimCache, typeGone, type View } from './shim-cache.ts';
import { findIdentity, type Identity } from './identity.ts';
import { leaveCluster } from './leave.ts';
import { deniedSince, type Move, movesOf } from './moves.ts';
import { makeNodeWriter, type Told } from './node-writer.ts';
import { type NodeObject, type ShimObject, shimsPath } from '../../protocol/shim-object.ts';
import { factsOf, type Session } from './session-facts.ts';
import { openApprovalWatch } from './approval-watch.ts';

export type Cluster = {
  /** Called at every tick, since settings and kubelets change; returns at once. Undefined: unknown, so nothing changes. */
  follow(settings: ClusterSettings | undefined): void;
  /** For the report; null without a cluster. */
  facts(): ClusterFacts | null;
  /** Takes the outcome of the last tick. */
  tell(told: Told): void;
  close(): void;
};

/** Nodes that start together, after a power cut or as a new pool, must not all connect at the same moment. */
const startJitterMs = 10_000;

export const openCluster = (host: Host, wake: () => void): Cluster => {
  const state = {
    settings: undefined as ClusterSettings | undefined,
    closed: false,
    joining: undefined as AbortController | undefined,
    session: undefined as Session | undefined,
    /** Why there is no session. */
    trouble: undefined as Problem | undefined,
    identity: undefined as Identity | undefined,
    health: '',
  };
  const serverTime = (): number | undefined => state.session?.view.api.serverTime?.();
  const heardMore = (): void => {
    noteHealth();
    wake();
  };
  const file = new CacheFile(host, heardMore);
  const answer = openShimCache(host, file, heardMore);
  const noteApprovals = (kept: KnownApprovals | undefined): void => {
    file.setApprovals(kept);
    // Before the first answer of an API server, the state from before this start stays.
    if (state.session) void file.write((last) => last);
  };
  const approvals = openApprovalWatch(host, noteApprovals, wake, serverTime);

  const problem = (): Problem | undefined => {
    const { session } = state;
    if (!session) return state.trouble;
    return (
      session.nodes.current().problem ?? (answer.crdMissing() ? typeGone : session.shims.current().problem)
    );
  };

  /** A change of the cluster's health starts a tick, which reports it. */
  const noteHealth = (): void => {
    const now = problem();
    const health = `${state.session?.view.node ?? ''} ${now?.code ?? ''}`;
    if (health === state.health || state.closed) return;
    if (now) host.log('warn', printProblem(now), logFields(now));
    else if (state.session) host.log('info', `in sync with the cluster as Node ${state.session.view.node}`);
    state.health = health;
    wake();
  };

  const look = (session: Session): void => {
    if (state.session !== session) return;
    const [node] = session.nodes.current().items ?? [];
    if (node) {
      session.report.seen(node);
      approvals.seen(node);
    }
    answer.look(session.view);
    noteHealth();
    const { items, problem } = session.shims.current();
    if (session.heard || (items === undefined && problem === undefined)) return;
    session.heard = true;
    wake();
  };

  const leave = (): void => {
    const { session } = state;
    state.joining?.abort();
    state.session = undefined;
    state.identity = undefined;
    state.trouble = undefined;
    answer.leave();
    approvals.leave();
    session?.report.close();
    session?.nodes.stop();
    session?.shims.stop();
    session?.view.api.close();
  };

  const join = async (settings: ClusterSettings, signal: AbortSignal): Promise<void> => {
    const known = await file.restore();
    if (known) answer.restore(known);
    if (known?.approvals) approvals.restore(known.approvals);
    const identity = await findIdentity(host, settings);
    const overtaken = (): boolean => state.closed || state.settings !== settings;
    if (overtaken()) return;
    state.identity = identity;
    if (!identity) {
      state.trouble = undefined;
      return;
    }
    await host.clock.sleep(startDelay(startJitterMs, host.clock.random()), signal);
    if (overtaken()) return;
    const api = await identity.connect();
    // Otherwise a server that does not answer would delay the stop of the service until the request's deadline.
    signal.addEventListener('abort', () => api.close(), { once: true });
    try {
      const node = await identity.nodeName(api);
      const { reflect } = await import('../../kube/reflector.ts');
      const report = await makeNodeWriter(host, api, node, identity.mode);
      if (!overtaken()) state.session = open({ identity, report }, api, node, reflect);
    } finally {
      if (!state.session) api.close();
    }
    if (!state.session) return;
    // Not before: during an outage each try would remove the state "stale" for the time of the try.
    state.trouble = undefined;
    look(state.session);
  };

  const open = (
    { identity, report }: Pick<Session, 'identity' | 'report'>,
    api: Api,
    node: string,
    reflect: typeof import('../../kube/reflector.ts').reflect,
  ): Session => {
    const onChange = (): void => {
      if (state.session) look(state.session);
    };
    const nodes = reflect<NodeObject>(api, host.clock, {
      path: '/api/v1/nodes',
      query: { fieldSelector: `metadata.name=${node}` },
      // The kubelet writes all images and conditions of the Node every five minutes.
      form: 'metadata',
      startJitterMs: 0,
      onChange,
    });
    const shims = reflect<ShimObject>(api, host.clock, { path: shimsPath, startJitterMs: 0, onChange });
    const view: View = {
      api,
      node,
      seen: () => {
        const [own] = nodes.current().items ?? [];
        return {
          shims: shims.current().items,
          // The kubelet creates a deleted Node again; until then its labels, and so the Shims that select it, are unknown.
          labels: own ? (own.metadata.labels ?? {}) : undefined,
        };
      },
      typeMissing: () => shims.current().problem?.code === 'api-missing',
      current: () => state.session?.view === view,
    };
    return { identity, view, nodes, shims, report, heard: false, denied: undefined };
  };

  const begin = (): void => {
    const { settings } = state;
    if (!settings) return;
    state.joining = new AbortController();
    void join(settings, state.joining.signal)
      .catch((error: unknown) => {
        if (state.settings === settings) state.trouble = problemOf(error);
      })
      .finally(() => {
        state.joining = undefined;
        noteHealth();
      });
  };

  const moves: Readonly<Record<Move, (given: ClusterSettings | undefined) => void>> = {
    leave,
    withdraw: () => {
      if (!state.settings) return;
      void leaveCluster(host, state.settings).then((left) => {
        for (const { path, why } of left) host.log('warn', `${path}: ${why}`);
      });
    },
    // A new object: a join that is no longer current detects it by identity.
    adopt: (given) => {
      state.settings = given && { ...given };
    },
    look: () => {
      if (!state.session) return;
      look(state.session);
      void state.session.identity.renew(state.session.view.api);
    },
    drop: () => {
      const trouble = problem();
      leave();
      state.trouble = trouble;
    },
    join: begin,
  };

  return {
    follow: (given) => {
      const { settings, session } = state;
      const elapsed = host.clock.elapsed();
      if (session)
        session.denied = deniedSince(session.denied, session.nodes.current().problem?.code, elapsed);
      const standing = {
        ...{ settings, hasSession: session !== undefined, denied: session?.denied },
        ...{ isJoining: state.joining !== undefined, isClosed: state.closed },
      };
      for (const move of movesOf(standing, given, elapsed)) moves[move](given);
    },
    facts: () => {
      const { session, identity } = state;
      const trouble = problem();
      const mode = identity?.mode ?? state.settings?.identity ?? 'none';
      if (mode === 'none' || (!identity && !trouble)) return null;
      return factsOf(mode, session, trouble, approvals.controller());
    },
    tell: (told) => {
      // Otherwise a starting node would report "all is served" twice: before it knows the desired state, and after.
      if (!state.session?.heard) return;
      state.session.report.tell(told, state.settings?.legacyLabels ?? false);
      const needed = told.report.handlers.flatMap((one) => (one.approval ? [one.approval] : []));
      approvals.need(needed, (state.settings?.spread ?? 0) * 1000, state.session.view.api);
    },
    close: () => {
      leave();
      state.closed = true;
    },
  };
};
