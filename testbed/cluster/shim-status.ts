/** What a person reads of a Shim: its status, its conditions, what was told about it. */
import { provenPrefix } from '../../controller/model/keys.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterNode, NodeObject } from './join.ts';

export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
};

export type Shim = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation: number;
    readonly finalizers?: readonly string[];
    readonly deletionTimestamp?: string;
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly nodes?: number;
    readonly nodesReady?: number;
    readonly nodesUpdated?: number;
    readonly nodesFailed?: number;
    readonly rollout?: {
      readonly revision: string;
      readonly phase: string;
      readonly stoppedBy?: readonly string[];
    };
    readonly slot?: string;
    readonly runtimeClass?: string;
    readonly conditions?: readonly Condition[];
  };
};

const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';

export const getShim = (cluster: Cluster, name: string): Promise<Shim> =>
  cluster.admin.get(`${shims}/${name}`);

export const shimIsGone = async (cluster: Cluster, name: string): Promise<boolean> =>
  (await cluster.admin.request('GET', `${shims}/${name}`)).status === 404;

export const conditionOf = (shim: Shim, type: string): Condition | undefined =>
  shim.status?.conditions?.find((one) => one.type === type);

/** `Available=True Served, Progressing=False Complete, …`: what a person compares. */
export const conditionsOf = (shim: Shim): string =>
  (shim.status?.conditions ?? [])
    .map(({ type, status, reason }) => `${type}=${status} ${reason}`)
    .sort()
    .join(', ');

/** Waits until the controller has seen the Shim as it is now, and says of it what `fits`. */
export const untilShim = (
  cluster: Cluster,
  name: string,
  what: string,
  fits: (shim: Shim) => boolean,
  timeoutMs = 240_000,
): Promise<Shim> =>
  cluster.waitFor(
    `Shim ${name} ${what}`,
    async () => {
      const shim = await getShim(cluster, name);
      return shim.status?.observedGeneration === shim.metadata.generation && fits(shim) && shim;
    },
    { timeoutMs },
  );

/** Waits for conditions given as `Progressing=False Stopped`, all at once. */
export const untilConditions = (
  cluster: Cluster,
  name: string,
  ...wanted: readonly string[]
): Promise<Shim> =>
  untilShim(cluster, name, `is ${wanted.join(', ')}`, (shim) => {
    const all = conditionsOf(shim).split(', ');
    return wanted.every((one) => all.includes(one));
  });

/** On every node that it is meant for, of which there is one at least: those that have not spoken yet do not count. */
export const isComplete = ({ status }: Shim): boolean =>
  status?.rollout?.phase === 'Complete' && status.nodes !== 0 && status.nodesUpdated === status.nodes;

/** `Warning Stopped: message` of each event about the Shim. */
export const eventsOf = async (cluster: Cluster, name: string): Promise<readonly string[]> => {
  const selector = `involvedObject.kind=Shim,involvedObject.name=${name}`;
  const path = '{range .items[*]}{.type} {.reason}: {.message}{"\\n"}{end}';
  const said = await cluster.kubectl([
    ...['get', 'events', '-A', `--field-selector=${selector}`, '-o', `jsonpath=${path}`],
  ]);
  return said.split('\n').filter((line) => line !== '');
};

/** Handlers that the controller holds for proven on this Node. */
export const provenOn = ({ metadata }: NodeObject): readonly string[] =>
  Object.keys(metadata.labels)
    .filter((key) => key.startsWith(provenPrefix))
    .map((key) => key.slice(provenPrefix.length))
    .sort();

export const untilProven = (
  cluster: Cluster,
  node: ClusterNode,
  names: readonly string[],
): Promise<NodeObject> =>
  cluster.waitFor(
    `${node.name} is proven to serve ${names.join(', ') || 'nothing'}`,
    async () => {
      const object = await node.object();
      return provenOn(object).join() === [...names].sort().join() && object;
    },
    { timeoutMs: 240_000 },
  );
