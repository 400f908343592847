/**
 * Puts what was copied into a registry: images under their host and name, below one name of the registry, and files of web servers as
 * artifacts of one repository, each under its sha256 as a tag. `[[mirrors]]` finds both (daemon/registries/mirrored.ts).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileMirror, mirroredBy } from '../../daemon/registries/mirrored.ts';
import type { Image } from '../../host/registry/endpoint.ts';
import type { Pusher } from '../../host/registry/push.ts';
import { parseReference } from '../../host/registry/reference.ts';
import { digestOf } from '../../protocol/digest.ts';
import { fields, parseJson, text } from '../../protocol/json.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { prefixes, type Folder } from './folder.ts';
import type { Entry } from './lock-file.ts';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const indexType = 'application/vnd.oci.image.index.v1+json';

/** `to`: `oci://HOST/NAME`. */
export const mirrorsOf = (to: string): readonly { readonly prefix: string; readonly replace: string }[] =>
  prefixes.map(([prefix, part]) => ({
    prefix,
    replace: `${to.replace(/\/+$/, '')}/${part === 'oci' ? 'oci' : 'files'}`,
  }));

/** Where a location lies in the registry, and under which reference. */
export const placeIn = (
  to: string,
  location: string,
  sha256: string,
): { readonly image: Image; readonly reference: string } => {
  const reference = parseReference(location);
  if ('wrong' in reference) {
    const image = fileMirror(mirrorsOf(to), location);
    if (image) return { image, reference: sha256 };
  } else {
    const found = mirroredBy(mirrorsOf(to), reference);
    if (found?.kind === 'registry') return { image: found.image, reference: `sha256:${sha256}` };
  }
  throw new Failure({ code: 'bad-value', message: 'a location has no place in a registry' });
};

const typeOf = (manifest: string): string => {
  const { mediaType, manifests } = fields(parseJson(manifest));
  return text(mediaType) ?? (Array.isArray(manifests) ? indexType : manifestType);
};

const digestIn = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** What a manifest names is there before it: the first of an entry names all others. */
const pushImage = async (folder: Folder, { files }: Entry, pusher: Pusher): Promise<void> => {
  const paths = Object.keys(files);
  const of = (kind: string): readonly string[] => paths.filter((path) => path.split('/').at(-2) === kind);
  const read = (path: string): Promise<string> => readFile(join(folder.root, path), 'utf8');
  for (const path of of('blobs'))
    await pusher.blob(
      digestIn(path).slice('sha256:'.length),
      await folder.size(path),
      join(folder.root, path),
    );
  for (const path of of('manifests').toReversed()) {
    const manifest = await read(path);
    await pusher.manifest(digestIn(path), typeOf(manifest), manifest);
  }
  // For registries without that part of the API; others make the list themselves.
  for (const path of of('referrers')) {
    const list = await read(path);
    const { manifests } = fields(parseJson(list));
    if (Array.isArray(manifests) && manifests.length > 0)
      await pusher.manifest(digestIn(path).replace(':', '-'), indexType, list);
  }
};

const pushFile = async (folder: Folder, { sha256, path }: Entry, pusher: Pusher): Promise<void> => {
  const size = await folder.size(path);
  const config = '{}';
  await folder.write('.config', config);
  await pusher.blob(digestOf(config), config.length, join(folder.root, '.config'));
  await pusher.blob(sha256, size, join(folder.root, path));
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: 'application/vnd.rcm-node.file',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: `sha256:${digestOf(config)}`, size: 2 },
    layers: [
      {
        mediaType: 'application/octet-stream',
        digest: `sha256:${sha256}`,
        size,
        annotations: { 'org.opencontainers.image.title': digestIn(path) },
      },
    ],
  };
  await pusher.manifest(sha256, manifestType, JSON.stringify(manifest));
};

export const pushEntry = (folder: Folder, location: string, entry: Entry, pusher: Pusher): Promise<void> =>
  (location.startsWith('oci:') ? pushImage : pushFile)(folder, entry, pusher);
