/**
 * What a signature is about: the artifact itself, as a stream, or a statement that names its digest. The library would want
 * the whole artifact in memory, and would believe the digest that a bundle states.
 */
import { createHash, createVerify, type KeyObject, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { fields } from '../../protocol/json.ts';
import { refuse } from './forms.ts';
import { type Bundle, HashAlgorithm, type SignedEntity } from './library.ts';
import { strictJson } from './strict-json.ts';

/** A file, or bytes in memory: the manifest of an image. */
export type Artifact = { readonly sha256: string } & ({ readonly path: string } | { readonly bytes: Buffer });

type Content = SignedEntity['signature'];

/** Statements that say "this is ours": others (a scan, an inventory) may say anything about an artifact. */
const predicates = [
  'https://sigstore.dev/cosign/sign/v1',
  'https://slsa.dev/provenance/v1',
  'https://slsa.dev/provenance/v0.2',
];

const same = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

/** Checks that the bundle is about this artifact; the result verifies its signature. `found`: the library's own content. */
export const contentOf = async (bundle: Bundle, artifact: Artifact, found: Content): Promise<Content> => {
  const { content } = bundle;
  if (content.$case === 'dsseEnvelope') {
    mustName(content.dsseEnvelope.payloadType, content.dsseEnvelope.payload, artifact.sha256);
    return found;
  }
  const { signature, messageDigest } = content.messageSignature;
  if (messageDigest.algorithm !== HashAlgorithm.SHA2_256)
    throw refuse('bad-signature', 'it is of another digest than sha256');
  const stated = Buffer.from(messageDigest.digest).toString('hex');
  if (stated !== artifact.sha256)
    throw refuse(
      'other-artifact',
      `it is the signature of another artifact, with sha256 ${stated.slice(0, 64)}`,
    );
  return streamed(artifact, signature);
};

const streamed = async (artifact: Artifact, signature: Buffer): Promise<Content> => {
  const digest = Buffer.from(artifact.sha256, 'hex');
  const verify = createVerify('sha256');
  const hash = createHash('sha256');
  for await (const piece of 'path' in artifact ? createReadStream(artifact.path) : [artifact.bytes]) {
    verify.update(piece as Buffer);
    hash.update(piece as Buffer);
  }
  if (!same(hash.digest(), digest))
    throw refuse('other-artifact', 'the artifact changed after its digest was verified');
  const isOurs = (other: Buffer): boolean => same(other, digest);
  const content = {
    signature,
    compareSignature: (other: Buffer) => same(other, signature),
    compareDigest: isOurs,
    compareSignedDigest: isOurs,
    verifySignature: (key: KeyObject) => {
      try {
        return verify.verify(key, signature);
      } catch {
        return false;
      }
    },
  };
  return content;
};

/**
 * What cosign signs for an image: JSON that names the digest of its manifest. Of which repository it was is not compared, as a
 * mirror has it under another name.
 * https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
export const payloadOf = (payload: Buffer, sha256: string): Artifact => {
  let critical: Readonly<Record<string, unknown>>;
  try {
    critical = fields(fields(strictJson(payload.toString('utf8'))).critical);
  } catch (error) {
    throw refuse('bad-signature', 'its payload cannot be read', error);
  }
  if (critical.type !== 'cosign container image signature')
    throw refuse('bad-signature', 'its payload is none of a signature of cosign');
  if (fields(critical.image)['docker-manifest-digest'] !== `sha256:${sha256}`)
    throw refuse('other-artifact', 'it is the signature of another image');
  return { bytes: payload, sha256: createHash('sha256').update(payload).digest('hex') };
};

/** https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md */
const mustName = (type: string, payload: Buffer, sha256: string): void => {
  let statement: Readonly<Record<string, unknown>>;
  try {
    statement = fields(strictJson(payload.toString('utf8')));
  } catch (error) {
    throw refuse('bad-signature', 'its statement cannot be read', error);
  }
  const { predicateType, subject } = statement;
  if (type !== 'application/vnd.in-toto+json' || typeof predicateType !== 'string')
    throw refuse('bad-signature', 'its statement is none of in-toto');
  if (!predicates.includes(predicateType))
    throw refuse('bad-signature', 'its statement is neither a signature nor a provenance');
  const subjects = Array.isArray(subject) ? subject : [];
  if (!subjects.some((one) => fields(fields(one).digest).sha256 === sha256))
    throw refuse('other-artifact', 'it is a statement about another artifact');
};
