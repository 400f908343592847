/** Events on a Shim: what a person who describes it sees. Each once, and not many in a minute, whatever goes to and fro. */
import { randomBytes } from 'node:crypto';
import type { Api } from '../../kube/client.ts';
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import { printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { controllerName } from '../model/keys.ts';
import type { Notice } from '../model/fleet.ts';

export type EventWriter = { tell(notices: readonly Notice[]): void };

/** Events of what has no namespace are kept in this one. */
const path = '/api/v1/namespaces/default/events';
const sameMs = 600_000;
const everyMs = 6_000;
const burst = 20;

export const makeEventWriter = (api: Api, clock: Clock, log: Log, identity: string): EventWriter => {
  const told = new Map<string, number>();
  const state = { next: clock.elapsed() - burst * everyMs };

  const tell = (notice: Notice): void => {
    const now = clock.elapsed();
    for (const [key, at] of told) if (now - at >= sameMs) told.delete(key);
    const { shim, type, reason, message } = notice;
    const key = JSON.stringify([shim.uid, reason, message]);
    if (told.has(key)) return;
    told.set(key, now);
    log(type === 'Warning' ? 'warn' : 'info', message, { shim: shim.name, reason });
    state.next = Math.max(state.next, now - burst * everyMs) + everyMs;
    // What is too much now is in the log, and in the status.
    if (state.next > now) {
      state.next -= everyMs;
      return;
    }
    void api
      .request('POST', path, { body: eventOf(notice, identity, clock.now()) })
      .catch((error: unknown) =>
        log('debug', `an Event could not be written: ${printProblem(problemOf(error))}`),
      );
  };
  return { tell: (notices) => notices.forEach(tell) };
};

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/, in its core/v1 form. */
const eventOf = ({ shim, type, reason, message }: Notice, identity: string, now: number): unknown => {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${shim.name}.${randomBytes(8).toString('hex')}`, namespace: 'default' },
    involvedObject: {
      apiVersion: 'runtime.spinkube.dev/v1alpha1',
      kind: 'Shim',
      name: shim.name,
      uid: shim.uid,
      resourceVersion: shim.resourceVersion,
    },
    type,
    reason,
    message: message.slice(0, 1000),
    source: { component: controllerName },
    reportingComponent: controllerName,
    reportingInstance: identity.slice(0, 128),
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
};
