/**
 * Verifies one signature of one artifact against what a policy requires. Nothing is fetched: keys, authorities and logs are those
 * that the policy gives. The cryptography is the library's (library.ts).
 */
import { createHash, type KeyObject } from 'node:crypto';
import { Failure } from '../../protocol/problem/problem.ts';
import { checkCertificate, checkIdentity, type Identity } from './certificate.ts';
import { type Artifact, contentOf, payloadOf } from './content.ts';
import { readForm, refuse, type SignatureFile } from './forms.ts';
import { publicKeyOf } from './key.ts';
import {
  type Bundle,
  type SignedEntity,
  type Signer,
  toSignedEntity,
  toTrustMaterial,
  type TrustMaterial,
  TrustedRoot,
  VerificationError,
  Verifier,
} from './library.ts';
import { mustBeLogged } from './logged.ts';
import { strictJson } from './strict-json.ts';

export type Requirement = {
  readonly by: /** PEM. */
  { readonly kind: 'key'; readonly key: string } | ({ readonly kind: 'identity' } & Identity);
  /** A trusted_root.json of Sigstore. */
  readonly root?: string;
  readonly transparencyLog: boolean;
  readonly timestamp: boolean;
};

/** Who signed, and what others proved of it. */
export type Proven = { readonly signer: string; readonly log: boolean; readonly timestamp: boolean };

/**
 * `now`: epoch milliseconds. Throws a Failure with one of the codes in protocol/problem/problem-signatures.ts, whose message
 * speaks of the signature as "it".
 */
export const verifySignature = async (
  file: SignatureFile,
  artifact: Artifact,
  requirement: Requirement,
  now: number,
): Promise<Proven> => {
  const { by } = requirement;
  const signed = file.kind === 'image' ? payloadOf(file.payload, artifact.sha256) : artifact;
  const bundle = readForm(file, signed.sha256);
  const key = by.kind === 'key' ? publicKeyOf(by.key) : undefined;
  const trust = trustOf(requirement.root, key);
  const entity = await entityOf(bundle, signed, requirement, trust);
  const proven = {
    log: entity.tlogEntries.length > 0,
    timestamp: entity.timestamps.some(({ $case }) => $case === 'timestamp-authority'),
  };
  if (by.kind === 'key') {
    if (key === undefined) throw refuse('signature-policy', 'the policy has no key');
    // Whatever the bundle names as its key: that of the policy is meant.
    judge({ ...entity, key: { $case: 'public-key', hint: '' } }, trust, by.kind);
    mustBeLogged(entity, key.export({ type: 'spki', format: 'der' }));
    return { signer: `key sha256:${fingerprint(key)}`, ...proven };
  }
  if (entity.key.$case !== 'certificate')
    throw refuse('untrusted-signer', 'it was made with a key, and a certificate is required');
  const raw = certificateIn(bundle);
  // Read when it is asked for.
  const times = guarded(() => timesOf(entity));
  checkCertificate(raw, times.length > 0 ? times : [new Date(now)], times.length > 0);
  const signer = judge(times.length > 0 ? entity : at(entity, now), trust, by.kind);
  mustBeLogged(entity, raw);
  checkIdentity(raw, signer, by);
  return { signer: `${by.identity} (${by.issuer})`, ...proven };
};

/** SHA-256 of the key in DER. */
export const fingerprint = (key: KeyObject): string =>
  createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');

const trustOf = (root: string | undefined, key: KeyObject | undefined): TrustMaterial => {
  try {
    const read = TrustedRoot.fromJSON(root === undefined ? {} : strictJson(root));
    return toTrustMaterial(read, () => {
      if (key === undefined) throw new Error('no key');
      return { publicKey: key, validFor: () => true };
    });
  } catch (error) {
    throw refuse('signature-policy', 'the trust root of the policy cannot be read', error);
  }
};

