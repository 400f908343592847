/**
 * The chart as Helm's package: `charts/rcm-node`, packed under its own version, with the image of this release by its digest. A release
 * without a chart has none.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { archive } from '../oci.ts';
import { filesBelow } from './packages/contents.ts';

export type Image = { readonly newName: string; readonly digest: string };

/** The first of each is that of `image:`. Other values, and comments, stay as they are. */
export const withImage = (values: string, { newName, digest }: Image): string => {
  const [repository, empty] = [/^( +repository: )rcm-node$/m, /^( +digest: )""$/m];
  if (!repository.test(values) || !empty.test(values))
    throw new Error('values.yaml of the chart has no image.repository rcm-node with an empty image.digest');
  return values.replace(repository, `$1${newName}`).replace(empty, `$1${digest}`);
};

export const writeChart = (root: string, folder: string, time: number, image: Image): readonly string[] => {
  const from = join(root, 'charts', 'rcm-node');
  const about = join(from, 'Chart.yaml');
  if (!existsSync(about)) return [];
  const version = /^version:\s*["']?([^"'\s]+)/m.exec(readFileSync(about, 'utf8'))?.[1];
  if (version === undefined) throw new Error('charts/rcm-node/Chart.yaml states no version');
  const files = filesBelow(from).map((path) => {
    const text = readFileSync(join(from, path), 'utf8');
    const bytes = Buffer.from(path === 'values.yaml' ? withImage(text, image) : text);
    return { path: `rcm-node/${path}`, bytes, mode: 0o644 };
  });
  const name = `rcm-node-${version}.tgz`;
  writeFileSync(join(folder, name), gzipSync(archive(files, time)));
  return [name];
};
