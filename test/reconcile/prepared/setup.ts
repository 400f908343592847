/** Nodes whose configuration has prepared handlers, for the tests beside it. */
import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { standInLink } from '../../../daemon/decide/handlers/stand-in.ts';
import type { Ticked } from '../../../daemon/reconcile/once.ts';
import { type Row, rows } from '../../../testbed/simulated/rows.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';

export const [oldest, newest, crio] = rows as readonly [Row, Row, Row];

export const settings = '/etc/rcm-node/config.toml';
/** CRI-O serves OCI runtimes only. */
const entryOf = ({ runtime }: Node, handler: string): string =>
  runtime === 'crio'
    ? `{ handler = "${handler}", runtime = { type = "oci", binary = "crun" } }`
    : JSON.stringify(handler);
export const prepares = (node: Node, ...names: readonly string[]): void =>
  node.write(settings, `[runtime]\nprepare = [${names.map((name) => entryOf(node, name)).join(', ')}]\n`);
/** Whether a program of a shim is there. The link leads to a path of the host, which is none of the machine that the test runs on. */
export const isLinked = (node: Node, name: string): boolean => {
  const binary = node.runtime === 'crio' ? 'crun' : `containerd-shim-${name}`;
  const path = join(node.root, `/opt/rcm-node/shims/${name}/${binary}`);
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined && readlinkSync(path) !== standInLink;
};
export const statesOf = ({ decision }: Pick<Ticked, 'decision'>): Readonly<Record<string, string>> =>
  Object.fromEntries(decision.handlers.map(({ name, state }) => [name, state]));
export const restarts = (node: Node): number => node.fake.containerd.jobs.length;
export const remove = (node: Node, name: string): void => node.remove(`/etc/rcm-node/shims.d/${name}.toml`);

/** Pods run here; and a handler without its program starts none. */
export const nodeOf = (t: Test, { meta, main, text, usual }: Row): Node => {
  const node = openNode(makeRoot(t), meta);
  node.write(main, text);
  node.fake.containerd.restartByOther();
  node.fake.containerd.sandboxes = [{ id: 'pod', handler: usual }];
  node.fake.containerd.starts = (name) => (name === '' || isLinked(node, name) ? 'works' : 'refused');
  node.fake.containerd.jobs.length = 0;
  return node;
};

/** Prepared while it was empty; by now it has Pods. */
export const busy = async (t: Test, row: Row, ...names: readonly string[]): Promise<Node> => {
  const node = nodeOf(t, row);
  const { containerd } = node.fake;
  const pods = containerd.sandboxes;
  containerd.sandboxes = [];
  prepares(node, ...names);
  const states = statesOf(await node.once());
  t.ok(names.every((name) => states[name] === 'prepared'));
  containerd.sandboxes = pods;
  containerd.jobs.length = 0;
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
