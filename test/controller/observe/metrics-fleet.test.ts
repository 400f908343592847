import t from 'tap';
import { makeMetrics } from '../../../controller/observe/metrics.ts';
import { forgetFleet, measureFleet } from '../../../controller/observe/metrics-fleet.ts';
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

t.test('each Shim has the phase of its rollout, and no other; who leads no more knows none', async (t) => {
  const metrics = makeMetrics();
  const measure = (phase: string): void =>
    measureFleet(
      metrics,
      { nodes: [], shims: [] } as never,
      { statuses: [{ shim: { name: 'spin' }, status: { rollout: { phase } } }] } as never,
    );
  measure('Rolling');
  measure('Stopped');
  const rows = () => metrics.print().match(/^rcm_controller_rollout\{.*$/gm);
  t.same(rows(), ['rcm_controller_rollout{shim="spin",phase="Stopped"} 1']);
  t.match(metrics.print(), /^rcm_controller_rollouts_stopped 1$/m);
  metrics.set('rcm_controller_leader', 0);
  forgetFleet(metrics);
  t.same(
    metrics.print().match(/^rcm_.*$/gm),
    ['rcm_controller_leader 0'],
    'nothing but what is true of each controller',
  );
});

t.test(
  'nodes of another minor version are counted, and what is supported is told from what is not',
  async (t) => {
    const metrics = makeMetrics();
    const nodes = [aNode('a'), aNode('b', {}, { skew: 'older' }), aNode('c', {}, { skew: 'too-new' })];
    measureFleet(metrics, { nodes, shims: [] } as never, { statuses: [] } as never);
    for (const [skew, count] of Object.entries({ older: 1, newer: 0, 'too-old': 0, 'too-new': 1 }))
      t.match(metrics.print(), `rcm_controller_nodes_version_skew{skew="${skew}"} ${count}\n`);
  },
);
