/**
 * rcm-node on a node, as its admin uses it: the command line, the journal, the files under /etc. What waits here polls,
 * and shows the node's journal when it waited in vain.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectCri } from '../../host/cri/cri.ts';
import type { Report } from '../../daemon/model/outcome.ts';
import type { Artifact } from '../artifacts/artifact.ts';
import { builtExecutable } from '../artifacts/build.ts';
import { type Progress, run, type Said } from '../machine/command.ts';
import { bundlesDir, type Suite } from '../artifacts/images.ts';
import { executable, installRcmNode } from './install.ts';
import type { AnyNode, TestNode } from './test-node.ts';
import { bootNode, type NodeOptions } from './node.ts';

const artifactsAt = '/srv/artifacts';

/** Puts artifacts in reach of a node; some must have been made before it boots. */
export const artifactBinds = () => ({ [artifactsAt]: { from: bundlesDir(), readOnly: true } });

export type Prepared = Omit<NodeOptions, 'suite'> & {
  readonly progress: Progress;
  /** The folder with the executable; built for this architecture unless told. */
  readonly from?: string;
  /** Lines for /etc/rcm-node/config.toml; a short interval unless told. */
  readonly settings?: string;
};

/** A node on which rcm-node lies ready, its service not yet started, with artifacts in reach. */
export const bootWithRcmNode = async (suite: Suite, options: Prepared): Promise<TestNode> => {
  const from = options.from ?? (await builtExecutable(options.progress));
  const node = await bootNode({
    ...options,
    suite,
    binds: { ...artifactBinds(), ...options.binds },
  });
  try {
    await installRcmNode(node, { from });
    await node.writeFile('/etc/rcm-node/config.toml', options.settings ?? 'interval = 5\n');
    await node.run(['mkdir', '-p', '/etc/rcm-node/shims.d']);
  } catch (error) {
    await node.stop();
    throw error;
  }
  return node;
};

/** Where the node finds what lies at `path` in the cache. */
export const locationOf = (artifact: Artifact): string =>
  `file://${artifactsAt}/${artifact.path.slice(artifact.path.lastIndexOf('/') + 1)}`;

/** A local file that asks for a shim, as an admin writes it. */
export const shimToml = (name: string, artifact: Artifact): string => `name = "${name}"
[fetchStrategy.anonHttp]
location = "${locationOf(artifact)}"
sha256 = "${artifact.sha256}"
`;

export const shimFilePath = (name: string): string => `/etc/rcm-node/shims.d/${name}.toml`;

export const writeShim = (node: AnyNode, name: string, artifact: Artifact): Promise<void> =>
  node.writeFile(shimFilePath(name), shimToml(name, artifact));

/** Runs `rcm-node` in the node; never rejects for an exit code. */
export const rcmNode = (node: AnyNode, ...argv: readonly string[]): Promise<Said> =>
  node.exec([executable, ...argv], { timeoutMs: 300_000 });

/** For what is only read: a node that does not answer is told of long before the file with the test ends. */
const lookMs = 120_000;

/** What the service said of its last tick; undefined before the first. */
export const reportOf = async (node: AnyNode): Promise<Report | undefined> => {
  const text = (await node.exec(['cat', '/run/rcm-node/status.json'], { timeoutMs: lookMs })).stdout;
  return text.includes('"outcome"') ? (JSON.parse(text) as Report) : undefined;
};

/** The newest lines of a unit's journal; containerd's can have thousands of characters. */
export const journalOf = async (node: AnyNode, unit = 'rcm-node', lines = 60): Promise<string> => {
  const argv = ['journalctl', '-b', '-u', unit, '--no-pager', '-o', 'short-precise', '-n', `${lines}`];
  return (await node.exec(argv, { timeoutMs: lookMs })).stdout.replace(/^(.{600}).+$/gm, '$1…');
};

/** Polls until `look` returns something other than undefined or false. */
export const until = async <T>(
  node: AnyNode,
  what: string,
  look: () => Promise<T | undefined | false>,
  ms = 60_000,
): Promise<T> => {
  const end = performance.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) {
      const status = await node.exec([executable, 'status'], { timeoutMs: lookMs });
      throw new Error(
        `not within ${ms / 1000} s: ${what}\n${status.stdout}${status.stderr}\n${await journalOf(node)}\n${await journalOf(node, node.unit, 8)}`,
      );
    }
    await sleep(200);
  }
};

/** Waits for a tick of the service whose report fits. */
export const untilReport = (
  node: AnyNode,
  what: string,
  fits: (report: Report) => boolean,
  ms?: number,
): Promise<Report> =>
  until(
    node,
    what,
    async () => {
      const report = await reportOf(node);
      return report !== undefined && fits(report) && report;
    },
    ms,
  );

