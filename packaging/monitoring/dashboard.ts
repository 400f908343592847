/** The dashboard as Grafana reads it (10 or later), as a file and in a ConfigMap for the sidecar of Grafana's chart. */
import { stringify } from 'yaml';
import { type Panel, type Query, rows } from './panels.ts';

/** Which Prometheus is a choice of the person who looks. */
const datasource = { type: 'prometheus', uid: '$datasource' };

const target =
  (kind: Panel['kind']) =>
  ({ expr, legend }: Query, index: number) => ({
    datasource,
    refId: String.fromCharCode(65 + index),
    expr,
    legendFormat: legend,
    ...(kind === 'timeseries' ? { range: true } : { instant: true, range: false }),
    ...(kind === 'table' ? { format: 'table' } : {}),
  });

/** Time and value say nothing in a table of labels; a count does. */
const tables = [{ id: 'organize', options: { excludeByName: { Time: true, __name__: true, job: true } } }];

const options: Readonly<Record<Panel['kind'], object>> = {
  stat: { colorMode: 'background', graphMode: 'none', reduceOptions: { calcs: ['lastNotNull'] } },
  timeseries: {
    legend: { displayMode: 'list', placement: 'bottom' },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  table: { showHeader: true },
};

const steps = (bad: number | undefined): readonly object[] =>
  bad === undefined
    ? [{ color: 'text', value: null }]
    : [
        { color: 'green', value: null },
        { color: 'red', value: bad },
      ];

const panelOf = (panel: Panel, id: number, gridPos: object) => ({
  ...{ id, type: panel.kind, title: panel.title, description: panel.description, datasource, gridPos },
  fieldConfig: {
    defaults: {
      unit: panel.unit ?? 'short',
      min: 0,
      ...(panel.kind === 'timeseries' && panel.bad === undefined
        ? { color: { mode: 'palette-classic' } }
        : { color: { mode: 'thresholds' } }),
      thresholds: { mode: 'absolute', steps: steps(panel.bad) },
      ...(panel.stacked ? { custom: { fillOpacity: 20, stacking: { mode: 'normal', group: 'A' } } } : {}),
    },
    overrides: [],
  },
  options: options[panel.kind],
  ...(panel.kind === 'table' ? { transformations: tables } : {}),
  targets: panel.queries.map(target(panel.kind)),
});

/** Each row with its panels from left to right; what does not fit into 24 columns begins a new line. */
const placed = (): readonly object[] => {
  const all: object[] = [];
  let y = 0;
  for (const { title, height, panels } of rows) {
    all.push({
      id: all.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const panel of panels) {
      if (x + panel.width > 24) [x, y] = [0, y + height];
      all.push(panelOf(panel, all.length + 1, { x, y, w: panel.width, h: height }));
      x += panel.width;
    }
    y += height;
  }
  return all;
};

const variables = [
  { name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' },
  {
    ...{ name: 'instance', label: 'Node', type: 'query', datasource },
    ...{ query: { query: 'label_values(rcm_node_info, instance)', refId: 'instance' }, refresh: 2, sort: 1 },
    ...{ multi: true, includeAll: true, allValue: '.*', current: { text: 'All', value: '$__all' } },
  },
];

export const dashboard = () => ({
  uid: 'rcm-node',
  title: 'rcm-node',
  description: 'Handlers of container runtimes on all nodes, rollouts of Shims, and the controller.',
  tags: ['rcm-node', 'kubernetes'],
  schemaVersion: 39,
  version: 1,
  editable: true,
  refresh: '1m',
  time: { from: 'now-6h', to: 'now' },
  templating: { list: variables },
  annotations: { list: [] },
  panels: placed(),
});

export const dashboardJson = (): string => `${JSON.stringify(dashboard(), null, 1)}\n`;

export const configMap = (): string =>
  `# Written by packaging/monitoring/write.ts from panels.ts beside it: change that, and run it again.\n${stringify(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'rcm-node-dashboard',
        namespace: 'rcm-node',
        labels: { 'app.kubernetes.io/name': 'rcm-node', grafana_dashboard: '1' },
      },
      data: { 'rcm-node.json': dashboardJson() },
    },
    { lineWidth: 0 },
  )}`;
