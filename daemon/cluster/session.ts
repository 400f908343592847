/**
 * The node's side of a cluster: follows the own Node and the Shims, and says on the Node what came of them. Whatever
 * happens to the API server, the node serves on.
 */
import { paceOf, startDelay } from '../../kube/retry.ts';
import type { Api } from '../../kube/client.ts';
import type { Host } from '../../host/host.ts';
import type { ClusterFacts } from '../model/outcome.ts';
import { logFields, printProblem, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import type { ClusterSettings } from '../model/settings.ts';
import { CacheFile } from './cache-file.ts';
import type { Turns } from '../model/rollout-wait.ts';
import { openShimCache, typeGone, type View } from './shim-cache.ts';
import { findIdentity, type Identity } from './identity.ts';
import { leaveCluster } from './leave.ts';
import { makeNodeWriter, type Told } from './node-writer.ts';
import { canonical } from '../../protocol/digest.ts';
import { type NodeObject, type ShimObject, shimsPath } from '../../protocol/shim-object.ts';
import { factsOf, type Session } from './session-facts.ts';
import { openApprovalWatch } from './approval-watch.ts';

export type Cluster = {
  /** At every tick, for settings and kubelets change; returns at once. Undefined: they are not known, and all stays. */
  follow(settings: ClusterSettings | undefined): void;
  /** For the report; null where there is no cluster. */
  facts(): ClusterFacts | null;
  /** What the last tick came to. */
  tell(told: Told): void;
  close(): void;
};

/** Nodes that start together, after a power cut or as a new pool, must not all connect at the same moment. */
const startJitterMs = 10_000;
/** How long we may be denied our own Node before we ask anew who we are. */
const deniedMs = 300_000;

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
  const noteTurns = (kept: Turns | undefined): void => {
    file.setTurns(kept);
    // Where no API server was heard yet, what is known from before this start stands.
    if (state.session) void file.write((last) => last);
  };
  const turns = openApprovalWatch(host, noteTurns, wake, serverTime);

  const problem = (): Problem | undefined => {
    const { session } = state;
    if (!session) return state.trouble;
    return (
      session.nodes.current().problem ?? (answer.crdMissing() ? typeGone : session.shims.current().problem)
    );
  };

  /** A change of what is said of the cluster is worth a tick, which says it. */
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
      turns.seen(node);
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
    turns.leave();
    session?.report.close();
    session?.nodes.stop();
    session?.shims.stop();
    session?.view.api.close();
  };

  /** A kubelet that was set up anew may have another file of credentials, another cluster, or another name of its Node. */
  const isAnother = (session: Session): boolean => {
    const code = session.nodes.current().problem?.code;
    const denied = code !== undefined && (paceOf(code) === 'slow' || code === 'api-unauthorized');
    session.denied = denied ? (session.denied ?? host.clock.elapsed()) : undefined;
    return session.denied !== undefined && host.clock.elapsed() - session.denied >= deniedMs;
  };

  const join = async (settings: ClusterSettings, signal: AbortSignal): Promise<void> => {
    const known = await file.restore();
    if (known) answer.restore(known);
    if (known?.turns) turns.restore(known.turns);
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
    // A server that does not answer would keep a service that is told to end for as long as a request may take.
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
    // Not before: where the server is away, each try would take the word "stale" back for as long as it lasts.
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
      // Its kubelet writes all its images and conditions anew every five minutes.
      metadataOnly: true,
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

  return {
    follow: (given) => {
      if (given && canonical(given) !== canonical(state.settings ?? null)) {
        const { session, settings: former } = state;
        leave();
        // Its labels would go on to attract Pods for handlers that are about to go.
        if (session && former && given.identity === 'none')
          void leaveCluster(host, former).then((left) => {
            for (const { path, why } of left) host.log('warn', `${path}: ${why}`);
          });
        // An object of its own, by which a join that was overtaken notices it.
        state.settings = { ...given };
      }
      const { settings, session } = state;
      if (session && !isAnother(session)) {
        look(session);
        return void session.identity.renew(session.view.api);
      }
      if (session) {
        const trouble = problem();
        leave();
        state.trouble = trouble;
      }
      if (state.joining || state.closed || !settings || settings.identity === 'none') return;
      state.joining = new AbortController();
      void join(settings, state.joining.signal)
        .catch((error: unknown) => {
          if (state.settings === settings) state.trouble = problemOf(error);
        })
        .finally(() => {
          state.joining = undefined;
          noteHealth();
        });
    },
    facts: () => {
      const { session, identity } = state;
      const trouble = problem();
      const mode = identity?.mode ?? state.settings?.identity ?? 'none';
      if (mode === 'none' || (!identity && !trouble)) return null;
      return factsOf(mode, session, trouble, turns.controller());
    },
    tell: (told) => {
      // Of a node that starts, "all is served" would be said twice: before it knows what is asked for, and after.
      if (!state.session?.heard) return;
      state.session.report.tell(told, state.settings?.legacyLabels ?? false);
      const needed = told.report.handlers.flatMap((one) => (one.turn ? [one.turn] : []));
      turns.need(needed, (state.settings?.spread ?? 0) * 1000, state.session.view.api);
    },
    close: () => {
      leave();
      state.closed = true;
    },
  };
};
