/** node_exporter reads the file that a node writes, beside a folder that another program has. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { publish } from '../../../daemon/reconcile/report.ts';
import { nothing } from '../../../daemon/model/desired.ts';
import { built, missing } from '../../../testbed/prometheus/programs.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';
import { observed } from '../../../testbed/simulated/bare-host.ts';
import { until } from '../../../testbed/until.ts';
import { blocksOf } from '../../documents/documents.ts';

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });

/** By name and labels; numbers, as each writes them in its own way. */
const samplesOf = (text: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    [...text.matchAll(/^((?:rcm|node_textfile)_\S+) (\S+)$/gm)].map(([, name, value]) => [
      name,
      Number(value),
    ]),
  );

t.test('with the option that the document shows', { skip: missing('node_exporter') }, async (t) => {
  const root = t.testdir({ run: { 'rcm-node': {} }, other: { 'metrics.prom': 'a_number 1\n' } });
  const { host } = bareRoot(root);
  await publish(
    host,
    {
      outcome: { kind: 'degraded', problems: [{ code: 'bad-toml', message: 'odd' }] },
      decision: {
        plan: { kind: 'settled' },
        handlers: [{ name: 'spin', state: 'served', source: '/f' }],
        notes: [],
      },
      ...{ before: observed, desired: nothing, did: [], ledger: observed.ledger },
    },
    undefined,
  );
  const shown = blocksOf('docs/monitoring.md').flatMap(
    ({ body }) => body.match(/--collector\S*\/run\/rcm-node/g) ?? [],
  );
  t.equal(shown.length, 3);
  const option = `${shown[0]}`.replace('/run/', `${root}/run/`);
  const listen = `127.0.0.1:${await freePort()}`;
  const program = spawn(
    built('node_exporter') ?? '',
    [
      ...['--collector.disable-defaults', '--collector.textfile', `--web.listen-address=${listen}`],
      ...[`--collector.textfile.directory=${join(root, 'other')}`, option],
    ],
    { stdio: 'ignore' },
  );
  t.teardown(() => program.kill());
  const ask = async (): Promise<string> => (await fetch(`http://${listen}/metrics`)).text();
  await until(() =>
    ask().then(
      (text) => text.includes('node_textfile_scrape_error'),
      () => false,
    ),
  );
  const text = await ask();
  const ours = samplesOf(readFileSync(join(root, 'run/rcm-node/metrics.prom'), 'utf8'));
  t.ok(Object.keys(ours).length > 10);
  t.match(samplesOf(text), { ...ours, node_textfile_scrape_error: 0 });
  t.match(text, 'a_number 1\n', 'what the other folder has');
  for (const [, help = ''] of text.matchAll(/^# HELP rcm_\w+ (.*)$/gm)) t.notMatch(help, 'Metric read from');
  writeFileSync(join(root, 'run/rcm-node/metrics.prom'), 'broken {');
  t.match(samplesOf(await ask()), { node_textfile_scrape_error: 1 }, 'what it cannot read, it says');
});
