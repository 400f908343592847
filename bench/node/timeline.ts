/**
 * Where the time of a change goes, by the service's own journal; and what the same change takes while another program keeps the
 * disk busy. Each change has an artifact that is not in the store, and one restart.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { restartContainerd } from '../../testbed/node/containerd.ts';
import { untilServing } from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { median, type Row } from '../row.ts';
import type { Shims } from './change.ts';
import { drop, servedBy, until } from './site.ts';

/** What the journal says, by what it is the begin of; in this order. */
const marks: readonly (readonly [RegExp, string])[] = [
  [/^looking, before/, 'it looks'],
  [/^fetch /, 'copies and unpacks the artifact'],
  [/^prepared$/, 'waits for the end of the burst'],
  [/^looking$/, 'looks again'],
  [/^plan: wait/, 'looks whether a container is being created'],
  [/^step \d+ of \d+: (link|folder|write)$/, 'writes'],
  [/^step \d+ of \d+: activate$/, 'notes the restart'],
  [/^restarting /, 'asks for the restart'],
  [/^step \d+ of \d+: prove$/, 'proves it'],
];

export type Line = { readonly atMs: number; readonly message: string };

/** The first line of each kind after the one before, in ms since `fromMs`; a kind that did not come is left out. */
export const timelineOf = (
  lines: readonly Line[],
  fromMs: number,
): readonly (readonly [number, string])[] => {
  const found: (readonly [number, string])[] = [];
  let rest = lines.filter(({ atMs }) => atMs >= fromMs);
  for (const [pattern, what] of marks) {
    const index = rest.findIndex(({ message }) => pattern.test(message));
    const line = rest[index];
    if (line === undefined) continue;
    found.push([line.atMs - fromMs, what]);
    rest = rest.slice(index);
  }
  return found;
};

const isFields = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** One object a line: of journald, and in its message of the service. */
export const linesOf = (journal: string): readonly Line[] =>
  journal.split('\n').flatMap((text) => {
    if (!text.startsWith('{')) return [];
    const entry: unknown = JSON.parse(text);
    if (!isFields(entry) || typeof entry.MESSAGE !== 'string' || !entry.MESSAGE.startsWith('{')) return [];
    const said: unknown = JSON.parse(entry.MESSAGE);
    const message = isFields(said) ? String(said.message) : '';
    return [{ atMs: Number(entry.__REALTIME_TIMESTAMP) / 1000, message }];
  });

const shimFile = (name: string): string => `/etc/rcm-node/shims.d/${name}.toml`;

const journalSince = async (node: TestNode, ms: number): Promise<readonly Line[]> => {
  await node.run(['journalctl', '--sync']);
  const since = `--since=@${Math.floor(ms / 1000)}`;
  return linesOf(await node.run(['journalctl', '-u', 'rcm-node', '-o', 'json', '--no-pager', since]));
};

type Change = { readonly ms: number; readonly timeline: readonly (readonly [number, string])[] };

/** A change that comes soon after another waits longer for the end of its burst. */
const apartMs = 12_000;

const change = async (node: TestNode, name: string, artifact: Artifact): Promise<Change> => {
  await sleep(apartMs);
  const from = drop(node, { [name]: artifact });
  const wall = performance.timeOrigin + from;
  await until(
    node,
    `serving ${name}`,
    async () => ((await servedBy(node)).includes(name) ? true : undefined),
    {
      everyMs: 5,
    },
  );
  const ms = performance.now() - from;
  await untilServing(node, [name], 120_000);
  const timeline = timelineOf(await journalSince(node, wall), wall);
  rmSync(node.hostPath(shimFile(name)));
  await untilServing(node, [], 120_000);
  return { ms, timeline };
};

const rounds = 3;

const several = async (
  node: TestNode,
  name: string,
  { first, second }: Shims,
): Promise<readonly Change[]> => {
  const changes: Change[] = [];
  for (let round = 0; round < rounds; round += 1)
    changes.push(await change(node, `${name}${round}`, round % 2 === 0 ? first : second));
  return changes.sort((a, b) => a.ms - b.ms);
};

const bareRestarts = async (node: TestNode): Promise<number> => {
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const from = performance.now();
    await restartContainerd(node);
    times.push(performance.now() - from);
  }
  return median(times);
};

const writer = 'while :; do dd if=/dev/zero of=/var/lib/busy bs=1M count=32 conv=fsync; done';

/** The service does not run, and nothing is asked for. */
export const measureTimeline = async (node: TestNode, shims: Shims): Promise<readonly Row[]> => {
  const settings = 'logLevel = "debug"\nstable = 1\nrestartsPerHour = 60\n';
  await node.writeFile('/etc/rcm-node/config.toml', settings);
  await node.run(['systemctl', 'start', 'rcm-node.service']);
  await untilServing(node, []);
  const calm = await several(node, 'calm', shims);
  const usual = calm[Math.floor(rounds / 2)];
  await node.run(['systemd-run', '--unit=busy', '--collect', 'sh', '-c', writer]);
  try {
    const bare = await bareRestarts(node);
    const busy = median((await several(node, 'busy', shims)).map(({ ms }) => ms));
    return [
      {
        what: 'timeline of a change',
        value: usual?.ms ?? Number.NaN,
        unit: 'ms',
        how: `the median of ${rounds}, each with an artifact that is not in the store; after so many milliseconds: ${(usual?.timeline ?? []).map(([ms, what]) => `${Math.round(ms)} ${what}`).join(', ')}`,
      },
      {
        what: 'change to served, on a disk that is kept busy',
        value: busy,
        unit: 'ms',
        how: `median of ${rounds}, while a program writes and syncs 32 MB again and again; a bare restart takes ${Math.round(bare)} ms then`,
      },
      {
        what: 'the same, against a change on a calm disk',
        value: busy / (usual?.ms ?? Number.NaN),
        unit: 'ratio',
        how: 'medians of the two above',
      },
    ];
  } finally {
    await node.run(['systemctl', 'stop', 'busy.service']);
  }
};
