/**
 * A Shim that a node refuses, beside one that it serves: what everyone can read of it. rcm-node is the real one on a simulated
 * host, with the real writer of its Node; what the controller decides is real, too. The API server between them is left out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { paintFor, printReport } from '../../cli/print.ts';
import { decideFleet } from '../../controller/decide/decide.ts';
import { noticesOf } from '../../controller/decide/status/notices.ts';
import type { Condition, ShimStatus } from '../../controller/model/fleet.ts';
import { makeNodeWriter, type Told } from '../../daemon/cluster/node-writer.ts';
import { paths } from '../../protocol/host-paths.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { makeRoot, type Node, openNode, program, sha256 } from '../simulated/node.ts';
import { scriptedApi } from '../simulated/scripted-api.ts';
import { tickDaemon } from './daemon-node.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

export type Asked = {
  /** Of the Shim that is refused. */
  readonly spec: object;
  /** What else the node has: its settings, the artifact. */
  readonly setUp?: ((host: Node) => void) | undefined;
};

export type Seen = {
  /** `rcm-node status`, and what it reads. */
  readonly status: string;
  readonly json: string;
  /** The annotations of the Node, as they are written to it. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly nodeEvents: readonly string[];
  /** Of the refused Shim, and of the other one. */
  readonly conditions: readonly Condition[];
  readonly others: readonly Condition[];
  readonly shimEvents: readonly string[];
  /** Handlers that the runtime serves. */
  readonly served: readonly string[];
  /** The lines of the log with their fields, which root alone reads. */
  readonly log: string;
};

export const good = {
  fetchStrategy: {
    anonHttp: { location: 'file:///srv/artifacts/good', sha256: sha256(program('good')) },
  },
  runtimeClass: { name: 'good', handler: 'good' },
};

/** The Node as an API server keeps it, and the Events about it. */
const nodeKept = async (host: Node) => {
  const { api, calls, answers } = scriptedApi();
  const kept = { node: { metadata: { name: 'a', uid: 'u' } } as NodeObject };
  answers.set('PATCH /api/v1/nodes/a', (body: unknown) => {
    const { annotations } = (body as NodeObject).metadata;
    const { metadata } = kept.node;
    kept.node = { metadata: { ...metadata, annotations: { ...metadata.annotations, ...annotations } } };
    return kept.node;
  });
  answers.set('POST /api/v1/namespaces/default/events', (body: unknown) => body);
  const { clock } = host.fake.host;
  const writer = await makeNodeWriter(
    { ...host.fake.host, clock: { ...clock, random: () => 0 } },
    api,
    'a',
    'kubelet',
  );
  writer.seen(kept.node);
  return {
    kept,
    tell: async (told: Told): Promise<void> => {
      writer.tell(told, false);
      await sleep(1);
    },
    close: writer.close,
    events: (): readonly string[] =>
      calls
        .filter(({ method }) => method === 'POST')
        .map(({ body }) => {
          const { reason, message } = body as { reason: string; message: string };
          return `${reason}: ${message}`;
        }),
  };
};

/** After so many passes of node and controller nothing changes any more. */
const passes = 6;

export const seeRefusal = async (t: Test, { spec, setUp }: Asked): Promise<Seen> => {
  const cluster = new SimulatedCluster();
  const node = cluster.addNode('a');
  const host = openNode(makeRoot(t), { version: '2.1.4' });
  host.write('/srv/artifacts/good', program('good'), 0o755);
  setUp?.(host);
  cluster.addShim('good', good);
  cluster.now += 1_000;
  cluster.addShim('bad', { runtimeClass: { name: 'bad', handler: 'bad' }, ...spec });
  const { kept, tell, close, events } = await nodeKept(host);
  const shimEvents: string[] = [];
  let told: Told | undefined;
  for (let pass = 0; pass < passes; pass++) {
    told = await tickDaemon(cluster, node, host);
    await tell(told);
    const decision = decideFleet(cluster.view());
    for (const { shim, status } of decision.statuses)
      if (shim.name === 'bad')
        shimEvents.push(...noticesOf(shim, status).map(({ reason, message }) => `${reason}: ${message}`));
    cluster.carryOut(decision);
    cluster.now += 20_000;
  }
  close();
  const conditionsOf = (name: string): readonly Condition[] => {
    const status = cluster.shims.get(name)?.status as ShimStatus | undefined;
    return status?.conditions ?? [];
  };
  const { lines, fields } = host.fake;
  return {
    status: told ? printReport(told.report, paintFor(false, undefined), host.fake.host.clock.now()) : '',
    json: host.read(paths.status) ?? '',
    annotations: kept.node.metadata.annotations ?? {},
    nodeEvents: events(),
    conditions: conditionsOf('bad'),
    others: conditionsOf('good'),
    shimEvents,
    served: host.fake.containerd.served(),
    log: lines.map((line, index) => `${line} ${JSON.stringify(fields[index] ?? {})}`).join('\n'),
  };
};
