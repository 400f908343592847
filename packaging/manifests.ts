/**
 * `node packaging/manifests.ts`: bootstrap/bootstrap.yaml, for those who want one file to read and apply. It is what
 * bootstrap/kustomization.yaml names, one after the other, with its comments, and with the images of bootstrap/images.
 */

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

type Image = {
  readonly name: string;
  readonly newName?: string;
  readonly newTag?: string;
  readonly digest?: string;
};
type Kustomization = { readonly resources?: readonly string[]; readonly images?: readonly Image[] };

const kustomization = (folder: string): Kustomization =>
  parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as Kustomization;

/** The texts that a kustomization's `resources` lead to, in order. Anything else in it is not followed. */
export function resourcesOf(folder: string): readonly string[] {
  const { resources = [] } = kustomization(folder);
  return resources.flatMap((name) => {
    const path = join(folder, name);
    if (!existsSync(path)) throw new Error(`${folder}/kustomization.yaml names ${name}, which is not there`);
    return statSync(path).isDirectory() ? resourcesOf(path) : [readFileSync(path, 'utf8')];
  });
}

/** What kustomize makes of an image: a new name keeps tag and digest, a new tag or digest replaces both. */
const renamed = (image: string, { name, newName = name, newTag, digest }: Image): string | undefined => {
  const rest = image.startsWith(name) ? image.slice(name.length) : undefined;
  if (rest === undefined || !/^(:[^/@]*)?(@.*)?$/.test(rest)) return undefined;
  const tag = newTag === undefined ? '' : `:${newTag}`;
  return newName + (newTag === undefined && digest === undefined ? rest : tag + (digest ? `@${digest}` : ''));
};

const withImages = (text: string, images: readonly Image[]): string =>
  text.replace(/^( +(?:- )?image: )(\S+)$/gm, (_line, key: string, image: string) => {
    const found = images.map((one) => renamed(image, one)).find((one) => one !== undefined);
    if (found === undefined) throw new Error(`bootstrap/images/kustomization.yaml does not name ${image}`);
    return key + found;
  });

const head = `# Written by packaging/manifests.ts from the files that bootstrap/kustomization.yaml names: change those, and the images in
# bootstrap/images/kustomization.yaml; then run it again. (Or change the three images in this file.)
`;

/** With `own`, the image of rcm-node is that one, and not the one of bootstrap/images. */
export function render(folder: string, own?: { readonly newName: string; readonly digest: string }): string {
  const { images: all = [] } = kustomization(join(folder, 'images'));
  const images =
    own === undefined
      ? all
      : all.map((image) => (image.name === 'rcm-node' ? { name: image.name, ...own } : image));
  const texts = resourcesOf(folder).map((text) => withImages(text, images));
  return [head, ...texts].map((text) => text.replace(/\n*$/, '\n')).join('---\n');
}

if (import.meta.main) {
  const folder = join(import.meta.dirname, '..', 'bootstrap');
  writeFileSync(join(folder, 'bootstrap.yaml'), render(folder));
}
