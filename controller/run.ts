/** The controller: leader election, the loop of the leader, and ports for metrics and probes. */
import { randomUUID } from 'node:crypto';
import { type Api, connectApi, type Credentials } from '../kube/client.ts';
import type { Why } from '../kube/session.ts';
import type { Clock } from '../host/host.ts';
import type { Log } from '../host/log.ts';
import { metricsBudget, type Page, probeBudget, servePages } from '../host/http/serve.ts';
import { elect, type Timing } from './election.ts';
import { followKnative } from './knative.ts';
import { makeMetrics } from './observe/metrics.ts';
import { forgetFleet } from './observe/metrics-fleet.ts';
import type { Decision, View } from './model/fleet.ts';
import { controllerName } from './model/keys.ts';
import { counted, fenced } from './observe/requests.ts';
import { startLeaderLoop, type LeaderLoop } from './leader-loop.ts';

export type Controller = {
  /** Where it shows its metrics. */
  readonly port: number;
  /** Where it answers a kubelet's probes: what is asked on the other port must not keep these waiting. */
  readonly probes: number;
  leads(): boolean;
  /** Gives the Lease back; nothing is written after it. */
  stop(): Promise<void>;
};

/** No pass takes so long without a single write that ends. */
const stuckMs = 120_000;
/** The election goes on every few seconds, whatever the API server does. */
const deadMs = 60_000;
const unreachedMs = 30_000;

const page = (isGood: boolean, why: string): Page =>
  isGood ? { status: 200, text: 'ok\n' } : { status: 503, text: `${why}\n` };

export const startController = async (given: {
  readonly credentials: (why: Why) => Promise<Credentials>;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the machine or Pod: so that a person knows which one leads. */
  readonly host: string;
  readonly listen: string;
  readonly probes: string;
  readonly namespace: string;
  readonly knative: boolean;
  readonly decide: (view: View) => Decision;
  readonly timing?: Timing;
}): Promise<Controller> => {
  const { credentials, clock, log, namespace, decide, timing } = given;
  const metrics = makeMetrics();
  const identity = `${given.host}_${randomUUID()}`;
  const connect = (): Api => counted(connectApi(credentials, clock), metrics);
  const state = {
    work: undefined as { readonly work: LeaderLoop; readonly ending: AbortController } | undefined,
    /** The end of the last work: two at once would not see each other's writes. */
    ended: Promise.resolve() as Promise<unknown>,
    wanted: 0,
  };
  metrics.set('rcm_controller_leader', 0);

  const begin = (term: number): void => {
    if (state.wanted !== term) return;
    const api = connect();
    const ending = new AbortController();
    const work = startLeaderLoop({ api, clock, log, metrics, identity, decide, holds: election.holds });
    void followKnative(fenced(api, election.holds), clock, log, given.knative, ending.signal);
    state.work = { work, ending };
    metrics.set('rcm_controller_leader', 1);
  };

  const end = async (graceful: boolean): Promise<void> => {
    state.wanted++;
    metrics.set('rcm_controller_leader', 0);
    const { work, ending } = state.work ?? {};
    state.work = undefined;
    ending?.abort();
    if (work !== undefined)
      state.ended = Promise.all([state.ended, work.stop(graceful)]).then(() => forgetFleet(metrics));
    await state.ended;
  };

  const api = connect();
  const probePages = {
    '/healthz': () => {
      const stuck = state.work?.work.stuckMs() ?? 0;
      const beat = clock.elapsed() - election.beat();
      if (beat >= deadMs) return page(false, 'the election has stopped');
      return page(stuck < stuckMs, `reconciliation has made no progress for ${Math.round(stuck / 1000)} s`);
    },
    '/readyz': () => {
      const reached = election.reached();
      const isGood = reached !== undefined && clock.elapsed() - reached < unreachedMs;
      return page(isGood, 'the API server cannot be reached');
    },
  };
  const metricsPages = {
    '/metrics': () => {
      metrics.clear('rcm_controller_watch_age_seconds');
      state.work?.work.measure();
      metrics.set('process_resident_memory_bytes', process.memoryUsage.rss());
      return { status: 200, text: metrics.print(), type: 'text/plain; version=0.0.4; charset=utf-8' };
    },
  };
  const served = await servePages(given.listen, metricsPages, metricsBudget);
  // Last, because these pages ask the election, which is there before the first one can be asked for.
  const probes = await servePages(given.probes, probePages, probeBudget).catch(async (error: unknown) => {
    await served.close();
    throw error;
  });
  const election = elect({
    ...{ api, clock, log, namespace, identity, name: controllerName },
    ...(timing === undefined ? {} : { timing }),
    onLead: () => {
      const term = ++state.wanted;
      void state.ended.then(() => begin(term));
    },
    onLose: end,
  });

  return {
    port: served.port,
    probes: probes.port,
    leads: election.holds,
    stop: async () => {
      await election.stop();
      api.close();
      await served.close();
      await probes.close();
    },
  };
};
