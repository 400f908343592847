/** A stand-in for a log of certificates: it takes every certificate. What it makes are real promises of RFC 6962. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const hash = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

const sized = (bytes: Buffer, width: 2 | 3): Buffer => {
  const size = Buffer.alloc(width);
  size.writeUIntBE(bytes.length, 0, width);
  return Buffer.concat([size, bytes]);
};

export const makeCertificateLog = (name = 'certificates.example') => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const id = hash(publicKey.export({ type: 'spki', format: 'der' }));
  return {
    name,
    id,
    publicKey: publicKey as KeyObject,
    /** The list of one promise. `issuer`: its key in DER; `body`: the certificate without this list and without a signature. */
    promise: (issuer: Buffer, body: Buffer): Buffer => {
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(Date.now()));
      const none = Buffer.from([0, 0]);
      const [version, certificateTimestamp, entryOfPrecert] = [
        Buffer.from([0]),
        Buffer.from([0]),
        Buffer.from([0, 1]),
      ];
      const entry = Buffer.concat([hash(issuer), sized(body, 3)]);
      const signed = Buffer.concat([version, certificateTimestamp, time, entryOfPrecert, entry, none]);
      const signature = sized(sign('sha256', signed, privateKey), 2);
      const sha256Ecdsa = Buffer.from([4, 3]);
      return sized(sized(Buffer.concat([version, id, time, none, sha256Ecdsa, signature]), 2), 2);
    },
  };
};

export type CertificateLog = ReturnType<typeof makeCertificateLog>;
