/**
 * From a reference to its bytes on the disk: index, manifest, config, layers, each with the digest that the one before gave. Nothing
 * is unpacked here.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { fields } from '../../protocol/json.ts';
import type { Machine } from '../facts.ts';
import { together } from '../http/deadlines.ts';
import { parseDocument } from './document.ts';
import { type Descriptor, entryFor, kindOf, type Manifest } from './manifest.ts';
import { printReference, type Reference } from './reference.ts';
import { openRegistry, type Registry, type RegistryOptions } from './registry.ts';

/** `image`: layers, the lowest first. `files`: each with the title that its publisher gave it, which may be any text. */
export type Content =
  | { readonly kind: 'image'; readonly layers: readonly string[] }
  | { readonly kind: 'files'; readonly files: readonly TitledFile[] };
export type TitledFile = { readonly title: string; readonly path: string; readonly sha256: string };

export type FetchedContent = {
  /** Of what the reference names: the index, where it is one. */
  readonly sha256: string;
  /** Of the manifest for this machine; signatures may be of either. */
  readonly manifest: string;
  readonly content: Content;
};

/** An index may name an index; real ones go no deeper. */
const maxIndexes = 2;

const manifestOf = async (
  registry: Registry,
  { repository, tag, digest }: Reference,
  expected: string | undefined,
  machine: Machine,
): Promise<{ readonly top: string; readonly digest: string; readonly manifest: Manifest }> => {
  const pin = digest ?? expected;
  let found = await registry.manifest(
    repository,
    pin === undefined ? { tag: tag ?? 'latest' } : { digest: pin },
  );
  const top = found.digest;
  for (let depth = 0; found.manifest.kind === 'index'; depth++) {
    if (depth === maxIndexes)
      throw new Failure({
        code: 'bad-archive',
        message: 'the index leads to an index, again and again',
        hint: 'Push an index of images or artifacts.',
      });
    found = await registry.manifest(repository, { digest: entryFor(found.manifest, machine).digest });
  }
  return { top, digest: found.digest, manifest: found.manifest };
};

/** An image without an index is for one architecture, too. */
const mustBeFor = (machine: Machine, config: Buffer): void => {
  const { os, architecture } = fields(parseDocument(config));
  if (os === 'linux' && architecture === machine) return;
  const given = JSON.stringify(`${os}/${architecture}`.slice(0, 40));
  throw new Failure({
    code: 'no-platform',
    message: `the image is for ${given}, and this node is linux/${machine}`,
    hint: 'Give an index with an image for each architecture, or keep these nodes out by the nodeSelector of the Shim.',
  });
};

const mustFit = (layers: readonly Descriptor[], maxBytes: number): void => {
  const sum = layers.reduce((all, { size }) => all + size, 0);
  if (sum > maxBytes)
    throw new Failure({
      code: 'too-large',
      message: `its layers have ${sum} bytes together, and ${maxBytes} are allowed`,
    });
};

/** `download` puts the address of each place into its message, and a file of this node is named; a failure of the rest names the reference. */
const named = (reference: Reference, error: unknown): unknown => {
  if (!(error instanceof Failure) || error.problem.where || /:\/\//.test(error.problem.message)) return error;
  const message = `${printReference(reference)}: ${error.problem.message}`;
  return new Failure({ ...error.problem, message }, error);
};

/**
 * Into files in `folder`, which exists. `expected`: the digest that a tag had before. Throws the Failures of `download`,
 * `no-platform` and `bad-archive`.
 */
export const fetchContent = async (
  reference: Reference,
  expected: string | undefined,
  machine: Machine,
  folder: string,
  options: Omit<RegistryOptions, 'host'>,
): Promise<FetchedContent> => {
  const { repository } = reference;
  try {
    const registry = openRegistry({ ...options, http: together(options.http), host: reference.host });
    const { top, digest, manifest } = await manifestOf(registry, reference, expected, machine);
    const kind = kindOf(manifest);
    if (kind.kind === 'image') mustBeFor(machine, await registry.read(repository, manifest.config));
    mustFit(manifest.layers, options.http.maxBytes);
    // The same layer may be in an image twice.
    const paths = new Map<string, string>();
    for (const layer of manifest.layers) {
      if (paths.has(layer.digest)) continue;
      const path = `${folder}/${layer.digest}`;
      await registry.blob(repository, layer, path);
      paths.set(layer.digest, path);
    }
    const pathOf = (layer: Descriptor): string => paths.get(layer.digest) ?? '';
    const content: Content =
      kind.kind === 'image'
        ? { kind: 'image', layers: kind.layers.map(pathOf) }
        : {
            kind: 'files',
            files: kind.files.map((file) => ({
              title: file.title,
              path: pathOf(file.descriptor),
              sha256: file.descriptor.digest,
            })),
          };
    return { sha256: top, manifest: digest, content };
  } catch (error) {
    throw named(reference, error);
  }
};
