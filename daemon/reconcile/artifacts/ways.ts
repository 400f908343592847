/**
 * How what a location names comes to the disk, by the scheme of the location, and how the wanted files are taken out of it. To add
 * a scheme: a row here, and its form in daemon/shims/location.ts.
 */
import type { Limits, Picked, Wanted } from '../../../host/artifact/archive.ts';
import type { Titled } from '../../../host/artifact/layers/titled.ts';
import type { Host } from '../../../host/host.ts';
import type { DownloadOptions } from '../../../host/http/options.ts';
import { parseReference } from '../../../host/registry/reference.ts';
import type { RegistryOptions } from '../../../host/registry/registry.ts';
import { Failure, problemOf } from '../../../protocol/problem/problem.ts';
import { fileMirror } from '../../registries/mirrored.ts';
import type { Artifact } from '../../model/desired.ts';

/** What came, below the path that it was given; nothing of it was interpreted. */
export type Content =
  | { readonly kind: 'file' }
  | { readonly kind: 'files'; readonly files: readonly Titled[] }
  | { readonly kind: 'image'; readonly layers: readonly string[] };

/** `manifest`: of an image, where what the location names is an index; signatures may be of either. */
export type Brought = { readonly sha256: string; readonly manifest?: string; readonly content: Content };

/** From where this node takes images, and by which credentials. */
export type Registries = Omit<RegistryOptions, 'host' | 'http'>;

type Way = (
  host: Host,
  registries: Registries,
  location: string,
  sha256: string | undefined,
  path: string,
  options: DownloadOptions,
) => Promise<Brought>;

/** A mirror that is a registry; its artifact of one file is that file, and the Shim's digest decides. Undefined: it does not have it. */
const fromMirror: (...given: Parameters<Way>) => Promise<Brought | undefined> = async (
  host,
  registries,
  location,
  sha256,
  path,
  http,
) => {
  const image = sha256 === undefined ? undefined : fileMirror(http.mirrors, location);
  if (sha256 === undefined || image === undefined) return undefined;
  const beside = `${path}.mirror`;
  await host.files.removeTree(beside);
  await host.files.makeFolder(beside);
  try {
    const reference = { ...image, tag: sha256 };
    const folder = host.files.real(beside);
    const { content } = await host.fetchContent(reference, undefined, host.machine, folder, {
      ...registries,
      http,
    });
    if (content.kind !== 'files' || content.files[0]?.sha256 !== sha256) return undefined;
    await host.files.move(`${beside}/${sha256}`, path);
    return { sha256, content: { kind: 'file' } };
  } catch (error) {
    // The original is asked next, as with every mirror.
    host.log('warn', `a mirror: ${problemOf(error).message}`);
    return undefined;
  } finally {
    await host.files.removeTree(beside);
  }
};

const asFile: Way = async (...given) => {
  const [host, , location, sha256, path, options] = given;
  const mirrored = await fromMirror(...given);
  if (mirrored) return mirrored;
  const result = await host.download(location, sha256, host.files.real(path), options);
  return { sha256: result.sha256, content: { kind: 'file' } };
};

const fromRegistry: Way = async (host, registries, location, sha256, path, http) => {
  const reference = parseReference(location);
  if ('wrong' in reference) throw new Failure({ code: 'bad-value', message: reference.wrong });
  await host.files.removeTree(path);
  await host.files.makeFolder(path);
  const real = host.files.real(path);
  try {
    const fetched = await host.fetchContent(reference, sha256, host.machine, real, { ...registries, http });
    return { sha256: fetched.sha256, manifest: fetched.manifest, content: fetched.content };
  } catch (error) {
    // Layers that came before one that cannot be had.
    await host.files.removeTree(path);
    throw error;
  }
};

const ways: Readonly<Record<string, Way>> = {
  'https:': asFile,
  'http:': asFile,
  'file:': asFile,
  'oci:': fromRegistry,
};

export const bring: Way = (host, registries, location, ...rest) => {
  const way = ways[new URL(location).protocol];
  if (!way) throw new Failure({ code: 'bad-value', message: 'the location has no known scheme' });
  return way(host, registries, location, ...rest);
};

const mustBe = (expected: string | undefined, found: string | undefined): void => {
  if (expected === undefined || expected === found) return;
  throw new Failure({
    code: 'digest-mismatch',
    message: `expected sha256 ${expected} of the file, found ${found}`,
    hint: 'The digest in the location is right, and names something else: correct sha256 in the shim, or remove it.',
  });
};

/** Throws as `Host.pick`, and `digest-mismatch`. `path`: of the file or folder that came. */
export const takeOut = async (
  host: Host,
  { path: inImage, fileSha256 }: Artifact,
  content: Content,
  path: string,
  wanted: Wanted,
  folder: string,
  limits: Limits,
): Promise<readonly Picked[]> => {
  const into = host.files.real(folder);
  if (content.kind === 'file') return host.pick(host.files.real(path), wanted, into, limits);
  if (content.kind === 'image') {
    const picked = await host.pickImage(content.layers, wanted, inImage, into, limits);
    mustBe(fileSha256, picked[0]?.sha256);
    return picked;
  }
  // As the readers of archives (host.ts): not in memory where nothing is fetched.
  const { chooseTitled } = await import('../../../host/artifact/layers/titled.ts');
  const choices = chooseTitled(content.files, wanted);
  mustBe(fileSha256, choices[0]?.file.sha256);
  const picked: Picked[] = [];
  for (const choice of choices) {
    // Each may be compressed: what one takes of the disk is not left for the next.
    const maxBytes = picked.reduce((left, { bytes }) => left - bytes, limits.maxBytes);
    picked.push(...(await host.pick(choice.file.path, choice.wanted, into, { ...limits, maxBytes })));
  }
  return picked;
};
