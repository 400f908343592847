/** Files of a node as a record keeps them: those that rcm-node reads and writes, but for its own program. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { TestNode } from '../node/test-node.ts';

export type Kept =
  /** `modified`, epoch milliseconds, of what a person writes: a touched file is a new request. */
  | { readonly text: string; readonly mode: number; readonly modified?: number }
  | { readonly link: string }
  | { readonly folder: true };

export type KeptTree = Readonly<Record<string, Kept>>;

const roots = ['/etc/containerd', '/etc/rcm-node', '/opt/rcm-node', '/srv/recorded', '/var/lib/rcm-node'];
const leftOut = ['/opt/rcm-node/bin'];

export const treeIn = (node: Pick<TestNode, 'hostPath'>): KeptTree => {
  const tree: Record<string, Kept> = {};
  const walk = (path: string): void => {
    const facts = lstatSync(node.hostPath(path), { throwIfNoEntry: false });
    if (facts === undefined || leftOut.includes(path)) return;
    if (facts.isSymbolicLink()) tree[path] = { link: readlinkSync(node.hostPath(path)) };
    else if (facts.isDirectory()) {
      tree[path] = { folder: true };
      for (const name of readdirSync(node.hostPath(path)).sort()) walk(`${path}/${name}`);
    } else {
      const text = readFileSync(node.hostPath(path), 'utf8');
      const asked = path.startsWith('/etc/rcm-node/') ? { modified: Math.floor(facts.mtimeMs) } : {};
      tree[path] = { text, mode: facts.mode & 0o7777, ...asked };
    }
  };
  for (const path of roots) walk(path);
  return tree;
};

/** What differs; null for what is gone. */
export type Change = Readonly<Record<string, Kept | null>>;

export const changeOf = (before: KeptTree, after: KeptTree): Change =>
  Object.fromEntries(
    [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .sort()
      .filter((path) => JSON.stringify(before[path]) !== JSON.stringify(after[path]))
      .map((path) => [path, after[path] ?? null]),
  );