export const served = (report: Report): readonly string[] =>
  report.handlers.filter((one) => one.state === 'served').map((one) => one.name);

/** Waits until the service serves exactly these, with nothing left to do. */
export const untilServing = (node: AnyNode, names: readonly string[], ms?: number): Promise<Report> =>
  untilReport(
    node,
    `serving ${names.join(', ') || 'nothing'}`,
    (report) => report.outcome.kind === 'converged' && served(report).join() === [...names].sort().join(),
    ms,
  );

/** Asked from outside over CRI; sorted, the default handler's empty name left out. */
export const handlersOverCri = async (node: AnyNode): Promise<readonly string[]> => {
  const cri = connectCri(node.criSocket, { deadlineMs: 10_000 });
  try {
    const { handlers } = await cri.status();
    if (handlers === 'unknown') throw new Error('the runtime does not tell its handlers');
    return [...handlers].sort();
  } finally {
    cri.close();
  }
};

/** SD_MESSAGE_UNIT_STARTING: one for every start that systemd tried in this boot, by whomever it was asked for. */
const starting = '7d4958e842da4a758f6c1cdc7b36dcc5';

export const startsOf = async (node: AnyNode, unit = node.unit): Promise<number> => {
  // What systemd says travels to the journal by a socket.
  await node.run(['journalctl', '--sync']);
  const said = await node.exec([
    'journalctl',
    '-b',
    '--no-pager',
    '-q',
    '-o',
    'cat',
    `MESSAGE_ID=${starting}`,
    `UNIT=${unit}`,
  ]);
  return said.stdout.split('\n').filter((line) => line !== '').length;
};

/**
 * As though the restarts of the runtime so far had been an hour ago: the fourth within an hour waits for a minute, and each
 * further one for longer. For a node that has nothing under way.
 */
export const forgetRestarts = async (node: TestNode): Promise<void> => {
  const path = '/var/lib/rcm-node/ledger.json';
  await node.run(['systemctl', 'stop', 'rcm-node']);
  const ledger = JSON.parse(await node.readFile(path)) as { readonly restarts: readonly number[] };
  await node.writeFile(path, JSON.stringify({ ...ledger, restarts: [] }), 0o600);
  await node.run(['systemctl', 'start', 'rcm-node']);
};

/**
 * Everything that an uninstall has to leave as it was: kind, mode, owner, link target, number of hard links, ACL, extended
 * attributes and digest of all below /etc, and what lies in our own folders. Settings and local files are the admin's, who may
 * change them at any time.
 */
export const census = async (node: TestNode): Promise<string> => {
  const script = `
find /etc /opt /usr/local /var/lib/rcm-node -xdev -path /etc/rcm-node -prune -o \\( -type f -printf '%y %m %U:%G %p %n\\n' -o -printf '%y %m %U:%G %p %l\\n' \\) 2>/dev/null | sort -k4
find /etc -xdev -path /etc/rcm-node -prune -o -type f -print0 | sort -z | xargs -0 sha256sum`;
  // By this machine's tools, a line for each file that has any: a node has no tools for them.
  const attributes = `
find etc -xdev -path etc/rcm-node -prune -o ! -type l -print0 | sort -z | xargs -0 sh -c '
  getfacl --numeric --skip-base "$@"
  getfattr --dump --match=- "$@"' sh | awk 'BEGIN { RS = "" } { gsub("\\n", " "); sub("# file: ", "attributes of /"); print }'`;
  return `${await node.run(['sh', '-c', script])}${await run(['sh', '-c', attributes], { cwd: node.hostPath('/') })}`;
};

/** Lines of one census that the other lacks, for a message that says what is wrong. */
export const censusDifference = (before: string, after: string): readonly string[] => {
  const [old, now] = [before, after].map((text) => new Set(text.split('\n')));
  return [
    ...[...(old ?? [])].filter((line) => !now?.has(line)).map((line) => `- ${line}`),
    ...[...(now ?? [])].filter((line) => !old?.has(line)).map((line) => `+ ${line}`),
  ];
};

/** The process id, in the node, of the shim that holds a sandbox, and the binary that it runs. */
export const shimOf = async (
  node: TestNode,
  sandbox: string,
): Promise<{ readonly pid: string; readonly exe: string }> => {
  const pid = (await node.run(['pgrep', '-o', '-f', '--', `-id ${sandbox}`])).trim();
  return { pid, exe: (await node.run(['readlink', `/proc/${pid}/exe`])).trim() };
};
