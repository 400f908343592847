/** Debian's oras and skopeo fill a registry. They run where they were unpacked, with the libraries beside them. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import { type Progress, run } from '../machine/command.ts';
import { type Registry, user, within } from './registry.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What tools say of where a digest stands differs; all say it somewhere. */
const digestIn = (said: string): string => {
  const found = /sha256:([0-9a-f]{64})/.exec(said)?.[1];
  if (found === undefined) throw new Error(`no digest in ${said}`);
  return found;
};

export type Layer = { readonly mediaType: string; readonly bytes: Uint8Array };

export const toolsFor = async (registry: Registry, progress: Progress) => {
  const tree = await prepareImage('trixie', 'registry', progress);
  const lib = join(tree, 'usr/lib/x86_64-linux-gnu');
  const tool = (name: string, words: readonly string[], cwd?: string): Promise<string> =>
    run(
      [
        ...within(registry.leader),
        join(lib, 'ld-linux-x86-64.so.2'),
        '--library-path',
        lib,
        join(tree, 'usr/bin', name),
        ...words,
      ],
      cwd === undefined ? {} : { cwd },
    );
  const access = registry.ca
    ? ['--ca-file', registry.ca, '--username', user.name, '--password', user.password]
    : ['--plain-http'];
  const push = async (
    kind: readonly string[],
    to: string,
    files: Readonly<Record<string, Uint8Array>>,
    more: readonly string[],
  ) => {
    const folder = await mkdtemp(join(tmpdir(), 'rcm-node-push-'));
    try {
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
      await tool('oras', [...kind, ...access, `${registry.at}/${to}`, ...more], folder);
      return digestIn(await tool('oras', ['resolve', ...access, `${registry.at}/${to}`]));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  return {
    /** `to`: repository and tag. Each file is a layer under its name. */
    artifact: (to: string, files: Readonly<Record<string, Uint8Array>>): Promise<string> =>
      push(['push'], to, files, Object.keys(files)),
    index: (
      to: string,
      manifests: Readonly<Record<string, { readonly digest: string; readonly size: number }>>,
    ): Promise<string> => {
      const entries = Object.entries(manifests).map(([platform, { digest, size }]) => {
        const [os, architecture] = platform.split('/');
        const mediaType = 'application/vnd.oci.image.manifest.v1+json';
        return { mediaType, digest: `sha256:${digest}`, size, platform: { os, architecture } };
      });
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: entries }));
      return push(['manifest', 'push', '--media-type', mediaType], to, { index: bytes }, ['index']);
    },
    /** skopeo compresses the layers as it is told, and writes another manifest for that. */
    image: async (
      to: string,
      layers: readonly Uint8Array[],
      { architecture = 'amd64', compress = 'gzip', format = 'oci' } = {},
    ): Promise<{ readonly digest: string; readonly size: number; readonly manifest: string }> => {
      const folder = await mkdtemp(join(tmpdir(), 'rcm-node-image-'));
      try {
        await writeLayout(folder, layers, architecture);
        const tls = registry.ca
          ? [
              '--dest-cert-dir',
              await certificates(folder, registry.ca),
              '--dest-creds',
              `${user.name}:${user.password}`,
            ]
          : ['--dest-tls-verify=false'];
        await tool('skopeo', [
          ...['copy', '--insecure-policy', '--format', format, '--dest-compress-format', compress],
          ...['--digestfile', join(folder, 'digest'), ...tls],
          ...[`oci:${folder}:image`, `docker://${registry.at}/${to}`],
        ]);
        const digest = digestIn(await readFile(join(folder, 'digest'), 'utf8'));
        const manifest = await tool('oras', ['manifest', 'fetch', ...access, `${registry.at}/${to}`]);
        return { digest, size: Buffer.byteLength(manifest), manifest };
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
};

/** skopeo takes CAs from a folder. */
const certificates = async (folder: string, ca: string): Promise<string> => {
  const path = join(folder, 'certificates');
  await mkdir(path);
  await writeFile(join(path, 'ca.crt'), await readFile(ca));
  return path;
};

/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
const writeLayout = async (
  folder: string,
  layers: readonly Uint8Array[],
  architecture: string,
): Promise<void> => {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  const blob = async (mediaType: string, content: Uint8Array | object) => {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    await writeFile(join(folder, 'blobs/sha256', sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const type = 'application/vnd.oci.image';
  const config = await blob(`${type}.config.v1+json`, {
    architecture,
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map((bytes) => `sha256:${sha256(bytes)}`) },
  });
  const blobs = [];
  for (const bytes of layers) blobs.push(await blob(`${type}.layer.v1.tar`, bytes));
  const manifest = await blob(`${type}.manifest.v1+json`, {
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config,
    layers: blobs,
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'image' };
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
};
