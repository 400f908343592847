/**
 * A stand-in for a transparency log like Rekor: it signs whatever it is given, and keeps each entry in a tree of its own. Its
 * promises, proofs and checkpoints are real ones.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const hash = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

export type Entry = {
  readonly body: string;
  readonly integratedTime: number;
  readonly logIndex: number;
  /** Hexadecimal. */
  readonly logID: string;
  readonly promise: string;
  readonly proof: { readonly rootHash: string; readonly checkpoint: string };
};

export const makeLog = (name = 'log.example') => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const id = hash(publicKey.export({ type: 'spki', format: 'der' }));
  const logID = id.toString('hex');
  const signed = (text: string): Buffer => sign('sha256', Buffer.from(text), privateKey);
  return {
    name,
    id,
    publicKey: publicKey as KeyObject,
    /** `body`: what was signed, in JSON with sorted keys; `at`: epoch seconds. */
    add: (given: string, at: number): Entry => {
      const body = Buffer.from(given).toString('base64');
      const logIndex = 7;
      const promise = signed(JSON.stringify({ body, integratedTime: at, logID, logIndex })).toString(
        'base64',
      );
      const rootHash = hash(Buffer.concat([Buffer.from([0]), Buffer.from(given)]));
      const note = `${name} - 1\n1\n${rootHash.toString('base64')}\n`;
      const signature = Buffer.concat([id.subarray(0, 4), signed(note)]).toString('base64');
      const checkpoint = `${note}\n\u2014 ${name} ${signature}\n`;
      return {
        body,
        integratedTime: at,
        logIndex,
        logID,
        promise,
        proof: { rootHash: rootHash.toString('base64'), checkpoint },
      };
    },
  };
};

export type Log = ReturnType<typeof makeLog>;

/** The entry for a signature of a file; `pem`: the certificate or the public key. */
export const recordOf = (signature: string, sha256: string, pem: string): string =>
  JSON.stringify({
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: sha256 } },
      signature: { content: signature, publicKey: { content: Buffer.from(pem).toString('base64') } },
    },
  });

/** The entry for a statement in an envelope. */
export const envelopeRecordOf = (signature: string, payload: Buffer, pem: string): string =>
  JSON.stringify({
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      payloadHash: { algorithm: 'sha256', value: hash(payload).toString('hex') },
      signatures: [{ signature, verifier: Buffer.from(pem).toString('base64') }],
    },
  });

/** As a log of the second version has it, with DER. */
export const secondRecordOf = (signature: string, sha256: Buffer, certificate: Buffer): string =>
  JSON.stringify({
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: {
      hashedRekordV002: {
        data: { algorithm: 'SHA2_256', digest: sha256.toString('base64') },
        signature: {
          content: signature,
          verifier: {
            keyDetails: 'PKIX_ECDSA_P256_SHA_256',
            x509Certificate: { rawBytes: certificate.toString('base64') },
          },
        },
      },
    },
  });
