/**
 * The forms in which signatures are published: bundles of Sigstore, the older ones of cosign, and a signature with or without
 * a certificate in a file of its own. All become a bundle of Sigstore, so that one verification judges all of them.
 */
import { fields } from '../../protocol/json.ts';
import { Failure, type Code } from '../../protocol/problem/problem.ts';
import { type Bundle, bundleFromJSON } from './library.ts';
import { strictJson } from './strict-json.ts';

/** What was found beside an artifact. */
export type SignatureFile =
  | { readonly kind: 'bundle'; readonly text: string }
  | { readonly kind: 'signature'; readonly text: string; readonly certificate?: string }
  /** Of cosign: the signature is of a payload that names the image. `certificate` is PEM, `rekor` JSON. */
  | {
      readonly kind: 'image';
      readonly payload: Buffer;
      readonly signature: string;
      readonly certificate?: string;
      readonly rekor?: string;
    };

export const refuse = (code: Code, message: string, detail?: unknown): Failure =>
  new Failure({
    code,
    message,
    ...(detail instanceof Error ? { detail: detail.message.slice(0, 400) } : {}),
  });

/** A signature has one entry of a log, rarely two. Each costs the verification of a signature. */
const mostProofs = 8;

/** `sha256`: of what is signed, which the older forms do not name. */
export const readForm = (file: SignatureFile, sha256: string): Bundle => {
  try {
    const bundle = bundleFromJSON(jsonOf(file, sha256));
    const { tlogEntries, timestampVerificationData } = bundle.verificationMaterial;
    if (tlogEntries.length + (timestampVerificationData?.rfc3161Timestamps.length ?? 0) > mostProofs)
      throw new Error('it has too many proofs');
    const bodies = new Set(tlogEntries.map((entry) => entry.canonicalizedBody.toString('base64')));
    if (bodies.size < tlogEntries.length) throw new Error('it has a proof twice');
    return bundle;
  } catch (error) {
    throw refuse('bad-signature', 'it cannot be read as a signature or a bundle of Sigstore', error);
  }
};

const jsonOf = (file: SignatureFile, sha256: string): unknown => {
  switch (file.kind) {
    case 'bundle':
      return bundleOf(file.text, sha256);
    case 'signature':
      return fromCosign({ base64Signature: file.text, cert: file.certificate }, sha256);
    case 'image': {
      const rekorBundle = file.rekor === undefined ? undefined : strictJson(file.rekor);
      return fromCosign({ base64Signature: file.signature, cert: file.certificate, rekorBundle }, sha256);
    }
  }
};

const bundleOf = (text: string, sha256: string): unknown => {
  const value = fields(strictJson(text));
  return 'base64Signature' in value ? fromCosign(value, sha256) : value;
};

/** https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto, in its version for older signatures. */
const bundled = (
  signature: string,
  certificate: string | undefined,
  tlogEntries: readonly object[],
  sha256: string,
): unknown => ({
  mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
  verificationMaterial: {
    ...(certificate === undefined
      ? { publicKey: { hint: '' } }
      : { x509CertificateChain: { certificates: [{ rawBytes: certificate }] } }),
    tlogEntries,
  },
  messageSignature: {
    messageDigest: { algorithm: 'SHA2_256', digest: Buffer.from(sha256, 'hex').toString('base64') },
    signature,
  },
});

/** What `cosign sign-blob --bundle` of version 2 writes: https://docs.sigstore.dev/cosign/verifying/verify/ */
const fromCosign = (value: Readonly<Record<string, unknown>>, sha256: string): unknown => {
  const { base64Signature, cert, rekorBundle } = value;
  const entry = fields(rekorBundle);
  const payload = fields(entry.Payload);
  const certificate = typeof cert === 'string' && cert !== '' ? derOf(cert) : undefined;
  if (rekorBundle === undefined || rekorBundle === null)
    return bundled(base64(base64Signature), certificate, [], sha256);
  const body = base64(payload.body);
  const { kind, apiVersion } = fields(strictJson(Buffer.from(body, 'base64').toString('utf8')));
  const proof = {
    logIndex: whole(payload.logIndex),
    logId: { keyId: Buffer.from(hex(payload.logID), 'hex').toString('base64') },
    kindVersion: { kind, version: apiVersion },
    integratedTime: whole(payload.integratedTime),
    inclusionPromise: { signedEntryTimestamp: base64(entry.SignedEntryTimestamp) },
    canonicalizedBody: body,
  };
  return bundled(base64(base64Signature), certificate, [proof], sha256);
};

const whole = (value: unknown): string => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw new Error('a whole number is expected');
  return String(value);
};

const hex = (value: unknown): string => {
  if (typeof value !== 'string' || !/^([0-9a-f]{2})+$/.test(value))
    throw new Error('hexadecimal digits are expected');
  return value;
};

/** Strict: Node skips what is no base64. */
const base64 = (value: unknown): string => {
  const text = typeof value === 'string' ? value.replace(/\s/g, '') : '';
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text) || text === '')
    throw new Error('base64 is expected');
  return text;
};

/** The first certificate of a PEM text; cosign writes that text in base64 once more. */
const derOf = (text: string): string => {
  const pem = text.includes('-----BEGIN') ? text : Buffer.from(base64(text), 'base64').toString('latin1');
  const body = /-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/.exec(pem)?.[1];
  if (body === undefined) throw new Error('a certificate in PEM is expected');
  return base64(body);
};
