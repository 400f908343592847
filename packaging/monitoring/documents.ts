/** docs/alerts.md and docs/metrics.md, out of the tables that Prometheus sees. Nothing in them is written by hand. */
import { controllerMetrics } from '../../controller/observe/metrics.ts';
import { nodeMetrics } from '../../daemon/decide/report/metrics.ts';
import { groups } from './rules.ts';

const mark =
  '<!-- Written by `npx node packaging/monitoring/write.ts`: change the table that it names, and run it again. -->';

const table = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

const sectionOf = (
  name: string,
  { severity, expr, for: time, summary, description, runbook }: (typeof groups)['nodes'][string],
): string =>
  [
    `### ${name}`,
    `**${severity}**, after ${time}: ${summary.replace(/\{\{ \$(?:labels\.)?(\w+)[^}]*\}\}/g, '`$1`')} ${description}`,
    runbook,
    `\`\`\`text\n${expr}\n\`\`\``,
  ].join('\n\n');

export const alertsDocument = (): string =>
  `${[
    mark,
    '# Alerts, and what to do',
    `The rules that [monitoring.md](monitoring.md) installs. Their table is in \`packaging/monitoring/\`. **critical**: Pods fail now, or new nodes cannot take them. **warning**: a
change does not arrive. **info**: a person should know. What is served stays served in all of these but the first.`,
    '## Nodes',
    ...Object.entries(groups.nodes).map(([name, alert]) => sectionOf(name, alert)),
    '## Controller and rollouts',
    ...Object.entries(groups.controller).map(([name, alert]) => sectionOf(name, alert)),
  ].join('\n\n')}\n`;

export const metricsDocument = (): string =>
  `${[
    mark,
    '# Metrics',
    `How they get to Prometheus: [monitoring.md](monitoring.md).`,
    '## Of a node',
    'Table: `daemon/decide/report/metrics.ts`. All are gauges. A metric without a value is left out.',
    table(
      ['metric', 'meaning'],
      Object.entries(nodeMetrics).map(([name, { help }]) => [`\`${name}\``, help]),
    ),
    '## Of the controller',
    'Table: `controller/observe/metrics.ts`. What is about Nodes and Shims has values in the Pod that leads, and in no other.',
    table(
      ['metric', 'type', 'meaning'],
      Object.entries(controllerMetrics).map(([name, [type, help]]) => [`\`${name}\``, type, help]),
    ),
  ].join('\n\n')}\n`;