/** With the proofs that the policy can judge and wants; what is left out proves nothing, and is not relied on. */
const entityOf = async (
  bundle: Bundle,
  artifact: Artifact,
  { by, transparencyLog, timestamp }: Requirement,
  trust: TrustMaterial,
): Promise<SignedEntity> => {
  const entity = guarded(() => toSignedEntity(bundle, Buffer.alloc(0)));
  const ofIdentity = by.kind === 'identity';
  const hasLog = transparencyLog || (ofIdentity && trust.tlogs.length > 0);
  const hasTime = timestamp || (ofIdentity && trust.timestampAuthorities.length > 0);
  const signature = await contentOf(bundle, artifact, entity.signature);
  const tlogEntries = hasLog ? entity.tlogEntries : [];
  const timestamps = entity.timestamps.filter(({ $case }) =>
    $case === 'timestamp-authority' ? hasTime : hasLog,
  );
  if (transparencyLog && tlogEntries.length === 0)
    throw refuse('no-log-proof', 'it has no proof of a transparency log');
  if (timestamp && !timestamps.some(({ $case }) => $case === 'timestamp-authority'))
    throw refuse('no-timestamp', 'it has no timestamp of an authority');
  return { ...entity, signature, tlogEntries, timestamps };
};

/** The library takes a log's time only where the log signed it. */
const timesOf = ({ timestamps }: SignedEntity): readonly Date[] =>
  timestamps.flatMap((one) => {
    if (one.$case === 'timestamp-authority') return [one.timestamp.signingTime];
    return one.tlogEntry.inclusionPromise ? [new Date(Number(one.tlogEntry.integratedTime) * 1000)] : [];
  });

/** Without a proven time the certificate must be in force now: the clock of this host is the source of that time. */
const at = (entity: SignedEntity, now: number): SignedEntity => ({
  ...entity,
  timestamps: [
    {
      $case: 'transparency-log',
      tlogEntry: {
        logIndex: '0',
        logId: { keyId: Buffer.alloc(0) },
        kindVersion: { kind: '', version: '' },
        integratedTime: String(Math.floor(now / 1000)),
        inclusionPromise: { signedEntryTimestamp: Buffer.alloc(0) },
        inclusionProof: undefined,
        canonicalizedBody: Buffer.alloc(0),
      },
    },
  ],
});

const judge = (entity: SignedEntity, trust: TrustMaterial, kind: 'key' | 'identity'): Signer =>
  guarded(() => {
    // What is required was counted before: here each proof that is left must hold.
    const verifier = new Verifier(trust, {
      ctlogThreshold: trust.ctlogs.length > 0 ? 1 : 0,
      tlogThreshold: 0,
      timestampThreshold: 0,
    });
    return verifier.verify(entity);
  }, kind);

/** Whatever a damaged bundle makes the library throw. */
const guarded = <T>(work: () => T, kind?: 'key' | 'identity'): T => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Failure) throw error;
    if (!(error instanceof VerificationError)) throw refuse('bad-signature', 'it is damaged', error);
    switch (error.code) {
      case 'SIGNATURE_ERROR':
        throw kind === 'key'
          ? refuse('wrong-key', 'it was not made with the key of the policy, or is of other bytes')
          : refuse('other-artifact', 'it was not made with its certificate, or is of other bytes');
      case 'CERTIFICATE_ERROR':
        if (/\bSCTs?\b/.test(error.message))
          throw refuse(
            'untrusted-signer',
            'its certificate is in no certificate log of the trust root',
            error,
          );
        throw refuse('untrusted-signer', 'its certificate is of no authority of the trust root', error);
      case 'TIMESTAMP_ERROR':
        throw refuse(
          'no-timestamp',
          'its timestamp is of no authority of the trust root, or of another signature',
          error,
        );
      case 'TLOG_BODY_ERROR':
        throw refuse('no-log-proof', 'its proof of a transparency log is of another signature', error);
      default:
        throw refuse('no-log-proof', 'its proof is of no log of the trust root, or does not hold', error);
    }
  }
};

const certificateIn = ({ verificationMaterial: { content } }: Bundle): Buffer => {
  if (content.$case === 'certificate') return Buffer.from(content.certificate.rawBytes);
  const first =
    content.$case === 'x509CertificateChain' ? content.x509CertificateChain.certificates[0] : undefined;
  return Buffer.from(first?.rawBytes ?? []);
};
