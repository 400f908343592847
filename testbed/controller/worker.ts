/** The work of a leader against a test server, with a decision that the test makes. */
import type { Test } from 'tap';
import { makeMetrics } from '../../controller/observe/metrics.ts';
import type { Decision, ShimStatus, View } from '../../controller/model/fleet.ts';
import { counted } from '../../controller/observe/requests.ts';
import { startLeaderLoop } from '../../controller/leader-loop.ts';
import type { Clock } from '../../host/host.ts';
import { type Api, connectApi } from '../../kube/client.ts';
import { approvedPrefix, printApproval } from '../../protocol/node-labels.ts';
import { until } from '../until.ts';
import { paths } from './fleet-objects.ts';
import type { FleetServer } from './fleet-server.ts';
import { keepLog } from './kept-log.ts';
import { shortClock } from './timing.ts';

export const nothing: Decision = {
  nodes: [],
  classes: [],
  finalizers: [],
  statuses: [],
  count: [],
  wakeAt: undefined,
};

/** Passes come one after the other, whether or not anything happened: what is wrong twice shows. */
export const always = { ...nothing, wakeAt: 0 };

export const work = (
  t: Test,
  fleet: FleetServer,
  decide: (view: View) => Decision,
  given: { clock?: Clock; holds?: () => boolean } = {},
) => {
  const { clock = shortClock(), holds = () => true } = given;
  const metrics = makeMetrics();
  const { log, lines } = keepLog();
  const views: View[] = [];
  const client = connectApi(fleet.credentials, clock);
  const flying = { count: 0 };
  const { request } = client;
  const noted: Api['request'] = (...asked) => {
    flying.count += 1;
    return request(...asked).finally(() => {
      flying.count -= 1;
    });
  };
  const api = counted(Object.assign(client, { request: noted }), metrics);
  const working = startLeaderLoop({
    ...{ api, clock, log, metrics, holds },
    identity: 'me',
    decide: (view) => {
      views.push(view);
      return decide(view);
    },
  });
  t.teardown(() => working.stop(false));
  /** Resolves when no request waits for its answer. */
  const landed = (): Promise<void> => until(() => flying.count === 0);
  return { working, views, lines, metrics, landed };
};

export const shim = (name: string, more: object = {}) => ({
  kind: 'Shim',
  metadata: { name, ...more },
  spec: { runtimeClass: { name: `class-${name}`, handler: name } },
});

export const node = (name: string) => ({ kind: 'Node', metadata: { name } });

export const approve = (name: string, shims: Readonly<Record<string, string>> = { spin: 'r1' }) => ({
  node: name,
  labels: Object.fromEntries(
    Object.entries(shims).map(([shim, revision]) => [
      `${approvedPrefix}${shim}`,
      printApproval({ revision, until: Date.parse('2099-01-01T00:00:00Z') }),
    ]),
  ),
});

export const statusOf = (nodes: number, more: Partial<ShimStatus> = {}): ShimStatus => ({
  observedGeneration: 1,
  nodes,
  nodesReady: 0,
  nodesUpdated: 0,
  nodesFailed: 0,
  conditions: [],
  ...more,
});

export const written = (fleet: FleetServer, path: string): readonly string[] =>
  fleet.writes().filter((line) => line.includes(path));

export { paths };
