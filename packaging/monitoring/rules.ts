/** The alerts as rules: a file for a Prometheus of your own, and objects for the Prometheus operator. Both have the same groups. */
import { stringify } from 'yaml';
import type { Alert, Alerts } from './alert.ts';
import { alertsOfController } from './alerts-of-controller.ts';
import { alertsOfNodes } from './alerts-of-nodes.ts';

export const groups: Readonly<Record<'nodes' | 'controller', Alerts>> = {
  nodes: alertsOfNodes,
  controller: alertsOfController,
};
export type GroupName = keyof typeof groups;

/** Where the documents are: a folder of the sources, for those who do not serve them anywhere. */
export const documentsHere = 'docs';

export const runbookOf = (name: string, { byCode }: Alert, documents: string): string =>
  byCode
    ? `${documents}/troubleshooting.md#{{ $labels.code }}`
    : `${documents}/alerts.md#${name.toLowerCase()}`;

const groupOf = (name: GroupName, documents: string) => ({
  name: `rcm-node-${name}`,
  rules: Object.entries(groups[name]).map(([alert, given]) => ({
    alert,
    expr: given.expr,
    for: given.for,
    labels: { severity: given.severity },
    annotations: {
      summary: given.summary,
      description: given.description,
      runbook_url: runbookOf(alert, given, documents),
    },
  })),
});

const yaml = (value: unknown): string => stringify(value, { lineWidth: 0 });
const head = '# Written by packaging/monitoring/write.ts: change the alerts beside it, and run it again.\n';

export const plainRules = (documents = documentsHere): string =>
  head + yaml({ groups: Object.keys(groups).map((name) => groupOf(name as GroupName, documents)) });

/** Of controller-monitor.yaml, too, so that one selector finds what an installation without the controller leaves out. */
const labels = (name: GroupName): Readonly<Record<string, string>> => ({
  'app.kubernetes.io/name': name === 'nodes' ? 'rcm-node' : 'rcm-node-controller',
});

export const operatorRules = (name: GroupName, documents = documentsHere): string =>
  head +
  yaml({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: `rcm-node-${name}`, namespace: 'rcm-node', labels: labels(name) },
    spec: { groups: [groupOf(name, documents)] },
  });
