import t from 'tap';
import { controllerMetrics, makeMetrics, type MetricName } from '../../../controller/observe/metrics.ts';
import { faultsOf, skip } from '../../../testbed/prometheus/check.ts';

t.test('figures are printed as Prometheus reads them', async (t) => {
  const metrics = makeMetrics();
  metrics.set('rcm_controller_leader', 1);
  metrics.add('rcm_controller_requests_total', { verb: 'GET', code: '2xx' });
  metrics.add('rcm_controller_requests_total', { verb: 'GET', code: '2xx' }, 2);
  metrics.set('rcm_controller_shim_nodes', 3, { shim: 'a"b\\c\nd', state: 'ready' });
  const lines = metrics.print().split('\n');
  for (const line of [
    '# TYPE rcm_controller_leader gauge',
    'rcm_controller_leader 1',
    '# TYPE rcm_controller_requests_total counter',
    'rcm_controller_requests_total{verb="GET",code="2xx"} 3',
    'rcm_controller_shim_nodes{shim="a\\"b\\\\c\\nd",state="ready"} 3',
  ])
    t.ok(lines.includes(line), line);
  t.match(metrics.print(), /\n$/);
  metrics.clear('rcm_controller_shim_nodes');
  t.notMatch(metrics.print(), /shim_nodes\{/, 'a Shim that is gone has no figures');
});

t.test('promtool finds nothing to say of them, whatever is known', { skip }, async (t) => {
  const metrics = makeMetrics();
  t.equal(faultsOf(metrics.print()), '');
  for (const name of Object.keys(controllerMetrics) as MetricName[]) metrics.set(name, 1, { shim: 'a"b' });
  t.equal(faultsOf(metrics.print()), '');
});
