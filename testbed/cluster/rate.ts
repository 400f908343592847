/**
 * What an API server had to do in a stretch of time, by its own account: requests, bytes, watch events, processor time.
 * https://kubernetes.io/docs/reference/instrumentation/metrics/
 */
import type { Client } from './client.ts';

/** By what was asked: `LIST shims.runtime.spinkube.dev`, `PATCH nodes/status`, `GET /readyz`. */
export type ByRequest = Readonly<Record<string, number>>;
/** By resource: `nodes`, `shims.runtime.spinkube.dev`. */
export type ByResource = Readonly<Record<string, number>>;

/** Totals since the API server started, but for `watches` and `residentBytes`, which are of now. */
export type ApiserverSample = {
  readonly startedAt: number;
  readonly at: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  /** Answered ones; a watch counts when it ends. */
  readonly requests: ByRequest;
  /** Those of `requests` with 400 and more, by status. */
  readonly refused: Readonly<Record<string, number>>;
  /** Bodies of answers to GET and LIST; of others the API server keeps no account. */
  readonly responseBytes: ByRequest;
  readonly watchEvents: ByResource;
  readonly watchBytes: ByResource;
  /** Open now. */
  readonly watches: ByResource;
};

/** Everything that is a total in a sample is per second here. */
export type ApiserverRate = Omit<ApiserverSample, 'startedAt' | 'at' | 'cpuSeconds'> & {
  readonly seconds: number;
  /** Processors in use; 1 is one of them all the time. */
  readonly processors: number;
};

type Labels = Readonly<Record<string, string>>;
type Line = { readonly name: string; readonly labels: Labels; readonly value: number };

const parse = (text: string): readonly Line[] =>
  text
    .split('\n')
    .map((line) => /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line))
    .filter((parts) => parts !== null)
    .map(([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', text = '']) => [key, text]),
      ),
      value: Number(value),
    }));

const resourceOf = ({ group, resource }: Labels): string => (group ? `${resource}.${group}` : `${resource}`);

const requestOf = (labels: Labels): string => {
  const { verb, resource, subresource } = labels;
  if (!resource) return `${verb} /${subresource?.replace(/^\//, '')}`;
  return `${verb} ${resourceOf(labels)}${subresource ? `/${subresource}` : ''}`;
};

const sums = (
  lines: readonly Line[],
  name: string,
  keyOf: (labels: Labels) => string | undefined,
): Readonly<Record<string, number>> => {
  const found: Record<string, number> = {};
  for (const line of lines) {
    const key = line.name === name ? keyOf(line.labels) : undefined;
    if (key !== undefined && key !== 'GET /metrics') found[key] = (found[key] ?? 0) + line.value;
  }
  return found;
};

export const sampleApiserver = async (admin: Client): Promise<ApiserverSample> => {
  const answer = await admin.request('GET', '/metrics');
  const at = performance.now();
  if (answer.status !== 200) throw new Error(`GET /metrics answers ${answer.status}`);
  const lines = parse(answer.text);
  const one = (name: string): number => sums(lines, name, () => name)[name] ?? Number.NaN;
  return {
    startedAt: one('process_start_time_seconds'),
    at,
    cpuSeconds: one('process_cpu_seconds_total'),
    residentBytes: one('process_resident_memory_bytes'),
    requests: sums(lines, 'apiserver_request_total', requestOf),
    refused: sums(lines, 'apiserver_request_total', ({ code }) => (Number(code) >= 400 ? code : undefined)),
    responseBytes: sums(lines, 'apiserver_response_sizes_sum', requestOf),
    watchEvents: sums(lines, 'apiserver_watch_events_total', resourceOf),
    watchBytes: sums(lines, 'apiserver_watch_events_sizes_sum', resourceOf),
    watches: sums(lines, 'apiserver_longrunning_requests', (labels) =>
      labels.verb === 'WATCH' ? resourceOf(labels) : undefined,
    ),
  };
};

/** What did not change is left out. */
export const rateBetween = (before: ApiserverSample, after: ApiserverSample): ApiserverRate => {
  if (before.startedAt !== after.startedAt) throw new Error('the API server was restarted meanwhile');
  const seconds = (after.at - before.at) / 1000;
  const per = (now: Readonly<Record<string, number>>, then: Readonly<Record<string, number>>) =>
    Object.fromEntries(
      Object.entries(now)
        .map(([key, value]) => [key, (value - (then[key] ?? 0)) / seconds] as const)
        .filter(([, rate]) => rate !== 0),
    );
  return {
    seconds,
    processors: (after.cpuSeconds - before.cpuSeconds) / seconds,
    residentBytes: after.residentBytes,
    requests: per(after.requests, before.requests),
    refused: per(after.refused, before.refused),
    responseBytes: per(after.responseBytes, before.responseBytes),
    watchEvents: per(after.watchEvents, before.watchEvents),
    watchBytes: per(after.watchBytes, before.watchBytes),
    watches: after.watches,
  };
};

/** The rate while `work` goes on. */
export const rateDuring = async (admin: Client, work: () => Promise<unknown>): Promise<ApiserverRate> => {
  const before = await sampleApiserver(admin);
  await work();
  return rateBetween(before, await sampleApiserver(admin));
};
