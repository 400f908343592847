/**
 * A cluster in which one node lies in each of many ways, or says nothing: no other control-plane node waits for it for ever, neither
 * for the same Shim nor for one that comes later.
 */
import t from 'tap';
import { decideFleet } from '../../../../controller/decide/decide.ts';
import { falseReports } from '../../../../testbed/controller/false-reports.ts';
import { SimulatedCluster } from '../../../../testbed/controller/simulated-cluster.ts';

const stepMs = 60_000;
const server = 'node-role.kubernetes.io/control-plane';

/** Three control-plane nodes and twelve others, of which one lies. */
const mixed = (type: 'rolling' | 'recreate', isServer: boolean) => {
  const cluster = new SimulatedCluster();
  for (let i = 0; i < 11; i++) cluster.addNode(`n${String(i).padStart(2, '0')}`);
  const names = isServer ? ['s1', 's2', 'n99'] : ['s1', 's2', 's3'];
  for (const name of names) cluster.addNode(name, { labels: name === 'n99' ? {} : { [server]: '' } });
  const liar = cluster.addNode('aaa', { labels: isServer ? { [server]: '' } : {} });
  cluster.addShim('spin', { rolloutStrategy: { type, rolling: { maxFailures: 2 } } }, true);
  return { cluster, liar };
};

for (const type of ['rolling', 'recreate'] as const)
  for (const isServer of [false, true])
    for (const [what, lie] of Object.entries(falseReports))
      t.test(`${type}: a ${isServer ? 'control-plane node' : 'worker'} ${what}`, async (t) => {
        const { cluster, liar } = mixed(type, isServer);
        const honest = [...cluster.nodes.values()].filter((node) => node !== liar);
        let step = 0;
        const left = () => honest.filter(({ installed }) => installed.size < 2).map(({ name }) => name);
        for (; step < 200 && left().length > 0; step++) {
          if (step === 60)
            cluster.addShim('wasmedge', { rolloutStrategy: { type, rolling: { maxFailures: 2 } } }, true);
          for (const node of honest) cluster.tick(node);
          lie(cluster, liar, step);
          cluster.carryOut(decideFleet(cluster.view()));
          cluster.now += stepMs;
        }
        t.same(left(), [], `all others are done after ${step} minutes`);
      });
