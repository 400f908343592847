/** What a change costs: the time until it is served and proven, and how often containerd is restarted for it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { restartContainerd } from '../../testbed/node/containerd.ts';
import { startsOf } from '../../testbed/node/service.ts';
import { median, type Row } from '../row.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { drop, reportIn, servedBy, until } from './site.ts';

export type Shims = { readonly first: Artifact; readonly second: Artifact };

/** A change that comes right after another waits a little longer, lest it belong to the same burst; a lone one is meant. */
const apart = (): Promise<void> => sleep(12_000);

const isProven = async (
  node: TestNode,
  names: readonly string[],
  digest: string,
): Promise<true | undefined> => {
  const report = await reportIn(node);
  const served = new Set(
    report?.handlers.flatMap((one) => (one.state === 'served' && one.sha256 === digest ? [one.name] : [])),
  );
  return names.every((name) => served.has(name)) ? true : undefined;
};

type Served = { readonly servedMs: number; readonly provenMs: number; readonly restarts: number };

const change = async (node: TestNode, names: readonly string[], artifact: Artifact): Promise<Served> => {
  await apart();
  const before = await startsOf(node);
  const from = drop(node, Object.fromEntries(names.map((name) => [name, artifact])));
  await until(node, `serving ${names.join(', ')}`, async () => {
    const served = await servedBy(node);
    return names.every((name) => served.includes(name)) ? true : undefined;
  });
  const servedMs = performance.now() - from;
  await until(node, `the proof of ${names.join(', ')}`, () => isProven(node, names, artifact.sha256));
  const provenMs = performance.now() - from;
  return { servedMs, provenMs, restarts: (await startsOf(node)) - before };
};

const bareRestart = async (node: TestNode): Promise<number> => {
  const from = performance.now();
  await restartContainerd(node);
  return performance.now() - from;
};

/** All that is served in the end. */
export const changed = (): readonly string[] => ['one', 'other', ...ten];

const ten = Array.from({ length: 10 }, (_, at) => `many${at}`);

/** The service runs, with settings as they are by default, and serves nothing yet. */
export const measureChange = async (node: TestNode, shims: Shims): Promise<readonly Row[]> => {
  const bare: number[] = [];
  for (let round = 0; round < 5; round += 1) bare.push(await bareRestart(node));
  const one = await change(node, ['one'], shims.first);
  const update = await change(node, ['one'], shims.second);
  const all = await change(node, ten, shims.first);
  const other = await change(node, ['other'], shims.second);
  const served = median([one.servedMs, other.servedMs]);
  const restart = median(bare);
  const how = `from the rename of the file in shims.d, the artifact already on the node's disk; mean of two changes`;
  return [
    {
      what: 'change to served',
      value: served / 1000,
      unit: 's',
      limit: 0.5,
      how: `${how}; until CRI tells of the handler`,
    },
    {
      what: 'change to served, against a bare restart',
      value: served / restart,
      unit: 'ratio',
      how: `systemctl restart containerd until CRI answers takes ${Math.round(restart)} ms here, median of ${bare.length}`,
    },
    {
      what: 'change to proven',
      value: median([one.provenMs, other.provenMs]) / 1000,
      unit: 's',
      how: `${how}; until status.json says so, with 6 s in which the runtime has to stay healthy`,
    },
    ...[
      { what: '1 change', value: one.restarts, limit: 1 },
      { what: '10 changes at once', value: all.restarts, limit: 1 },
      { what: 'an update of a shim', value: update.restarts, limit: 0 },
    ].map((row) => ({
      ...row,
      what: `restarts of containerd for ${row.what}`,
      unit: 'count' as const,
      how: 'starts of its unit in the journal',
    })),
  ];
};
