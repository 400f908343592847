/** The node on which figures are taken, and the few looks at it that several of them share. */
import { renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../daemon/model/outcome.ts';
import type { Artifact } from '../vm-tests/node/artifact.ts';
import { callCri } from '../vm-tests/node/cri.ts';
import type { TestNode } from '../vm-tests/node/node.ts';

export const artifactsFolder = '/srv/artifacts';

/** Where the node finds an artifact: no byte of it crosses a network. */
export const addressOf = (artifact: Artifact): string =>
  `file://${artifactsFolder}/${artifact.path.slice(artifact.path.lastIndexOf('/') + 1)}`;

const shimToml = (name: string, artifact: Artifact): string => `name = "${name}"
[fetchStrategy.anonHttp]
location = "${addressOf(artifact)}"
sha256 = "${artifact.sha256}"
`;

/**
 * Asks for handlers: files appear in shims.d by rename, as a careful writer makes them. Returns the moment before the
 * first one did, by this process's clock.
 */
export const drop = (node: TestNode, wishes: Readonly<Record<string, Artifact>>): number => {
  const folder = node.hostPath('/etc/rcm-node/shims.d');
  for (const [name, artifact] of Object.entries(wishes))
    writeFileSync(`${folder}/.${name}`, shimToml(name, artifact));
  const from = performance.now();
  for (const name of Object.keys(wishes)) renameSync(`${folder}/.${name}`, `${folder}/${name}.toml`);
  return from;
};

/** What the last tick came to; undefined before the first. */
export const reportIn = async (node: TestNode): Promise<Report | undefined> => {
  const text = await readFile(node.hostPath('/run/rcm-node/status.json'), 'utf8').catch(() => '');
  return text === '' ? undefined : (JSON.parse(text) as Report);
};

/** Polls until `look` finds something; an error that quotes the node's journal when that takes too long. */
export const until = async <T>(
  node: TestNode,
  what: string,
  look: () => Promise<T | undefined>,
  { everyMs = 20, forMs = 90_000 } = {},
): Promise<T> => {
  const end = performance.now() + forMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) {
      const { stdout } = await node.exec(['journalctl', '--no-pager', '-n', '30', '-u', 'rcm-node.service']);
      throw new Error(`${what} did not happen within ${forMs / 1000} s\n${stdout}`);
    }
    await sleep(everyMs);
  }
};

/** The handlers that containerd 1.x tells of, in the JSON of its verbose status; none while it does not answer. */
export const servedBy = async (node: TestNode): Promise<readonly string[]> => {
  try {
    const { info } = await callCri<{ info: { config?: string } }>(
      node.criSocket,
      'Status',
      { verbose: true },
      2_000,
    );
    const config = JSON.parse(info.config ?? '{}') as { containerd?: { runtimes?: object } };
    return Object.keys(config.containerd?.runtimes ?? {});
  } catch {
    return [];
  }
};

/** How often systemd has started containerd since the node booted. */
export const startsOfContainerd = async (node: TestNode): Promise<number> => {
  const rows = await node.run(['journalctl', '-o', 'cat', '-u', 'containerd.service', '_PID=1']);
  return rows.split('\n').filter((row) => row.startsWith('Started containerd')).length;
};

const property = async (node: TestNode, name: string): Promise<number> =>
  Number(await node.run(['systemctl', 'show', '--value', '-p', name, 'rcm-node.service']));

/** Milliseconds of processor time that the service's whole cgroup has used: also what it started and waited for. */
export const processorMs = async (node: TestNode): Promise<number> =>
  (await property(node, 'CPUUsageNSec')) / 1e6;

/** Pss_Anon, in MB of 10^6 bytes: memory that is the service's own, unlike pages of its executable. */
export const memoryMb = async (node: TestNode): Promise<number> => {
  const rollup = await node.readFile(`/proc/${await property(node, 'MainPID')}/smaps_rollup`);
  return (Number(/^Pss_Anon:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? Number.NaN) * 1024) / 1e6;
};

/** Runs one tick now, and waits for its end. */
export const tick = async (node: TestNode): Promise<void> => {
  const before = (await reportIn(node))?.at;
  await node.run(['kill', '-HUP', String(await property(node, 'MainPID'))]);
  await until(node, 'a tick', async () => ((await reportIn(node))?.at === before ? undefined : true));
};
