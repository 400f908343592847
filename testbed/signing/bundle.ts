/** Bundles of Sigstore as cosign would write them, with the stand-ins of this folder. */
import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { pemOf } from './authority.ts';
import { type Entry, envelopeRecordOf, type Log, recordOf, secondRecordOf } from './log.ts';

export type Signing = {
  readonly bytes: Buffer;
  readonly key: KeyObject;
  /** DER. Without it, the key stands for itself. */
  readonly certificate?: Buffer;
  /** `at`: epoch seconds; `as`: another certificate or key than the one that signed, in PEM. */
  readonly log?: { readonly of: Log; readonly at: number; readonly as?: string };
  /** RFC 3161, DER. */
  readonly timestamp?: (signature: Buffer) => Buffer;
  /** Without the promise of the log, which has its time. */
  readonly proofAlone?: boolean;
  /** The entry is one of the second version of logs; `as` is DER in PEM there, too. */
  readonly second?: boolean;
};

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

const ownPem = ({ key, certificate }: Pick<Signing, 'key' | 'certificate'>): string =>
  certificate
    ? pemOf('CERTIFICATE', certificate)
    : createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();

const derOf = (pem: string): Buffer => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');

const madeOf = ({ bytes, log, second, ...by }: Signing) => {
  const signature = sign('sha256', bytes, by.key);
  const pem = log?.as ?? ownPem(by);
  const text = signature.toString('base64');
  const record = second
    ? secondRecordOf(text, sha256(bytes), derOf(pem))
    : recordOf(text, sha256(bytes).toString('hex'), pem);
  return { signature, entry: log?.of.add(record, log.at) };
};

const kindVersionOf = ({ body }: Entry): object => {
  const { kind, apiVersion } = JSON.parse(Buffer.from(body, 'base64').toString());
  return { kind, version: apiVersion };
};

const entryOf = (entry: Entry, proofAlone?: boolean): object => ({
  logIndex: String(entry.logIndex),
  logId: { keyId: Buffer.from(entry.logID, 'hex').toString('base64') },
  kindVersion: kindVersionOf(entry),
  integratedTime: String(entry.integratedTime),
  ...(proofAlone ? {} : { inclusionPromise: { signedEntryTimestamp: entry.promise } }),
  inclusionProof: {
    logIndex: '0',
    treeSize: '1',
    rootHash: entry.proof.rootHash,
    hashes: [],
    checkpoint: { envelope: entry.proof.checkpoint },
  },
  canonicalizedBody: entry.body,
});

/** Version 0.3, as JSON that a test may still change. */
export const bundleOf = (given: Signing) => {
  const { signature, entry } = madeOf(given);
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {
      ...(given.certificate
        ? { certificate: { rawBytes: given.certificate.toString('base64') } }
        : { publicKey: { hint: '' } }),
      tlogEntries: entry ? [entryOf(entry, given.proofAlone)] : [],
      timestampVerificationData: {
        rfc3161Timestamps: given.timestamp
          ? [{ signedTimestamp: given.timestamp(signature).toString('base64') }]
          : [],
      },
    },
    messageSignature: {
      messageDigest: { algorithm: 'SHA2_256', digest: sha256(given.bytes).toString('base64') },
      signature: signature.toString('base64'),
    },
  };
};

/** What `cosign sign-blob --bundle` of version 2 writes. */
export const oldBundleOf = (given: Signing): object => {
  const { signature, entry } = madeOf(given);
  const cert = given.certificate && Buffer.from(pemOf('CERTIFICATE', given.certificate)).toString('base64');
  return {
    base64Signature: signature.toString('base64'),
    ...(cert ? { cert } : {}),
    ...(entry
      ? {
          rekorBundle: {
            SignedEntryTimestamp: entry.promise,
            Payload: {
              body: entry.body,
              integratedTime: entry.integratedTime,
              logIndex: entry.logIndex,
              logID: entry.logID,
            },
          },
        }
      : {}),
  };
};

/** A statement of in-toto in an envelope, signed with a certificate. */
export const statementOf = (
  statement: object,
  { key, certificate, log }: Pick<Signing, 'key' | 'certificate' | 'log'>,
): object => {
  const payload = Buffer.from(JSON.stringify(statement));
  const type = 'application/vnd.in-toto+json';
  const signed = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
  const sig = sign('sha256', signed, key).toString('base64');
  const pem = log?.as ?? ownPem({ key, ...(certificate ? { certificate } : {}) });
  const entry = log?.of.add(envelopeRecordOf(sig, payload, pem), log.at);
  return {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {
      ...(certificate
        ? { certificate: { rawBytes: certificate.toString('base64') } }
        : { publicKey: { hint: '' } }),
      tlogEntries: entry ? [entryOf(entry)] : [],
    },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: type,
      signatures: [{ sig, keyid: '' }],
    },
  };
};
