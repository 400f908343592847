/** Nodes whose configuration has prepared handlers, for the tests beside it. */
import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Ticked } from '../../../daemon/reconcile/once.ts';
import { type Row, rows } from '../../../testbed/simulated/rows.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';

export const [oldest, newest] = rows as readonly [Row, Row, Row];
export const both = [oldest, newest];

export const settings = '/etc/rcm-node/config.toml';
export const prepares = (node: Node, ...names: readonly string[]): void =>
  node.write(settings, `[runtime]\nprepare = ${JSON.stringify(names)}\n`);
export const linkOf = (name: string): string => `/opt/rcm-node/shims/${name}/containerd-shim-${name}`;
/** It leads to a path of the host, which is none of the machine that the test runs on. */
export const isLinked = (node: Node, name: string): boolean =>
  lstatSync(join(node.root, linkOf(name)), { throwIfNoEntry: false }) !== undefined;
export const statesOf = ({ decision }: Ticked): Readonly<Record<string, string>> =>
  Object.fromEntries(decision.handlers.map(({ name, state }) => [name, state]));
export const restarts = (node: Node): number => node.fake.containerd.jobs.length;
export const remove = (node: Node, name: string): void => node.remove(`/etc/rcm-node/shims.d/${name}.toml`);

/** Pods run here; and a handler without its program starts none. */
export const nodeOf = (t: Test, { meta, main, text }: Row): Node => {
  const node = openNode(makeRoot(t), meta);
  node.write(main, text);
  node.fake.containerd.restartByOther();
  node.fake.containerd.sandboxes = [{ id: 'pod', handler: 'runc' }];
  node.fake.containerd.starts = (name) => (name === '' || isLinked(node, name) ? 'works' : 'refused');
  node.fake.containerd.jobs.length = 0;
  return node;
};

/** Prepared with a first change, as on a node that has Pods. */
export const prepared = async (t: Test, row: Row, ...names: readonly string[]): Promise<Node> => {
  const node = nodeOf(t, row);
  prepares(node, ...names);
  writeShim(node, 'first');
  await node.once();
  node.fake.containerd.jobs.length = 0;
  return node;
};
