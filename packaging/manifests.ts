/**
 * `node packaging/manifests.ts`: bootstrap/bootstrap.yaml, for those who want one file to read and apply. It is what
 * bootstrap/kustomization.yaml names, one after the other, with its comments.
 */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

type Kustomization = { readonly resources?: readonly string[] };

/** The texts that a kustomization's `resources` lead to, in order. Anything else in it is not followed. */
export function resourcesOf(folder: string): readonly string[] {
  const text = readFileSync(join(folder, 'kustomization.yaml'), 'utf8');
  const { resources = [] } = parse(text) as Kustomization;
  return resources.flatMap((name) => {
    const path = join(folder, name);
    if (!existsSync(path)) throw new Error(`${folder}/kustomization.yaml names ${name}, which is not there`);
    return statSync(path).isDirectory() ? resourcesOf(path) : [readFileSync(path, 'utf8')];
  });
}

const head = `# Written by packaging/manifests.ts from the files that bootstrap/kustomization.yaml names: change those.
# Before you apply it, put the image that you pushed in the place of rcm-node:<version>.
`;

export const render = (folder: string): string =>
  [head, ...resourcesOf(folder)].map((text) => text.replace(/\n*$/, '\n')).join('---\n');

if (import.meta.main) {
  const folder = join(import.meta.dirname, '..', 'bootstrap');
  writeFileSync(join(folder, 'bootstrap.yaml'), render(folder));
}
