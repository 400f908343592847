/**
 * Images of OCI layouts in tar archives: what stands in a folder is what can be pulled. There is no registry.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Store, storeIn } from './store.ts';

export type Image = {
  /** The digest of its configuration. */
  readonly id: string;
  readonly names: readonly string[];
  /** `os/architecture` */
  readonly platform: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly workingDirectory: string;
  readonly annotations: Readonly<Record<string, string>>;
};

type Blob = { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> };
type Manifest = {
  readonly config: Blob;
  readonly layers: readonly Blob[];
  readonly annotations?: Readonly<Record<string, string>>;
};
type Configuration = {
  readonly os: string;
  readonly architecture: string;
  readonly config?: {
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Env?: readonly string[];
    readonly WorkingDir?: string;
  };
};

export type Images = {
  readonly all: () => readonly Image[];
  readonly find: (name: string) => Image | undefined;
  /** Throws CRI-O's message for a missing image. */
  readonly pull: (name: string) => Image;
  /** The tree that containers get a copy of. */
  readonly tree: (image: Image) => string;
};

const refName = 'org.opencontainers.image.ref.name';

const unpack = (archive: string, folder: string): void => {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xf', archive, '-C', folder]);
};

export const imagesIn = (folder: string, archives: string): Images => {
  const store: Store<Image> = storeIn(folder);
  const find = (name: string): Image | undefined =>
    store.all().find((image) => image.id === name || image.names.includes(name));
  const tree = (image: Image): string => join(folder, image.id, 'rootfs');

  const take = (layout: string, name: string): Image | undefined => {
    const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
    const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
    const { manifests } = json(join(layout, 'index.json')) as { readonly manifests: readonly Blob[] };
    const entry = manifests.find(({ annotations }) => annotations?.[refName] === name);
    if (entry === undefined) return undefined;
    const manifest = json(blob(entry.digest)) as Manifest;
    const { os, architecture, config } = json(blob(manifest.config.digest)) as Configuration;
    const id = manifest.config.digest.replace('sha256:', '');
    const image: Image = {
      id,
      names: [...new Set([...(store.get(id)?.names ?? []), name])],
      platform: `${os}/${architecture}`,
      entrypoint: config?.Entrypoint ?? [],
      command: config?.Cmd ?? [],
      environment: config?.Env ?? [],
      workingDirectory: config?.WorkingDir ?? '/',
      annotations: manifest.annotations ?? {},
    };
    if (!existsSync(tree(image)))
      for (const layer of manifest.layers) unpack(blob(layer.digest), tree(image));
    store.put(image);
    return image;
  };

  return {
    all: store.all,
    find,
    tree,
    pull: (name) => {
      for (const archive of existsSync(archives) ? readdirSync(archives) : []) {
        const work = mkdtempSync(join(folder, 'pull-'));
        try {
          unpack(join(archives, archive), work);
          const image = take(work, name);
          if (image !== undefined) return image;
        } finally {
          rmSync(work, { recursive: true, force: true });
        }
      }
      const registry = name.split('/')[0] ?? '';
      throw new Error(
        `unable to pull image: initializing source docker://${name}: pinging container registry ${registry}: no such image in ${archives}`,
      );
    },
  };
};
