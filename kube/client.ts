/**
 * The Kubernetes API as this node sees it: JSON in, JSON out, and watches. Every request has a deadline, every watch an
 * idle limit, and a request that gets a 401 is sent once more, with credentials that were read again.
 */
import { X509Certificate } from 'node:crypto';
import { type Credentials, openConnection } from './connection.ts';
import { exchange, type Given, type Method, objectIn, type Question } from './exchange.ts';
import { ApiFailure, networkFailure } from './failure.ts';
import { type Lifetime, lifetime } from './deadline.ts';
import { keepSession, type Session, type Why } from './session.ts';
import { eventReader, type WatchEvent } from './watch-stream.ts';
import { detailOf } from '../protocol/problem/problem.ts';
import type { Response } from '../host/http/fetch.ts';
import type { Clock } from '../host/host.ts';

export { ApiFailure, type Credentials, type Given, type WatchEvent };

export type WatchGiven = {
  readonly query: Readonly<Record<string, string>>;
  readonly as?: 'metadata' | 'unmanaged' | undefined;
  readonly idleMs: number;
  /** The server accepted the watch: from now on it sends every change. */
  onOpen?(): void;
  onEvent(event: WatchEvent): void;
  readonly signal?: AbortSignal;
};

/**
 * Throws Failure: `api-unreachable` (network, TLS, deadline, an answer that no API server gives), `api-unauthorized` (401,
 * also with credentials read again), `api-forbidden`, `api-missing`, `api-conflict`, `api-invalid`, `api-gone`, `api-busy`; and
 * whatever reading the credentials throws.
 */
export type Api = {
  /** For messages. */
  readonly server: string;
  /** Epoch milliseconds by the server's clock, to a second; undefined: no answer said so. */
  readonly serverTime?: () => number | undefined;
  request(method: Method, path: string, given?: Given): Promise<unknown>;
  /** One watch request: resolves when the server ends it in order; `api-gone` also for an event that says so. */
  watch(path: string, given: WatchGiven): Promise<void>;
  /** Ends every open request, at once; the client cannot be used afterwards. */
  close(): void;
};

const defaultDeadlineMs = 30_000;
const unknownServer = 'the API server';

/** Adds to a 401 what only this node knows. */
const refusedCredentials = (failure: ApiFailure, { client }: Credentials, now: number): ApiFailure => {
  if (client.kind !== 'certificate') return failure;
  const until = new X509Certificate(client.cert).validToDate;
  if (until.getTime() > now) return failure;
  const message = `${failure.problem.message}; this node's certificate ended at ${until.toISOString()}`;
  return new ApiFailure('api-unauthorized', message, { status: 401, ...detailOf(failure.problem) });
};

const isRefusal = (error: unknown): error is ApiFailure =>
  error instanceof ApiFailure && error.status === 401;

/**
 * `credentials` is asked before the first request, before each new connection, and after a 401; what it throws is what
 * the request throws.
 */
export const connectApi = (credentials: (why: Why) => Promise<Credentials>, clock: Clock): Api => {
  const sessions = keepSession(credentials, clock);
  const closing = new AbortController();
  const heard = { at: Number.NaN, elapsed: 0 };
  const noteTime = ({ headers }: Response): void => {
    const at = Date.parse(headers.get('date') ?? '');
    if (!Number.isNaN(at)) Object.assign(heard, { at, elapsed: clock.elapsed() });
  };

  const askOnce = async <T>(
    session: Session,
    question: Question,
    life: Lifetime,
    use: (response: Response) => Promise<T>,
    alone: boolean,
  ): Promise<T> => {
    const { server } = session.credentials;
    const connection = alone ? openConnection(session.credentials, false) : session.connection;
    try {
      return await exchange(connection, server, question, life, (response) => {
        noteTime(response);
        return use(response);
      });
    } catch (error) {
      const failure = networkFailure(life.explain(error), server, clock.now());
      // What broke this connection has probably broken the idle ones too.
      if (!(failure instanceof ApiFailure && failure.status !== undefined)) session.connection.dropIdle();
      throw failure;
    } finally {
      if (alone) connection.close();
    }
  };

  /** `alone`: over a connection of its own. */
  const ask = async <T>(
    question: Question,
    deadlineMs: number,
    alone: boolean,
    use: (response: Response, life: Lifetime) => Promise<T>,
  ): Promise<T> => {
    const where = sessions.known?.credentials.server ?? unknownServer;
    const life = lifetime(deadlineMs, where, [question.given.signal, closing.signal]);
    const answer = (session: Session): Promise<T> =>
      askOnce(session, question, life, (response) => use(response, life), alone);
    try {
      const first = await life.during(sessions.current(alone));
      const refused = await answer(first).then(
        (value) => ({ value }),
        (error: unknown) => {
          if (!isRefusal(error)) throw error;
        },
      );
      if (refused !== undefined) return refused.value;
      const second = await life.during(sessions.after(first));
      return await answer(second).catch((error: unknown) => {
        throw isRefusal(error) ? refusedCredentials(error, second.credentials, clock.now()) : error;
      });
    } finally {
      life.end();
    }
  };

  return {
    get server() {
      return sessions.known?.credentials.server ?? unknownServer;
    },
    serverTime: () => (Number.isNaN(heard.at) ? undefined : heard.at + clock.elapsed() - heard.elapsed),
    request: (method, path, given = {}) =>
      ask({ method, path, given }, given.deadlineMs ?? defaultDeadlineMs, false, objectIn),
    watch: (path, { query, as, idleMs, onOpen, onEvent, signal }) => {
      const given = { query: { ...query, watch: 'true' }, ...(as && { as }), ...(signal && { signal }) };
      return ask({ method: 'GET', path, given }, defaultDeadlineMs, true, async (response, life) => {
        life.idle(idleMs);
        onOpen?.();
        const reader = eventReader(onEvent);
        for await (const piece of response.body ?? []) {
          if (life.signal.aborted) break;
          life.alive();
          reader.take(Buffer.from(piece));
        }
        life.signal.throwIfAborted();
        reader.end();
      });
    },
    close: () => {
      closing.abort();
      sessions.known?.connection.close();
    },
  };
};
