/** The content of a folder, for comparison: every byte, mode, owner and link, without processes; and which part rcm-node wrote. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { asRoot } from './bare-root.ts';

export type Entry =
  | {
      readonly kind: 'file';
      readonly text: string;
      readonly mode: string;
      readonly owner: string;
      readonly modified: number;
    }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'folder'; readonly mode: string; readonly owner: string };

export type Tree = Readonly<Record<string, Entry>>;

export const treeOf = (root: string): Tree => {
  const tree: Record<string, Entry> = {};
  const walk = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const own = `${path}/${name}`;
      if (own === '/proc') continue;
      const facts = lstatSync(join(root, own));
      const mode = (facts.mode & 0o7777).toString(8);
      const { uid, gid } = asRoot(facts);
      const owner = `${uid}:${gid}`;
      if (facts.isSymbolicLink()) tree[own] = { kind: 'link', target: readlinkSync(join(root, own)) };
      else if (facts.isDirectory()) {
        tree[own] = { kind: 'folder', mode, owner };
        walk(own);
      } else
        tree[own] = {
          kind: 'file',
          text: readFileSync(join(root, own), 'utf8'),
          mode,
          owner,
          modified: facts.mtimeMs,
        };
    }
  };
  walk('');
  return tree;
};

const only = (tree: Tree, keeps: (path: string) => boolean): Tree =>
  Object.fromEntries(Object.entries(tree).filter(([path]) => keeps(path)));

/** The parts that uninstall has to take away; /run is cleared by every boot. */
export const ours = (tree: Tree): Tree =>
  only(tree, (path) => /^\/(opt|var\/lib)\/rcm-node(\/|$)/.test(path));
export const foreign = (tree: Tree): Tree =>
  only(tree, (path) => !/^\/(opt|var\/lib|run)\/rcm-node(\/|$)/.test(path));

/** Without times: two trees that a reader cannot tell apart are equal. */
export const timeless = (tree: Tree): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(tree).map(([path, entry]) => [
      path,
      entry.kind === 'file' ? { text: entry.text, mode: entry.mode, owner: entry.owner } : entry,
    ]),
  );

/** Two trees without times, so that a failing assertion shows the paths that differ and nothing else. */
export const difference = (before: Tree, after: Tree): Record<string, unknown> => {
  const [a, b] = [timeless(before), timeless(after)];
  const paths = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(
    paths
      .filter((path) => JSON.stringify(a[path]) !== JSON.stringify(b[path]))
      .map((path) => [path, { before: a[path], after: b[path] }]),
  );
};
