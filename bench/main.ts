/**
 * `npm run bench`: the figures of docs/benchmarks.md, all of one run on this machine, and whether each is within its
 * limit. Exit codes: 0 all are, 1 one is not (or could not be had), 2 the bench cannot run here.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Progress } from '../testbed/machine/command.ts';
import { prepareMachineOrExit } from '../testbed/machine/machine.ts';
import { bootWithRcmNode } from '../testbed/node/service.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';
import { recordingNow, withSection } from './document.ts';
import { measureCluster } from './cluster/cluster.ts';
import { roundsOfAnHour } from './cluster/hour.ts';
import { measureFleet } from './fleet/fleet-memory.ts';
import { changed, measureChange, type Shims } from './node/change.ts';
import { measureDecision } from './node/decision.ts';
import { measureIdle } from './node/idle.ts';
import { measureOutage } from './node/outage.ts';
import { isMissed, type Row } from './row.ts';
import { measureRollout } from './rollout/rollout.ts';
import { measureStart } from './node/start.ts';
import { measureTimeline } from './node/timeline.ts';
import { executable } from '../testbed/node/install.ts';
import type { TestNode } from '../testbed/node/test-node.ts';
import { printMarkdown, printTable } from './table.ts';

const usage = `npm run bench [-- OPTIONS]

Measures what rcm-node costs a node, on two throwaway Debian 13 nodes (systemd, containerd 1.7), and what it costs a
cluster, with simulated nodes against a real API server and etcd: twelve and five minutes. Rollouts are by the real
controller; they and an hour of nothing take twenty minutes. Its memory with 15,000 Nodes takes twenty or more.

  --only PART  node, cluster, rollout or fleet
  --nodes N    so many simulated nodes; 1000 unless told, 5000 for the rollout, 15000 for the fleet
  --rounds N   for the fleet: how often each kubelet writes; 12 unless told, which is an hour
  --write      also into docs/benchmarks.md, each part in its place
  --markdown   the table as Markdown
  --json       the table as JSON
  --help       this text

Needs root on a Debian-family Linux on x86-64, and a machine without other work: times are times of this machine.
Exit codes: 0 every limit is kept, 1 one is not, 2 it cannot run here
`;

const document = join(import.meta.dirname, '..', 'docs', 'benchmarks.md');

type Format = 'table' | 'markdown' | 'json';

const print: Readonly<Record<Format, (rows: readonly Row[]) => string>> = {
  table: printTable,
  markdown: printMarkdown,
  json: (rows) =>
    `${JSON.stringify(
      rows.map((row) => ({ ...row, ok: !isMissed(row) })),
      null,
      2,
    )}\n`,
};

const onNodes = async (
  node: TestNode,
  other: TestNode,
  shims: Shims,
  progress: Progress,
): Promise<readonly Row[]> => {
  const rows: Row[] = [];
  await node.run(['systemctl', 'start', 'rcm-node.service']);
  progress('changes: until they are served, and the restarts they take');
  rows.push(...(await measureChange(node, shims)));
  progress('start of rcm-node status');
  const start = await measureStart(node);
  rows.push(...start.rows);
  progress('memory and processor time of the idle service; this takes seven minutes');
  rows.push(...(await measureIdle(node, other, changed(), shims.first, start.emptyProcessorMs)));
  await node.run(['systemctl', 'stop', 'rcm-node.service']);
  progress('CRI outage of restarts');
  // The proof's healthy seconds come after the outage that is measured here, and there are several to wait for.
  await node.writeFile('/etc/rcm-node/config.toml', 'stable = 1\n');
  rows.push(...(await measureOutage(node, shims.first)));
  progress('timeline of a change, also on a disk that is kept busy; this takes three minutes');
  rmSync(node.hostPath('/etc/rcm-node/shims.d'), { recursive: true });
  await node.run(['mkdir', '/etc/rcm-node/shims.d']);
  await node.run([executable, 'once', '--force']);
  rows.push(...(await measureTimeline(node, shims)));
  return rows;
};

const progress: Progress = (line) => process.stderr.write(`# ${line}\n`);

const benchNode = async (): Promise<readonly Row[]> => {
  progress('decide on a large node');
  const decision = measureDecision();
  const suite = 'trixie';
  const shims = {
    first: await makeStandInShim(suite, '1', progress),
    second: await makeStandInShim(suite, '2', progress),
  };
  const nodes: TestNode[] = [];
  // Settings as they are by default, and files where hosts have them.
  const boot = async (): Promise<TestNode> => {
    const node = await bootWithRcmNode(suite, { progress, settings: '# the defaults\n', onDisk: true });
    nodes.push(node);
    return node;
  };
  try {
    return [...(await onNodes(await boot(), await boot(), shims, progress)), ...decision];
  } finally {
    for (const node of nodes) await node.stop();
  }
};

const parts = ['node', 'cluster', 'rollout', 'fleet'] as const;
type Part = (typeof parts)[number];

/** So many simulated nodes unless told. */
const usual = { cluster: 1_000, rollout: 5_000, fleet: 15_000 } as const;

const isPart = (name: string): name is Part => parts.some((one) => one === name);

const parse = (argv: readonly string[]) => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      nodes: { type: 'string' },
      rounds: { type: 'string' },
      write: { type: 'boolean' },
      markdown: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    strict: true,
  });
  const { only, nodes, rounds } = values;
  if (only !== undefined && !isPart(only)) throw new Usage(`there is no part "${only}"`);
  if (nodes !== undefined && (!/^[1-9][0-9]{0,4}$/.test(nodes) || Number(nodes) < 20))
    throw new Usage('--nodes wants a number of at least 20');
  if (rounds !== undefined && !/^[1-9][0-9]?$/.test(rounds))
    throw new Usage('--rounds wants a number from 1 to 99');
  return {
    ...values,
    wanted: only === undefined ? parts : [only],
    nodes: nodes === undefined ? undefined : Number(nodes),
    rounds: rounds === undefined ? roundsOfAnHour : Number(rounds),
  };
};

class Usage extends Error {}

const measure: Readonly<
  Record<Part, (nodes: number | undefined, rounds: number) => Promise<readonly Row[]>>
> = {
  node: benchNode,
  cluster: (nodes = usual.cluster) => measureCluster(nodes, progress),
  rollout: (nodes = usual.rollout) => measureRollout(nodes, progress),
  fleet: (nodes = usual.fleet, rounds) => measureFleet(nodes, rounds, progress),
};

const bench = async ({ wanted, nodes, rounds, write, ...how }: ReturnType<typeof parse>): Promise<number> => {
  await prepareMachineOrExit(progress);
  const rows: Row[] = [];
  for (const part of wanted) {
    const own = await measure[part](nodes, rounds);
    rows.push(...own);
    // At once: a later part may fail, and this one took minutes.
    if (write)
      writeFileSync(
        document,
        withSection(readFileSync(document, 'utf8'), part, own, recordingNow(new Date())),
      );
  }
  process.stdout.write(print[how.json ? 'json' : how.markdown ? 'markdown' : 'table'](rows));
  return rows.some(isMissed) ? 1 : 0;
};

const main = async (argv: readonly string[]): Promise<number> => {
  try {
    const given = parse(argv);
    if (given.help) {
      process.stdout.write(usage);
      return 0;
    }
    return await bench(given);
  } catch (error) {
    const isUsage =
      error instanceof Usage ||
      (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'));
    process.stderr.write(
      `${error instanceof Error ? error.message : String(error)}\n${isUsage ? `\n${usage}` : ''}`,
    );
    return isUsage ? 2 : 1;
  }
};

process.exitCode = await main(process.argv.slice(2));
