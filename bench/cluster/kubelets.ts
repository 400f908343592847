/** What the kubelets of simulated nodes write: their Node, and every five minutes its status. */
import { setTimeout as sleep } from 'node:timers/promises';
import { clientFor } from '../../testbed/cluster/client.ts';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import { conditions, nodeObject, runtimeHandlers, saysHandlers } from '../rollout/node-object.ts';

export type Kubelets = {
  register(): Promise<void>;
  /** What each of them writes every five minutes, one after the other. */
  beat(): Promise<void>;
  relabel(names: readonly string[], labels: object): Promise<void>;
  /** The runtime of this node serves these handlers from now on; its kubelet says so soon, where it says so at all. */
  serves(name: string, handlers: readonly string[]): void;
};

/** Real ones keep a connection each; here all share these, so that no handshake is counted as a kubelet's. */
const connections = 16;
/** So many at once; a server that is asked a thousand things at once only gets slower. */
const beatsAtOnce = 4;
/** A kubelet looks every ten seconds whether there is something new to say. */
const lookMs = 10_000;

export const inParallel = async <T>(
  items: readonly T[],
  width: number,
  work: (item: T, at: number) => Promise<void>,
): Promise<void> => {
  const left = items.entries();
  const one = async (): Promise<void> => {
    for (const [at, item] of left) await work(item, at);
  };
  await Promise.all(Array.from({ length: width }, one));
};

export const kubeletsOf = (
  cluster: Cluster,
  names: readonly string[],
  make: (name: string, at: number) => object = nodeObject,
): Kubelets => {
  const { server, authority } = cluster;
  const identity = authority.issue({ commonName: 'kubelets', organizations: ['system:masters'] });
  const client = clientFor(server, authority.certificate, identity, connections);
  const places = new Map(names.map((name, at) => [name, at]));
  const known = new Map<string, string>();
  const ask = async (method: string, path: string, body: object): Promise<void> => {
    const answer = await client.request(method, path, { body });
    if (answer.status >= 300) throw new Error(`${method} ${path} answers ${answer.status}: ${answer.text}`);
  };
  const status = (name: string, said: object): Promise<void> =>
    ask('PATCH', `/api/v1/nodes/${name}/status`, { status: said });
  return {
    register: () =>
      inParallel(names, connections, (name, at) => ask('POST', '/api/v1/nodes', make(name, at))),
    beat: () => inParallel(names, beatsAtOnce, (name) => status(name, { conditions: conditions() })),
    relabel: (some, labels) =>
      inParallel(some, connections, (name) =>
        ask('PATCH', `/api/v1/nodes/${name}`, { metadata: { labels } }),
      ),
    serves: (name, handlers) => {
      const said = handlers.join(' ');
      const at = places.get(name);
      if (at === undefined || !saysHandlers(at) || said === (known.get(name) ?? '')) return;
      known.set(name, said);
      // Without a wait for it: where it fails, the proof of this node is missing, and that is noticed.
      void sleep(Math.random() * lookMs)
        .then(() => status(name, { runtimeHandlers: runtimeHandlers(handlers) }))
        .catch((error: unknown) => process.stderr.write(`# ${String(error)}\n`));
    },
  };
};
