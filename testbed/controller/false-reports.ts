/** What a node may say and do that is not so, or nothing at all; all of it is about a Shim `spin`. */
import { zoneKey } from '../../controller/model/keys.ts';
import { approvedPrefix } from '../../protocol/node-labels.ts';
import type { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedNode } from './simulated-node.ts';

type Lie = (cluster: SimulatedCluster, node: SimulatedNode, step: number) => void;

/** As an honest node waits for its approval; `more` is added to its report. */
export const ask = (cluster: SimulatedCluster, node: SimulatedNode, more: object = {}): void => {
  const revision = cluster.shims.get('spin')?.deleting ? '-' : cluster.revision('spin');
  const entry = { s: revision === '-' ? 'removing' : 'pending', n: 'spin', a: revision, w: revision };
  cluster.say(node, { spin: { ...entry, p: 'rollout-pending', ...more } });
};
const claimToServe = (cluster: SimulatedCluster, node: SimulatedNode): void => {
  const isGoing = cluster.shims.get('spin')?.deleting === true;
  cluster.say(node, isGoing ? {} : { spin: { s: 'served', n: 'spin', r: cluster.revision('spin') } });
};
export const isIn = (node: SimulatedNode): boolean =>
  Object.keys(node.labels).some((key) => key.startsWith(approvedPrefix));

export const falseReports: Readonly<Record<string, Lie>> = {
  'asks, and never does anything': (cluster, node) => ask(cluster, node),
  'writes the approval that nodes could once write, for ever': (cluster, node) => {
    ask(cluster, node);
    const shims = { spin: cluster.shims.has('spin') ? cluster.revision('spin') : '-' };
    node.annotations['rcm.spinkube.dev/approved'] = JSON.stringify({ v: 1, until: '2099-01-01', shims });
  },
  'reports alternately that it serves and that it waits': (cluster, node, step) =>
    step % 2 === 0 ? ask(cluster, node) : claimToServe(cluster, node),
  'reports so just before its approval expires': (cluster, node, step) =>
    step % 14 === 13 ? claimToServe(cluster, node) : ask(cluster, node),
  'reports alternately that Pods use it': (cluster, node, step) =>
    step % 2 === 0 ? ask(cluster, node) : ask(cluster, node, { p: 'handler-in-use', w: undefined }),
  'is cordoned and away when its approval expires, and back afterwards': (cluster, node, step) => {
    ask(cluster, node);
    node.cordoned = node.ready === false || step % 15 > 13;
    node.ready = step % 15 < 14;
  },
  'changes its zone while it is approved': (cluster, node, step) => {
    ask(cluster, node);
    node.labels[zoneKey] = isIn(node) ? `z${step % 3}` : 'aaa';
  },
  'says at once that it serves, and its kubelet does not': (cluster, node) => claimToServe(cluster, node),
  'says that it failed': (cluster, node) =>
    ask(cluster, node, { s: 'failed', w: undefined, p: 'digest-mismatch' }),
  'reports a failure with a code of the controller': (cluster, node, step) =>
    step % 2 === 0 ? ask(cluster, node) : ask(cluster, node, { s: 'failed', w: undefined, p: 'node-away' }),
  'has a thousand Shims that are not there, others each time': (cluster, node, step) => {
    const many = Array.from({ length: 100 }, (_, index) => [
      `h-${step % 10}-${index}`,
      { s: 'removing', n: `made-up-${step % 10}-${index}`, r: 'x', w: '-' },
    ]);
    cluster.say(node, Object.fromEntries(many));
  },
  'writes more than any node does': (cluster, node) =>
    cluster.say(node, {}, 'Ready', { x: 'x'.repeat(200_000) }),
  'nests what it writes so deeply that a program that walks through it ends': (cluster, node) => {
    cluster.say(node, {});
    node.annotations['rcm.spinkube.dev/status'] = node.annotations['rcm.spinkube.dev/status']!.replace(
      '"0.2.0"',
      `${'['.repeat(7_000)}${']'.repeat(7_000)}`,
    );
  },
  'says nothing any more': () => undefined,
  'withdraws its report just before its approval expires': (cluster, node, step) => {
    if (step % 15 < 13) ask(cluster, node);
    else node.annotations = {};
  },
};
