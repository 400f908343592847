/** Events on a Shim: what a person who describes it sees. Each once, and not many in a minute, whatever goes to and fro. */
import type { Api } from '../../kube/client.ts';
import { writeEvent } from '../../kube/event.ts';
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';
import { printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { controllerName } from '../model/keys.ts';
import type { Notice } from '../model/fleet.ts';

export type EventWriter = { tell(notices: readonly Notice[]): void };

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
    void writeEvent(api, {
      ...{ name: shim.name, type, reason, message, instance: identity, component: controllerName },
      about: {
        apiVersion: 'runtime.spinkube.dev/v1alpha1',
        kind: 'Shim',
        name: shim.name,
        uid: shim.uid,
        resourceVersion: shim.resourceVersion,
      },
      now: clock.now(),
    }).catch((error: unknown) => log('debug', `cannot write an Event: ${printProblem(problemOf(error))}`));
  };
  return { tell: (notices) => notices.forEach(tell) };
};
