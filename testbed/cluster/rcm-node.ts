/** rcm-node on the nodes of a cluster: what it brings there, and what it says on the Node object. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtDist, builtExecutable } from '../artifacts/build.ts';
import type { Progress } from '../machine/command.ts';
import { installRcmNode } from '../node/install.ts';
import { importImage, ociImage } from '../artifacts/oci.ts';
import { program } from '../artifacts/program.ts';
import { artifactBinds } from '../node/service.ts';
import type { Cluster } from './cluster.ts';
import type { ClusterNode, JoinOptions, NodeObject } from './join.ts';
import type { TestNode } from '../node/test-node.ts';
import { bootstrapFolder } from './manifests.ts';

const imageAt = '/srv/image';

/** Artifacts and the image of rcm-node in reach of a node that joins. */
export const nodeBinds = async (progress: Progress): Promise<NonNullable<JoinOptions['binds']>> => ({
  ...artifactBinds(),
  [imageAt]: { from: join(await builtDist(progress), 'image'), readOnly: true },
});

/**
 * Of the container that stays, as a runtime knows what is named by tag and digest: by the digest alone. What is imported under
 * this name has another one; no runtime computes it again for an image that it has.
 */
const pauseName = (): string => {
  const text = readFileSync(join(bootstrapFolder, 'manifests', 'daemonset.yaml'), 'utf8');
  const [, name, digest] = /image: (\S+\/pause):\S+(@sha256:\S+)/.exec(text) ?? [];
  if (name === undefined || digest === undefined) throw new Error('the DaemonSet has no pause image');
  return `${name}${digest}`;
};

/** The images of the DaemonSet, which no registry has for these nodes. */
export const importBootstrap = async (node: TestNode): Promise<void> => {
  await importImage(node, ociImage(pauseName(), { pause: program('', 'wait') }, ['/pause']));
  await node.run(['sh', '-c', `ctr -n k8s.io images import ${imageAt}/rcm-node-*.tar`]);
};

/** The definition of Shim, and the right to read Shims: what `bootstrap/` brings beside the DaemonSet. */
export const admitShims = async (cluster: Cluster): Promise<void> => {
  for (const file of ['crd/shims.yaml', 'manifests/shims-access.yaml'])
    await cluster.kubectl(['apply', '-f', join(bootstrapFolder, file)]);
};

/** Where no controller runs a node would wait for minutes with what restarts its runtime. */
export const atOnce = '[cluster]\nspread = 0\n';

export const actAtOnce = async (node: TestNode): Promise<void> => {
  await node.run(['mkdir', '-p', '/etc/rcm-node']);
  await node.writeFile('/etc/rcm-node/config.toml', atOnce);
};

/** The service without the DaemonSet, which has tests of its own; `more` are lines of its settings. */
export const startRcmNode = async (node: ClusterNode, progress: Progress, more = ''): Promise<void> => {
  await installRcmNode(node.host, { from: await builtExecutable(progress) });
  await node.host.writeFile('/etc/rcm-node/config.toml', `interval = 5\n${atOnce}${more}`);
  await node.host.run(['mkdir', '-p', '/etc/rcm-node/shims.d']);
  await node.host.run(['systemctl', 'enable', '--now', 'rcm-node']);
};

/** Annotations and labels of ours; the label that tests give their nodes is not. */
export const marksOf = ({ metadata }: NodeObject): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries({ ...metadata.labels, ...metadata.annotations }).filter(([key]) =>
      /^(\w+\.)?rcm\.spinkube\.dev\//.test(key),
    ),
  );

export const untilMarked = (
  cluster: Cluster,
  node: ClusterNode,
  what: string,
  fits: (marks: Readonly<Record<string, string>>) => boolean,
  timeoutMs?: number,
): Promise<Readonly<Record<string, string>>> =>
  cluster.waitFor(
    `${node.name} says ${what}`,
    async () => {
      const marks = marksOf(await node.object());
      return fits(marks) && marks;
    },
    timeoutMs === undefined ? {} : { timeoutMs },
  );

/** Handlers that the Node claims to serve, by its labels. */
export const servedByLabel = (marks: Readonly<Record<string, string>>): readonly string[] =>
  Object.keys(marks)
    .filter((key) => key.startsWith('shim.rcm.spinkube.dev/'))
    .map((key) => key.slice(key.indexOf('/') + 1))
    .sort();

/** Waits until the Node says that it serves exactly these, with nothing left to do. */
export const untilReady = (
  cluster: Cluster,
  node: ClusterNode,
  names: readonly string[],
  timeoutMs?: number,
): Promise<Readonly<Record<string, string>>> =>
  untilMarked(
    cluster,
    node,
    `that it serves ${names.join(', ') || 'nothing'}`,
    (marks) =>
      marks['rcm.spinkube.dev/state'] === 'Ready' && servedByLabel(marks).join() === [...names].sort().join(),
    timeoutMs,
  );

/** The process id of the service; another one after each start. */
export const servicePid = async (node: TestNode): Promise<string> =>
  (await node.run(['systemctl', 'show', '--value', '-p', 'MainPID', 'rcm-node.service'])).trim();
