/**
 * `node packaging/monitoring/write.ts`: what is made of the alerts, the metrics and the dashboard. The rules once for a Prometheus of your own
 * and once for the operator, the dashboard once as a file and once for Grafana's sidecar, and their documents.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromArguments } from '../arguments.ts';
import { configMap, dashboardJson } from './dashboard.ts';
import { alertsDocument, metricsDocument } from './documents.ts';
import { operatorRules, plainRules } from './rules.ts';

/** By path, from the root of the project. */
export const written: Readonly<Record<string, () => string>> = {
  'packaging/monitoring/rcm-node.rules.yaml': () => plainRules(),
  'packaging/monitoring/rcm-node.dashboard.json': dashboardJson,
  'bootstrap/monitoring/nodes-rules.yaml': () => operatorRules('nodes'),
  'bootstrap/monitoring/controller-rules.yaml': () => operatorRules('controller'),
  'bootstrap/monitoring/dashboard.yaml': configMap,
  'docs/alerts.md': alertsDocument,
  'docs/metrics.md': metricsDocument,
};

const usage = `npx node packaging/monitoring/write.ts [--documents URL --to DIR]

Writes the alerts, the dashboard and their documents in this tree. With both options it writes the rules into DIR, with links that begin
with URL, for instance https://git.example.com/rcm-node/blob/main/docs
`;

if (import.meta.main) {
  const { documents, to } = fromArguments(
    usage,
    { documents: { type: 'string' }, to: { type: 'string' } },
    ({ values, positionals }) => {
      if (positionals.length > 0) throw new Error(`${positionals.join(' ')}: it takes options only`);
      if ((values.documents === undefined) !== (values.to === undefined))
        throw new Error('--documents and --to belong together');
      return values;
    },
  );
  const root = join(import.meta.dirname, '../..');
  const texts =
    documents === undefined || to === undefined
      ? Object.entries(written).map(([path, text]) => [join(root, path), text()] as const)
      : ([
          [join(to, 'rcm-node.rules.yaml'), plainRules(documents)],
          [join(to, 'nodes-rules.yaml'), operatorRules('nodes', documents)],
          [join(to, 'controller-rules.yaml'), operatorRules('controller', documents)],
        ] as const);
  if (to !== undefined) mkdirSync(to, { recursive: true });
  for (const [path, text] of texts) writeFileSync(path, text);
}
