/** The dashboard is one that Grafana reads, and every query of it and of the alerts asks for what is there. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { controllerMetrics } from '../../../controller/observe/metrics.ts';
import { nodeMetrics } from '../../../daemon/decide/report/metrics.ts';
import { configMap, dashboard, dashboardJson } from '../../../packaging/monitoring/dashboard.ts';
import { rows } from '../../../packaging/monitoring/panels.ts';
import { groups } from '../../../packaging/monitoring/rules.ts';
import { handlerStates } from '../../../protocol/node-annotations.ts';
import { codes } from '../../../protocol/problem/problem.ts';
import { skews } from '../../../protocol/version.ts';
import { promtool, skip } from '../../../testbed/prometheus/check.ts';
import { textOf } from '../../documents/documents.ts';
import { exposed } from './exposed.ts';
import { namedIn } from './promql.ts';

const queries = rows.flatMap(({ panels }) => panels.flatMap((panel) => panel.queries));
const alerts = Object.entries({ ...groups.nodes, ...groups.controller });
/** Of each target of Prometheus, and of rules. */
const ofTargets = ['instance', 'job', 'pod'];

t.test(
  'metrics and labels in alerts and in the dashboard are some that node or controller have',
  async (t) => {
    const known = await exposed();
    t.same([...known.keys()].sort(), [...Object.keys(nodeMetrics), ...Object.keys(controllerMetrics)].sort());
    const values: Readonly<Record<string, readonly string[]>> = {
      'rcm_node_state state': ['converged', 'waiting', 'degraded', 'failed', 'refused'],
      'rcm_node_cluster state': ['connecting', 'synced', 'stale'],
      'rcm_node_handler state': handlerStates,
      'rcm_node_problems code': Object.keys(codes),
      'rcm_controller_errors_total code': Object.keys(codes),
      'rcm_controller_rollout phase': ['Rolling', 'Paused', 'Stopped', 'Refused', 'Complete'],
      'rcm_controller_shim_nodes state': ['target', 'ready', 'updated', 'failed'],
      'rcm_controller_nodes_version_skew skew': skews,
      'rcm_controller_nodes_not_reporting why': ['unable', 'replaced', 'not-ready', 'silent'],
    };
    for (const expr of [...queries.map((one) => one.expr), ...alerts.map(([, one]) => one.expr)]) {
      const { metrics, matchers, labels } = namedIn(expr);
      t.ok(metrics.length > 0, expr);
      for (const name of metrics) t.ok(known.has(name), `${name} in ${expr}`);
      const all = [...ofTargets, ...metrics.flatMap((name) => known.get(name) ?? [])];
      for (const label of labels) t.ok(all.includes(label), `${label} in ${expr}`);
      for (const { metric, label, values: asked } of matchers) {
        if (ofTargets.includes(label)) continue;
        t.ok(known.get(metric)?.includes(label), `${metric}{${label}} in ${expr}`);
        for (const value of asked.split('|'))
          t.ok(values[`${metric} ${label}`]?.includes(value), `${value} in ${expr}`);
      }
    }
    for (const { expr, legend } of queries) {
      const { metrics, labels } = namedIn(expr);
      const own =
        labels.length > 0 && / by \(/.test(expr) ? labels : metrics.flatMap((name) => known.get(name) ?? []);
      for (const [, label = ''] of legend.matchAll(/\{\{(\w+)\}\}/g))
        t.ok([...own, ...ofTargets].includes(label), `${label} of ${expr}`);
    }
  },
);

t.test('what names nothing that is there is found', async (t) => {
  t.same(namedIn('sum by (a) (rate(x_total{b=~"c|d"}[5m])) > 2 and on (e) time() - y').metrics, [
    'x_total',
    'y',
  ]);
  t.same(
    namedIn('x{a="b",c!~"d"}').matchers.map(({ label, values }) => [label, values]),
    [
      ['a', 'b'],
      ['c', 'd'],
    ],
  );
});

t.test('every metric that is exposed is documented, and shown or alerted on', async (t) => {
  const asked = [...queries.map((one) => one.expr), ...alerts.map(([, one]) => one.expr)].join(' ');
  /** The same under a former name. */
  const former = ['rcm_controller_nodes_unheard'];
  for (const name of (await exposed()).keys()) {
    t.match(textOf('docs/metrics.md'), `| \`${name}\` |`, name);
    t.equal(new RegExp(`\\b${name}\\b`).test(asked), !former.includes(name), name);
  }
});

t.test('promtool: each query of the dashboard is valid', { skip }, async (t) => {
  const file = join(t.testdir({}), 'queries.yaml');
  const check = (exprs: readonly string[]) => {
    const rules = exprs.map((expr, index) => ({ record: `query:${index}`, expr }));
    writeFileSync(file, stringify({ groups: [{ name: 'queries', rules }] }));
    return promtool(['check', 'rules', file]);
  };
  // A variable stands in a string, and is as good as another.
  t.match(check(queries.map(({ expr }) => expr)), {
    code: 0,
    said: `SUCCESS: ${queries.length} rules found`,
  });
  t.not(check(['sum by (a rcm_node_info)']).code, 0);
});

type Placed = {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
};

t.test('no panel covers another, and each has a name, a description and a number of its own', async (t) => {
  const { panels, templating } = JSON.parse(dashboardJson()) as {
    panels: (Placed & { description?: string })[];
    templating: { list: { name: string }[] };
  };
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  t.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
  for (const panel of panels) if (panel.type !== 'row') t.match(panel.description, /^\S.*\.$/, panel.title);
  const cells = new Set<string>();
  for (const { title, gridPos } of panels)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        t.ok(x < 24 && !cells.has(`${x} ${y}`), `${title} at ${x} ${y}`);
        cells.add(`${x} ${y}`);
      }
  const variables = templating.list.map(({ name }) => name);
  for (const [, name = ''] of dashboardJson().matchAll(/"[^"]*\$(?!__)(\w+)/g))
    t.ok(variables.includes(name), name);
});

t.test('the ConfigMap has the very file', async (t) => {
  const { data } = parse(configMap()) as { data: Readonly<Record<string, string>> };
  t.same(data, { 'rcm-node.json': dashboardJson() });
  t.same(JSON.parse(dashboardJson()), JSON.parse(JSON.stringify(dashboard())));
});
