/**
 * The signatures of an image or artifact in a registry: bundles and signatures of cosign that refer to its manifest, and those under
 * the tag that cosign makes of its digest. That something refers to a manifest proves nothing.
 */
import { type Code, Failure } from '../../protocol/problem/problem.ts';
import { together } from '../http/deadlines.ts';
import type { Descriptor } from '../registry/manifest.ts';
import type { Reference } from '../registry/reference.ts';
import { openRegistry, type Registry, type RegistryOptions } from '../registry/registry.ts';
import type { SignatureFile } from './forms.ts';

/** `sha256` and `bytes`: of the manifest or index that it should be of; `name`: for messages. */
export type Attached = {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: Buffer;
  readonly file: () => Promise<SignatureFile>;
};

/** A user who may push can attach anything: each costs a request and the verification of a signature. */
const most = 32;

const bundleType = /^application\/vnd\.dev\.sigstore\.bundle(\.v0\.\d+\+json|\+json;version=0\.\d+)$/;
const cosignTypes = [
  'application/vnd.dev.cosign.artifact.sig.v1+json',
  // Where a registry lacks the API of referrers, cosign 2.5 lists its bundles by the type of their configuration.
  'application/vnd.oci.empty.v1+json',
];
const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md */
const annotation = {
  signature: 'dev.cosignproject.cosign/signature',
  certificate: 'dev.sigstore.cosign/certificate',
  rekor: 'dev.sigstore.cosign/bundle',
};

/** The tag under which cosign puts the signatures of a manifest. */
export const cosignTag = (sha256: string): string => `sha256-${sha256}.sig`;

export const isMissing = (error: unknown): boolean =>
  error instanceof Failure && error.problem.code === 'download-refused';

/** Throws as `download`, and `bad-archive`. `maxBytes`: of one signature. */
export const attachedSignatures = async (
  { host, repository }: Reference,
  digests: readonly string[],
  maxBytes: number,
  options: Omit<RegistryOptions, 'host'>,
): Promise<readonly Attached[]> => {
  const registry = openRegistry({
    ...options,
    host,
    // A signature proves itself, so who brings it does not matter: also not who says what its tag means.
    endpointsOf: async (image) =>
      (await options.endpointsOf(image)).map((one) => ({ ...one, resolves: one.resolves || one.pulls })),
    http: together({ ...options.http, decidesNothing: true }),
  });
  return attachedTo(registry, repository, digests, maxBytes);
};

type Candidate = Omit<Attached, 'bytes'>;

export const attachedTo = async (
  registry: Registry,
  repository: string,
  digests: readonly string[],
  maxBytes: number,
): Promise<readonly Attached[]> => {
  const found: Candidate[] = [];
  for (const sha256 of new Set(digests)) {
    const referrers = (await registry.referrers(repository, sha256)).filter(
      ({ artifactType = '' }) => bundleType.test(artifactType) || cosignTypes.includes(artifactType),
    );
    // One that turns out to have no signature costs its request, too.
    for (const { digest } of referrers.slice(0, most))
      found.push(...(await inReferrer(registry, repository, digest, sha256, maxBytes)));
    found.push(...(await underTag(registry, repository, sha256, maxBytes)));
  }
  const known = new Map<string, Buffer>();
  for (const { sha256 } of found)
    if (!known.has(sha256))
      known.set(sha256, (await registry.manifest(repository, { digest: sha256 })).bytes);
  return found.slice(0, most).map((one) => ({ ...one, bytes: known.get(one.sha256) ?? Buffer.alloc(0) }));
};

/** Of the one referrer: a user who may push can list what is not there, and a clean-up may leave the list. */
const itsFault: readonly Code[] = ['download-refused', 'bad-archive', 'digest-mismatch', 'too-large'];

const inReferrer = async (
  registry: Registry,
  repository: string,
  digest: string,
  sha256: string,
  maxBytes: number,
): Promise<readonly Candidate[]> => {
  try {
    return await inManifest(registry, repository, { digest }, sha256, maxBytes);
  } catch (error) {
    if (!(error instanceof Failure) || !itsFault.includes(error.problem.code)) throw error;
    return [{ name: `sha256:${digest}`, sha256, file: () => Promise.reject(error) }];
  }
};

const underTag = async (
  registry: Registry,
  repository: string,
  sha256: string,
  maxBytes: number,
): Promise<readonly Candidate[]> => {
  try {
    return await inManifest(registry, repository, { tag: cosignTag(sha256) }, sha256, maxBytes);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
};

const inManifest = async (
  registry: Registry,
  repository: string,
  which: { readonly digest: string } | { readonly tag: string },
  sha256: string,
  maxBytes: number,
): Promise<readonly Candidate[]> => {
  const { manifest } = await registry.manifest(repository, which);
  if (manifest.kind === 'index') return [];
  const name = 'tag' in which ? which.tag : `sha256:${which.digest}`;
  return manifest.layers
    .filter(({ mediaType }) => bundleType.test(mediaType) || mediaType === payloadType)
    .map((layer) => ({
      name,
      sha256,
      file: async () => {
        if (layer.size > maxBytes)
          throw new Failure({
            code: 'bad-signature',
            message: `it is larger than ${maxBytes} bytes, and so is no signature`,
          });
        return fileOf(layer, await registry.read(repository, layer));
      },
    }));
};

const fileOf = ({ mediaType, annotations }: Descriptor, bytes: Buffer): SignatureFile => {
  if (mediaType !== payloadType) return { kind: 'bundle', text: bytes.toString() };
  const { [annotation.certificate]: certificate, [annotation.rekor]: rekor } = annotations;
  return {
    kind: 'image',
    payload: bytes,
    signature: annotations[annotation.signature] ?? '',
    ...(certificate ? { certificate } : {}),
    ...(rekor ? { rekor } : {}),
  };
};
