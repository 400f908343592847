/** The node on which figures are taken, and the few looks at it that several of them share. */
import { renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../../daemon/model/outcome.ts';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { handlersOverCri, journalOf, shimToml } from '../../testbed/node/service.ts';

/**
 * Asks for handlers: files appear in shims.d by rename, as a careful writer makes them. Returns the moment before the
 * first one did, by this process's clock.
 */
export const drop = (node: TestNode, shims: Readonly<Record<string, Artifact>>): number => {
  const folder = node.hostPath('/etc/rcm-node/shims.d');
  for (const [name, artifact] of Object.entries(shims))
    writeFileSync(`${folder}/.${name}`, shimToml(name, artifact));
  const from = performance.now();
  for (const name of Object.keys(shims)) renameSync(`${folder}/.${name}`, `${folder}/${name}.toml`);
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
      throw new Error(`${what} did not happen within ${forMs / 1000} s\n${await journalOf(node)}`);
    }
    await sleep(everyMs);
  }
};

/** What CRI tells of, seen from outside; nothing while it does not answer. */
export const servedBy = (node: TestNode): Promise<readonly string[]> => handlersOverCri(node).catch(() => []);

const service = 'rcm-node.service';

const property = async (node: TestNode, name: string, unit: string): Promise<number> =>
  Number(await node.run(['systemctl', 'show', '--value', '-p', name, unit]));

/** Milliseconds of processor time that the unit's whole cgroup has used: also what it started and waited for. */
export const processorMs = async (node: TestNode, unit = service): Promise<number> =>
  (await property(node, 'CPUUsageNSec', unit)) / 1e6;

/** Pss_Anon, in MB of 10^6 bytes: memory that is the service's own, unlike pages of its executable. */
export const memoryMb = async (node: TestNode): Promise<number> => {
  const rollup = await node.readFile(`/proc/${await property(node, 'MainPID', service)}/smaps_rollup`);
  return (Number(/^Pss_Anon:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? Number.NaN) * 1024) / 1e6;
};
