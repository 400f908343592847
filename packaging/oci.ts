/**
 * An OCI image out of files in memory, without an engine: layers, configurations, manifests and the index over all
 * platforms. The same files give the same bytes: no times, owner root, paths in order.
 *
 * https://github.com/opencontainers/image-spec: image-layout.md, image-index.md, manifest.md, config.md, layer.md
 */

import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Header } from 'tar';

export type ImageFile = { readonly path: string; readonly bytes: Uint8Array; readonly mode: number };

export type Platform = {
  readonly architecture: 'amd64' | 'arm64';
  /** The lowest layer first. What changes rarely belongs into one of its own, which registries then have already. */
  readonly layers: readonly (readonly ImageFile[])[];
};

export type Image = {
  readonly name: string;
  readonly tag: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly platforms: readonly Platform[];
};

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number };

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const json = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);

const BLOCK = 512;

const entry = (
  path: string,
  type: 'File' | 'Directory',
  mode: number,
  size: number,
  seconds: number,
): Buffer => {
  const header = new Header({ path, type, mode, size, uid: 0, gid: 0, mtime: new Date(seconds * 1000) });
  const block = Buffer.alloc(BLOCK);
  if (header.encode(block, 0)) throw new Error(`the path is too long for a plain tar header: ${path}`);
  return block;
};

const foldersOf = (path: string): readonly string[] =>
  path
    .split('/')
    .slice(0, -1)
    .map((_, index, parts) => `${parts.slice(0, index + 1).join('/')}/`);

/** An uncompressed archive of `files` and of the folders they lie in; all have the same time, in seconds since 1970. */
export function archive(files: readonly ImageFile[], seconds = 0): Buffer {
  const folders = [...new Set(files.flatMap(({ path }) => foldersOf(path)))].sort();
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  return Buffer.concat([
    ...folders.map((path) => entry(path, 'Directory', 0o755, 0, seconds)),
    ...sorted.flatMap(({ path, bytes, mode }) => [
      entry(path, 'File', mode, bytes.length, seconds),
      bytes,
      Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK),
    ]),
    Buffer.alloc(2 * BLOCK),
  ]);
}

/**
 * The files of an image layout. `manifest.json` is what `docker load` before 29 reads; there one name is one platform,
 * so the first has the plain name and every other one's has its architecture behind it.
 */
export async function layoutOf(image: Image): Promise<readonly ImageFile[]> {
  const blobs = new Map<string, Uint8Array>();
  const blob = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const digest = sha256(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const pathOf = (one: Descriptor): string => `blobs/sha256/${one.digest.slice('sha256:'.length)}`;

  const built = await Promise.all(
    image.platforms.map(async ({ architecture, layers }) => {
      const tars = layers.map((files) => archive(files));
      const packed = await Promise.all(tars.map((one) => promisify(gzip)(one, { level: 6 })));
      const config = blob(
        'application/vnd.oci.image.config.v1+json',
        json({
          architecture,
          os: 'linux',
          config: {
            User: '0:0',
            Env: [],
            Entrypoint: image.entrypoint,
            Cmd: image.command,
            WorkingDir: '/',
            Labels: image.labels,
          },
          rootfs: { type: 'layers', diff_ids: tars.map((one) => `sha256:${sha256(one)}`) },
        }),
      );
      const content = packed.map((one) => blob('application/vnd.oci.image.layer.v1.tar+gzip', one));
      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      const manifest = blob(mediaType, json({ schemaVersion: 2, mediaType, config, layers: content }));
      return { architecture, config, content, manifest };
    }),
  );

  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const manifests = built.map(({ manifest, architecture }) => ({
    ...manifest,
    platform: { os: 'linux', architecture },
  }));
  const index = blob(mediaType, json({ schemaVersion: 2, mediaType, manifests }));
  const annotations = {
    // What containerd takes for the name, and all other programs for the tag.
    'io.containerd.image.name': `docker.io/library/${image.name}:${image.tag}`,
    'org.opencontainers.image.ref.name': image.tag,
  };
  const forDocker = built.map(({ architecture, config, content }, number) => ({
    Config: pathOf(config),
    RepoTags: [`${image.name}:${image.tag}${number === 0 ? '' : `-${architecture}`}`],
    Layers: content.map(pathOf),
  }));
  return [
    { path: 'oci-layout', bytes: json({ imageLayoutVersion: '1.0.0' }), mode: 0o644 },
    {
      path: 'index.json',
      bytes: json({ schemaVersion: 2, mediaType, manifests: [{ ...index, annotations }] }),
      mode: 0o644,
    },
    { path: 'manifest.json', bytes: json(forDocker), mode: 0o644 },
    ...[...blobs].map(([digest, bytes]) => ({ path: `blobs/sha256/${digest}`, bytes, mode: 0o644 })),
  ];
}

/** Of the image of all platforms in a layout. */
export const digestOf = (layout: readonly ImageFile[]): string => {
  const index = layout.find(({ path }) => path === 'index.json');
  const { manifests = [] } = JSON.parse(Buffer.from(index?.bytes ?? []).toString() || '{}') as {
    readonly manifests?: readonly Descriptor[];
  };
  const [one] = manifests;
  if (one === undefined) throw new Error('the layout has no index');
  return one.digest;
};
