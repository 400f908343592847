/**
 * Manifests and indexes: what a registry sent, with a digest that was checked, as a value; and what of it this node takes.
 * https://github.com/opencontainers/image-spec/blob/main/manifest.md, image-index.md
 */
import { fields, isFields, items, labels, text } from '../../protocol/json.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Machine } from '../facts.ts';
import { parseDocument } from './document.ts';

export type Descriptor = {
  readonly mediaType: string;
  /** 64 lower-case hex digits. */
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly arch: string; readonly variant?: string };
};

export type Manifest = {
  readonly kind: 'manifest';
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
};

export type Index = { readonly kind: 'index'; readonly manifests: readonly Descriptor[] };

export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;

/** As of registries themselves: the specification asks them to take 4 MiB at least. */
export const maxManifestBytes = 4 * 1024 * 1024;
/** An image has at most 127 layers, an index some ten platforms. */
const maxDescriptors = 1000;

const bad = (message: string, hint?: string): Failure =>
  new Failure({
    code: 'bad-archive',
    message,
    hint: hint ?? 'Push it again with a current tool (oras, docker buildx, skopeo).',
  });

const platformOf = (value: unknown): Descriptor['platform'] => {
  const { os, architecture, variant } = fields(value);
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return { os, arch: architecture, ...(typeof variant === 'string' ? { variant } : {}) };
};

const descriptor = (value: unknown, what: string): Descriptor => {
  const given = fields(value);
  const digest = text(given.digest) ?? '';
  if (/^sha512:/.test(digest)) throw bad(`the digest of ${what} is sha512; only sha256 is known here`);
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw bad(`${what} has no sha256 digest`);
  const size = Number.isSafeInteger(given.size) ? Number(given.size) : -1;
  if (size < 0) throw bad(`${what} has no size`);
  const platform = platformOf(given.platform);
  const artifactType = text(given.artifactType);
  return {
    mediaType: text(given.mediaType) ?? '',
    digest: digest.slice('sha256:'.length),
    size,
    annotations: labels(given.annotations),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(platform === undefined ? {} : { platform }),
  };
};

const list = (value: unknown, what: string): readonly Descriptor[] => {
  const all = items(value);
  if (all.length > maxDescriptors) throw bad(`it names more than ${maxDescriptors} ${what}s`);
  return all.map((one, index) => descriptor(one, `${what} ${index + 1}`));
};

/** Throws `bad-archive`. What is a manifest and an index at once is neither (CVE-2021-41190). */
export const parseManifest = (bytes: Uint8Array): Manifest | Index => {
  const value = parseDocument(bytes);
  if (!isFields(value)) throw bad('the registry sent no manifest: it is no JSON object');
  const isIndex = Array.isArray(value.manifests);
  const isManifest = Array.isArray(value.layers);
  const type = text(value.mediaType);
  if (isIndex === isManifest || (type !== undefined && !manifestTypes.some((one) => one === type)))
    throw bad(
      `the registry sent no manifest of an image or an artifact, and no index of these${value.schemaVersion === 1 ? ': it is of the first version of Docker manifests' : ''}`,
    );
  if (isIndex) return { kind: 'index', manifests: list(value.manifests, 'manifest') };
  const artifactType = text(value.artifactType);
  return {
    kind: 'manifest',
    config: descriptor(value.config, 'the config'),
    layers: list(value.layers, 'layer'),
    annotations: labels(value.annotations),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
};

/** The variants that every machine of an architecture runs, by preference. */
const variants: Readonly<Record<Machine, readonly (string | undefined)[]>> = {
  amd64: [undefined, 'v1'],
  arm64: ['v8', undefined],
};

/** The entry of an index for this machine. Throws `no-platform`. */
export const entryFor = ({ manifests }: Index, machine: Machine): Descriptor => {
  const fits = manifests.filter(({ platform }) => platform?.os === 'linux' && platform.arch === machine);
  for (const variant of variants[machine]) {
    const found = fits.find(({ platform }) => (platform?.variant || undefined) === variant);
    if (found) return found;
  }
  const names = manifests.flatMap(({ platform }) =>
    // What builders attach to images has the platform "unknown".
    platform === undefined || platform.os === 'unknown'
      ? []
      : [
          JSON.stringify([platform.os, platform.arch, platform.variant].filter(Boolean).join('/')).slice(
            1,
            41,
          ),
        ],
  );
  const given =
    names.length === 0
      ? 'names no platforms'
      : `is for ${[...new Set(names)].slice(0, 8).join(', ').replaceAll('"', '')}`;
  throw new Failure({
    code: 'no-platform',
    message: `the index has no entry for linux/${machine}; it ${given}`,
    hint: 'Push a build for this architecture into the index, or keep these nodes out by the nodeSelector of the Shim.',
  });
};

const titleKey = 'org.opencontainers.image.title';
const imageConfigs = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];
const layerTypes =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(?:\.gzip|\.zstd)?)$/;

export type Part = { readonly descriptor: Descriptor; readonly title: string };
/** `image`: layers of a file system, the lowest first. `files`: each layer is a file. */
export type Kind =
  | { readonly kind: 'image'; readonly layers: readonly Descriptor[] }
  | { readonly kind: 'files'; readonly files: readonly Part[] };

/**
 * Tools that push files give them the media type of a layer, and some give the manifest that of an image; only files have titles.
 * https://oras.land/docs/concepts/artifact
 */
export const kindOf = ({ config, layers }: Manifest): Kind => {
  if (layers.length === 0) throw bad('the manifest has no layers, so there is no file in it');
  const files = layers.map((one) => ({ descriptor: one, title: one.annotations[titleKey] ?? '' }));
  if (!imageConfigs.includes(config.mediaType) || files.some(({ title }) => title !== ''))
    return { kind: 'files', files };
  const strange = layers.find(({ mediaType }) => !layerTypes.test(mediaType));
  if (strange)
    throw bad(
      `a layer has the media type ${JSON.stringify(strange.mediaType.slice(0, 100))}; tar, plain or with gzip or zstd, is known here`,
      'Push the image with layers that are not encrypted and that the registry holds itself.',
    );
  return { kind: 'image', layers };
};
