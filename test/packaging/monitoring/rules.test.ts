/** Each alert fires when it should, with links that lead somewhere, and is quiet otherwise: promtool evaluates the rules. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { groups, operatorRules, plainRules, runbookOf } from '../../../packaging/monitoring/rules.ts';
import { codes } from '../../../protocol/problem/problem.ts';
import { promtool, skip } from '../../../testbed/prometheus/check.ts';
import { proseOf } from '../../documents/documents.ts';
import { firing, type Series } from './firing.ts';

const alerts = Object.entries({ ...groups.nodes, ...groups.controller });

type Rules = { readonly groups: readonly { readonly rules: readonly { readonly alert: string }[] }[] };

const units = { m: 1, h: 60, d: 24 * 60 } as const;
const minutesOf = (time: string): number => {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(time) ?? [];
  return Number(count) * units[unit as keyof typeof units];
};
/** Longer than any alert waits. */
const long = 1600;
const input = (series: Series) =>
  Object.entries(series).map(([name, value]) => ({
    series: name,
    values: typeof value === 'number' ? `${value}x${long}` : value,
  }));

const testsOf = ([alert, given]: (typeof alerts)[number]) => {
  const {
    series,
    begins = 0,
    labels = {},
    summary,
    quiet,
  } = firing[alert] ?? {
    ...{ series: {}, summary: '', quiet: [] },
  };
  const fires = begins + minutesOf(given.for);
  const link = runbookOf(alert, given, 'docs').replace('{{ $labels.code }}', labels.code ?? '');
  const expected = {
    exp_labels: { ...labels, severity: given.severity },
    exp_annotations: { summary, description: given.description, runbook_url: link },
  };
  return [
    {
      name: `${alert} fires`,
      interval: '1m',
      input_series: input(series),
      alert_rule_test: [
        { eval_time: `${fires - 1}m`, alertname: alert, exp_alerts: [] },
        { eval_time: `${fires}m`, alertname: alert, exp_alerts: [expected] },
      ],
    },
    ...quiet.map((other, index) => ({
      name: `${alert} is quiet, ${index + 1}`,
      interval: '1m',
      // promtool wants at least one series.
      input_series: input({ up: 1, ...other }),
      alert_rule_test: [
        { eval_time: `${Math.max(40, minutesOf(given.for) + 10)}m`, alertname: alert, exp_alerts: [] },
      ],
    })),
  ];
};

t.test('each alert has a case in which it fires, and others in which it does not', async (t) => {
  t.same(Object.keys(firing), Object.keys(Object.fromEntries(alerts)));
  for (const [name, { quiet }] of Object.entries(firing)) t.ok(quiet.length > 0, name);
});

t.test('promtool: the rules are valid, and fire as they should', { skip }, async (t) => {
  const folder = t.testdir({ 'rules.yaml': plainRules() });
  const rules = join(folder, 'rules.yaml');
  t.match(promtool(['check', 'rules', '--lint=all', '--lint-fatal', rules]), {
    code: 0,
    said: `SUCCESS: ${alerts.length} rules found`,
  });
  // Each alone with its own tests: promtool evaluates all rules of a file each minute of each test.
  const all = parse(readFileSync(rules, 'utf8')) as Rules;
  const fileOf = (alert: string, tests: readonly object[]): string => {
    const own = all.groups.map((group) => ({
      ...group,
      rules: group.rules.filter((rule) => rule.alert === alert),
    }));
    writeFileSync(join(folder, `${alert}.rules.yaml`), stringify({ groups: own }));
    const file = join(folder, `${alert}.tests.yaml`);
    writeFileSync(file, stringify({ rule_files: [`${alert}.rules.yaml`], evaluation_interval: '1m', tests }));
    return file;
  };
  const files = alerts.map((one) => fileOf(one[0], testsOf(one)));
  const { code, said } = promtool(['test', 'rules', ...files]);
  t.equal(code, 0, said);
  t.equal(said.match(/SUCCESS/g)?.length, alerts.length);
  const [first] = alerts;
  if (first === undefined) throw new Error('there is no alert');
  const wrong = testsOf(first).map((one) => ({ ...one, input_series: input({ up: 1 }) }));
  t.not(promtool(['test', 'rules', fileOf(first[0], wrong)]).code, 0, 'what does not happen is a failure');
});

t.test('each alert has all that a person needs at night', async (t) => {
  const anchors = (path: string) =>
    [...proseOf(path).matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  const [ofAlerts, ofCodes] = [anchors('docs/alerts.md'), anchors('docs/troubleshooting.md')];
  for (const [name, alert] of alerts) {
    t.match(name, /^Rcm[A-Za-z]+$/);
    t.match(alert.severity, /^(critical|warning|info)$/, name);
    t.ok(minutesOf(alert.for) >= 5, `${name}: what one scrape shows, or a restart of a Pod, fires nothing`);
    for (const text of [alert.summary, alert.description]) t.match(text, /^[^\n]+\.$/, name);
    t.notMatch(alert.description, /\{\{/, name);
    t.ok(alert.runbook.length > 40, name);
    const [file, anchor] = runbookOf(name, alert, 'docs').split('#');
    if (alert.byCode) t.same([file, anchor], ['docs/troubleshooting.md', '{{ $labels.code }}'], name);
    else t.ok(file === 'docs/alerts.md' && ofAlerts.includes(anchor ?? ''), name);
    t.ok(ofAlerts.includes(name.toLowerCase()), name);
  }
  for (const code of Object.keys(codes)) t.ok(ofCodes.includes(code), code);
});

t.test(
  'the objects of the operator have the same groups, with links to where the documents are',
  async (t) => {
    const base = 'https://git.example.com/rcm-node/docs';
    for (const given of [[], [base]] as const) {
      const of = (name: 'nodes' | 'controller') =>
        (parse(operatorRules(name, ...given)) as { spec: { groups: unknown[] } }).spec.groups;
      const plain = parse(plainRules(...given)) as { groups: unknown[] };
      t.same([...of('nodes'), ...of('controller')], plain.groups);
    }
    const links = plainRules(base).match(/runbook_url: .*/g) ?? [];
    t.equal(links.length, alerts.length);
    for (const link of links) t.match(link, `runbook_url: ${base}/`);
  },
);
