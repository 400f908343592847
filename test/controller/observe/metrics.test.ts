import t from 'tap';
import { makeMetrics } from '../../../controller/observe/metrics.ts';

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
