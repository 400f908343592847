/**
 * Leader election: the controller that holds the Lease works. It stops well before another one may take the Lease, by its own
 * clock alone, because the clock of the server may be wrong.
 */
import { type Api, ApiFailure } from '../kube/client.ts';
import type { Clock } from '../host/host.ts';
import type { Log } from '../host/log.ts';
import { logFields, printProblem, problemOf } from '../protocol/problem/problem.ts';
import { follower, holdsNow, type Instant, looked, pauseOf, renewedAt } from './decide/election.ts';
import { type Lease, leaseBody, parseLease } from './model/lease.ts';

export type Election = {
  /** Checked before each write. */
  holds(): boolean;
  /** `elapsed` of the last time that the API server answered with what was asked for. */
  reached(): number | undefined;
  /** `elapsed` of the last round: it goes on whatever the API server does. */
  beat(): number;
  /** Ends the work and releases the Lease. */
  stop(): Promise<void>;
};

export type Timing = {
  /** Others wait for so long before they take a Lease that is not renewed. */
  readonly durationMs: number;
  readonly renewMs: number;
  /** After so long without a renewal the work stops; writes in flight have the rest of the duration. */
  readonly giveUpMs: number;
};

const usual: Timing = { durationMs: 15_000, renewMs: 5_000, giveUpMs: 10_000 };

export const elect = (given: {
  readonly api: Api;
  readonly clock: Clock;
  readonly log: Log;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly timing?: Timing;
  /** The work may begin. */
  onLead(): void;
  /** It must have stopped writing when this returns; `graceful`: running work may end. */
  onLose(graceful: boolean): Promise<void>;
}): Election => {
  const { api, clock, log, namespace, name, identity, timing = usual } = given;
  const folder = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  const path = `${folder}/${encodeURIComponent(name)}`;
  const deadlineMs = Math.ceil(timing.giveUpMs * 0.3);
  const stopping = new AbortController();
  const state = {
    lease: undefined as Lease | undefined,
    standing: follower,
    timer: undefined as NodeJS.Timeout | undefined,
    reached: undefined as number | undefined,
    beat: clock.elapsed(),
    said: '',
  };

  const instant = (): Instant => ({ elapsed: clock.elapsed(), now: clock.now() });

  const lose = (why: string, graceful = false): Promise<void> => {
    clearTimeout(state.timer);
    if (!state.standing.leads) return Promise.resolve();
    state.standing = { ...state.standing, leads: false };
    log(graceful ? 'info' : 'warn', `stopped leading, ${why}`, { identity });
    return given.onLose(graceful);
  };

  const lead = (lease: Lease, asked: Instant): void => {
    state.lease = lease;
    clearTimeout(state.timer);
    const left = timing.giveUpMs - (clock.elapsed() - asked.elapsed);
    state.timer = setTimeout(() => void lose('the Lease could not be renewed'), Math.max(left, 0));
    const { leads } = state.standing;
    state.standing = { ...renewedAt(state.standing, asked), leads: leads || !stopping.signal.aborted };
    if (leads || stopping.signal.aborted) return;
    log('info', 'became leader', { identity, namespace, lease: name });
    given.onLead();
  };

  const read = async (signal?: AbortSignal): Promise<Lease | undefined> => {
    try {
      const how = { deadlineMs, ...(signal === undefined ? {} : { signal }) };
      return parseLease(await api.request('GET', path, how));
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 404) return undefined;
      throw error;
    }
  };

  const write = async (former: Lease | undefined, holder: string, signal?: AbortSignal): Promise<Lease> => {
    const body = leaseBody({
      ...{ name, namespace, holder, former },
      durationMs: timing.durationMs,
      now: clock.now(),
    });
    const how = { body, deadlineMs, ...(signal === undefined ? {} : { signal }) };
    return parseLease(
      former === undefined ? await api.request('POST', folder, how) : await api.request('PUT', path, how),
    );
  };

  const renew = async (known: Lease | undefined): Promise<void> => {
    const asked = instant();
    lead(await write(known, identity, stopping.signal), asked);
  };

  const round = async (): Promise<void> => {
    const known = state.standing.leads ? state.lease : await read(stopping.signal);
    state.reached = clock.elapsed();
    const { standing, taken } = looked(state.standing, known, identity, clock.elapsed());
    state.standing = standing;
    if (known && taken) return lose(`${known.holder} holds the Lease`);
    try {
      await renew(known);
    } catch (error) {
      if (!(error instanceof ApiFailure && error.status === 409)) throw error;
      // Another controller was faster, or the answer was lost: read the Lease again.
      state.lease = await read(stopping.signal);
      if (state.lease?.holder !== identity)
        await lose(`${state.lease?.holder ?? 'no controller'} holds the Lease`);
      // At once: another pause would be longer than what is left of the renewal in force.
      else await renew(state.lease);
    }
    state.reached = clock.elapsed();
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      state.beat = clock.elapsed();
      const failed = await round().then(
        () => '',
        (error: unknown) => {
          const problem = problemOf(error);
          if (!stopping.signal.aborted && state.said !== problem.code)
            log('warn', `cannot acquire the Lease: ${printProblem(problem)}`, logFields(problem));
          // It was deleted: the next round creates it.
          if (error instanceof ApiFailure && error.status === 404) void lose('the Lease was deleted');
          return problem.code;
        },
      );
      state.said = failed;
      const pause = pauseOf(state.standing.leads, failed !== '', timing.renewMs, clock.random());
      await clock.sleep(pause, stopping.signal);
    }
  };
  const running = run();

  /** Reads the Lease first: it is not known whether an interrupted renewal arrived. */
  const giveBack = async (): Promise<void> => {
    const lease = await read();
    if (lease?.holder === identity) await write(lease, '');
  };

  return {
    holds: () => holdsNow(state.standing, instant(), timing.giveUpMs),
    reached: () => state.reached,
    beat: () => state.beat,
    stop: async () => {
      const held = state.standing.leads;
      stopping.abort();
      await lose('shutting down', true);
      await running;
      if (held) await giveBack().catch((error: unknown) => log('debug', printProblem(problemOf(error))));
    },
  };
};
