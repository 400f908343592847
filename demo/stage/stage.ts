/** What every act of the demo works on, and the few ways in which it looks at the node. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectCri } from '../../host/cri/cri.ts';
import type { Report } from '../../daemon/model/outcome.ts';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import type { Said } from '../../testbed/machine/command.ts';
import type { WasmedgeBundle } from '../../testbed/artifacts/wasmedge.ts';
import { check, Disproved } from '../disproved.ts';
import { asTyped } from '../fit.ts';
import type { Screen } from '../screen.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import type { Snapshot } from './snapshot.ts';

export type Stage = {
  readonly node: TestNode;
  readonly screen: Screen;
  readonly bundles: readonly [WasmedgeBundle, WasmedgeBundle];
  /** Of a handler with which containerd will not start. */
  readonly breaking: Artifact;
  /** All of /etc before anything was asked for, but for /etc/rcm-node. */
  readonly before: Snapshot;
  /** What was measured, for the summary. */
  readonly figures: [what: string, value: string][];
};

const path = '/opt/rcm-node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs a program in the node and shows the command and all it said; another exit code than `code` disproves. */
export const show = async (stage: Stage, argv: readonly string[], code = 0): Promise<Said> => {
  const { node, screen } = stage;
  screen.command(asTyped(argv));
  const colours = screen.coloured ? { SYSTEMD_COLORS: '1', SYSTEMD_URLIFY: '0' } : {};
  const said = await screen.during(argv.slice(0, 2).join(' '), () =>
    node.exec(argv, { env: { PATH: path, ...colours }, timeoutMs: 120_000 }),
  );
  screen.output(`${said.stderr}${said.stdout}`);
  check(said.code === code, `exit code ${code} of: ${asTyped(argv)}`, `${said.code}: ${said.stderr}`);
  return said;
};

/** Properties of containerd's unit, shown. Two runs of it never have the same InvocationID. */
export const showContainerd = async (stage: Stage): Promise<string> =>
  (await show(stage, ['systemctl', 'show', 'containerd.service', '-p', 'InvocationID,MainPID,ActiveState']))
    .stdout;

/** How often systemd started containerd since the node booted, from the journal: systemd.journal-fields(7). */
export const startsOfContainerd = async ({ node }: Stage): Promise<number> => {
  const message = 'MESSAGE_ID=39f53479d3a045ac8e11786248231fbf'; // "a unit was started"
  const lines = await node.run(['journalctl', '-q', '-o', 'cat', 'UNIT=containerd.service', message]);
  return lines.split('\n').filter((line) => line !== '').length;
};

export const servedHandlers = async ({ node }: Stage): Promise<readonly string[] | 'unknown'> => {
  const cri = connectCri(node.criSocket, { deadlineMs: 5_000 });
  try {
    return (await cri.status()).handlers;
  } finally {
    cri.close();
  }
};

/** What the service last reported; undefined before its first tick. */
export const readReport = ({ node }: Stage): Report | undefined => {
  try {
    return JSON.parse(readFileSync(node.hostPath('/run/rcm-node/status.json'), 'utf8')) as Report;
  } catch {
    return undefined;
  }
};

/** Whether all that is asked for is served; throws `Disproved` when rcm-node reports that it cannot be. */
export const isConverged = (stage: Stage): boolean => {
  const report = readReport(stage);
  const kind = report?.outcome.kind;
  if (kind === 'failed' || kind === 'refused' || kind === 'degraded')
    throw new Disproved('rcm-node to bring what is asked for', report?.outcome);
  return kind === 'converged';
};

/** Waits until `wanted` is true, looking often; gives up after `seconds` and tells what `seen` says then. */
export const until = async (
  expected: string,
  seconds: number,
  wanted: () => boolean | Promise<boolean>,
  seen: () => unknown,
): Promise<void> => {
  const end = performance.now() + seconds * 1000;
  while (!(await wanted())) {
    if (performance.now() > end) throw new Disproved(`${expected} within ${seconds} s`, seen());
    await sleep(50);
  }
};

/** Folders of the store: one for each version of an artifact that is in service or still needed. */
export const storeKeys = async ({ node }: Stage): Promise<readonly string[]> =>
  (await node.run(['ls', '/opt/rcm-node/store'])).split('\n').filter(Boolean);
