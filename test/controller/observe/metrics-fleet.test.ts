import t from 'tap';
import { makeMetrics } from '../../../controller/observe/metrics.ts';
import { measureFleet } from '../../../controller/observe/metrics-fleet.ts';
import { aNode } from '../../../testbed/controller/facts.ts';

t.test(
  'nodes that do not report are counted by reason, under the former name of the metric too',
  async (t) => {
    const metrics = makeMetrics();
    const nodes = [
      aNode('a', {}, { state: undefined, detail: undefined }),
      aNode('b', {}, { state: undefined, detail: undefined, ready: false }),
      aNode('c', {}, { state: undefined, detail: undefined, ready: false }),
    ];
    measureFleet(metrics, { nodes, shims: [] } as never, { statuses: [] } as never);
    for (const name of ['rcm_controller_nodes_not_reporting', 'rcm_controller_nodes_unheard']) {
      t.match(metrics.print(), `${name}{why="silent"} 1\n`);
      t.match(metrics.print(), `${name}{why="not-ready"} 2\n`);
    }
  },
);
