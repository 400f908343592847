/**
 * Copies what an `oci:` location names: the index, the manifests for the machines that need it, their blobs, and what is attached to
 * them, such as signatures. Each lies where the API of a registry has it.
 */
import { entryFor, type Descriptor, type Manifest } from '../../host/registry/manifest.ts';
import type { Reference } from '../../host/registry/reference.ts';
import type { FetchedManifest, Registry } from '../../host/registry/registry.ts';
import { cosignTag, isMissing } from '../../host/signature/attached.ts';
import type { Machine } from '../../host/facts.ts';
import type { Folder } from './folder.ts';
import type { Entry } from './lock-file.ts';
import type { Needed } from './needed.ts';
import { perMachine } from './per-machine.ts';

/** What may be attached to what is attached; real ones are one deep. */
const deepest = 2;

/** An index may name an index (host/registry/content.ts has the same limit). */
const maxIndexes = 2;

type Copier = {
  readonly folder: Folder;
  readonly registry: Registry;
  /** The same, for signatures: they prove themselves, so their tags may be asked for over plain http, too. */
  readonly signatures: Registry;
  readonly repository: string;
  /** Of the repository. */
  readonly path: string;
  /** A registry takes an index only with everything that it names. */
  readonly whole: boolean;
  /** What was copied, or was there already: path and sha256. */
  readonly files: Map<string, string>;
};

const copyBlob = async (copier: Copier, blob: Descriptor): Promise<void> => {
  const { folder, registry, repository, files } = copier;
  const path = `${copier.path}/blobs/sha256:${blob.digest}`;
  if (files.has(path)) return;
  if ((await folder.digest(path)) !== blob.digest)
    await folder.put(path, (into) => registry.blob(repository, blob, into));
  files.set(path, blob.digest);
};

const keepManifest = async (copier: Copier, { digest, bytes }: FetchedManifest): Promise<void> => {
  const path = `${copier.path}/manifests/sha256:${digest}`;
  if ((await copier.folder.digest(path)) !== digest) await copier.folder.write(path, bytes.toString('utf8'));
  copier.files.set(path, digest);
};

const copyContent = async (copier: Copier, { config, layers }: Manifest): Promise<void> => {
  for (const blob of [config, ...layers]) await copyBlob(copier, blob);
};

/** The list is kept also where it is empty: a node that has only the folder sees that there is nothing. */
const copyAttached = async (copier: Copier, digest: string, depth: number): Promise<void> => {
  const { folder, registry, repository, files } = copier;
  const attached = await registry.referrers(repository, digest);
  const manifests = attached.map((one) => ({ ...one, digest: `sha256:${one.digest}` }));
  const path = `${copier.path}/referrers/sha256:${digest}`;
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  await folder.write(path, JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  files.set(path, (await folder.digest(path)) ?? '');
  for (const one of attached) {
    const fetched = await registry.manifest(repository, { digest: one.digest });
    await keepManifest(copier, fetched);
    if (fetched.manifest.kind === 'manifest') await copyContent(copier, fetched.manifest);
    if (depth < deepest) await copyAttached(copier, one.digest, depth + 1);
  }
};

/** What cosign puts under a tag of its own; nothing where it did not. */
const copyCosigned = async (copier: Copier, digest: string): Promise<void> => {
  const { folder, signatures, repository, files } = copier;
  const tag = cosignTag(digest);
  const fetched = await signatures.manifest(repository, { tag }).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
  if (fetched?.manifest.kind !== 'manifest') return;
  const path = `${copier.path}/manifests/${tag}`;
  await folder.write(path, fetched.bytes.toString('utf8'));
  files.set(path, fetched.digest);
  await copyContent(copier, fetched.manifest);
};

const entriesFor = (
  { manifest }: FetchedManifest,
  machines: readonly Machine[],
  whole: boolean,
): readonly Descriptor[] => {
  if (manifest.kind !== 'index') return [];
  if (whole) return manifest.manifests;
  return perMachine(machines, (machine) => entryFor(manifest, machine)).map(([, entry]) => entry);
};

const copyTree = async (
  copier: Copier,
  fetched: FetchedManifest,
  machines: readonly Machine[],
  depth = 0,
): Promise<void> => {
  await keepManifest(copier, fetched);
  await copyAttached(copier, fetched.digest, 1);
  await copyCosigned(copier, fetched.digest);
  if (fetched.manifest.kind === 'manifest') return copyContent(copier, fetched.manifest);
  for (const { digest } of entriesFor(fetched, machines, copier.whole))
    if (depth < maxIndexes)
      await copyTree(
        copier,
        await copier.registry.manifest(copier.repository, { digest }),
        machines,
        depth + 1,
      );
};

/** `expected`: the digest of the location, of the Shim, or that came before. Throws as `download`, `no-platform`, `bad-archive`. */
export const copyImage = async (
  folder: Folder,
  registry: Registry,
  signatures: Registry,
  { host, repository, tag }: Reference,
  { shims, machines }: Needed,
  expected: string | undefined,
  pinned: boolean,
  whole = false,
): Promise<Entry> => {
  const path = `oci/${host}/${repository}`;
  const copier: Copier = { folder, registry, signatures, repository, path, whole, files: new Map() };
  const which = expected === undefined ? { tag: tag ?? 'latest' } : { digest: expected };
  const top = await registry.manifest(repository, which);
  await copyTree(copier, top, machines);
  const sizes = await Promise.all([...copier.files.keys()].map((one) => folder.size(one)));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return { sha256: top.digest, bytes, path, shims, pinned, files: Object.fromEntries(copier.files) };
};
