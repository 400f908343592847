/** An Event: what `kubectl describe` shows of an object, and of one without a namespace in the namespace `default`. */
import { randomBytes } from 'node:crypto';
import type { Api } from './client.ts';

export type EventGiven = {
  /** The first part of the Event's name; a unique suffix follows. */
  readonly name: string;
  readonly about: Readonly<Record<string, string>>;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly component: string;
  readonly instance: string;
  /** The Node that reports it (`source.host`). */
  readonly host?: string;
  /** Epoch milliseconds. */
  readonly now: number;
};

/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/, in its core/v1 form. */
export const writeEvent = (api: Api, { component, host, ...given }: EventGiven): Promise<unknown> => {
  const time = new Date(given.now).toISOString().replace(/\.\d+Z$/, 'Z');
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${given.name}.${randomBytes(8).toString('hex')}`, namespace: 'default' },
    involvedObject: given.about,
    type: given.type,
    reason: given.reason,
    message: given.message.slice(0, 1000),
    source: { component, ...(host === undefined ? {} : { host }) },
    reportingComponent: component,
    reportingInstance: given.instance.slice(0, 128),
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
  return api.request('POST', '/api/v1/namespaces/default/events', { body });
};
