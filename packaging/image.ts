/**
 * The image of the DaemonSet, from what the build put into dist/linux-<architecture>/:
 *
 *     dist/image/oci/                      an image layout, for skopeo, crane, oras
 *     dist/image/rcm-node-<version>.tar    the same as one file, for ctr images import, docker load, podman load
 *
 * From scratch: in it is what a host gets, as /rcm-node/, and the libraries it takes to start there, in a layer of their
 * own that stays the same from version to version. No CA roots: nothing is downloaded inside the Pod.
 */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runtimeFor } from './debian.ts';
import type { Architecture } from './downloads.ts';
import { archive, digestOf, type ImageFile, layoutOf } from './oci.ts';

/** Where the image holds what is placed on a host. */
const payload = 'rcm-node';

const platformNames = { x64: 'amd64', arm64: 'arm64' } as const;

const executable = new Set(['rcm-node']);

const payloadOf = (dist: string, architecture: Architecture): readonly ImageFile[] => {
  const folder = join(dist, `linux-${architecture}`);
  return readdirSync(folder).map((name) => ({
    path: `${payload}/${name}`,
    bytes: readFileSync(join(folder, name)),
    mode: executable.has(name) ? 0o755 : 0o644,
  }));
};

const runtimeOf = (architecture: Architecture): readonly ImageFile[] =>
  [...runtimeFor(architecture)].map(([path, bytes]) => ({
    path,
    bytes,
    mode: path.startsWith('usr/share') ? 0o644 : 0o755,
  }));

/**
 * Writes both forms below `dist`; answers their paths, the archive first, and the digest by which a registry knows the image
 * of all platforms, if it was copied there as it is.
 */
export async function writeImage(
  dist: string,
  version: string,
  architectures: readonly Architecture[],
): Promise<{ readonly files: readonly string[]; readonly digest: string }> {
  const layout = await layoutOf({
    name: 'rcm-node',
    tag: version,
    entrypoint: [`/${payload}/rcm-node`],
    command: ['bootstrap'],
    labels: {
      'org.opencontainers.image.title': 'rcm-node',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    },
    platforms: architectures.map((architecture) => ({
      architecture: platformNames[architecture],
      layers: [runtimeOf(architecture), payloadOf(dist, architecture)],
    })),
  });
  const folder = join(dist, 'image');
  for (const { path, bytes } of layout) {
    const file = join(folder, 'oci', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
  const tar = join(folder, `rcm-node-${version}.tar`);
  writeFileSync(tar, archive(layout));
  return { files: [tar, join(folder, 'oci', 'index.json')], digest: digestOf(layout) };
}
