/** Reads the public key of a policy. Only kinds whose strength is known and that cosign makes are taken. */
import { createPublicKey, type KeyObject } from 'node:crypto';

const curves = ['prime256v1', 'secp384r1', 'secp521r1'];
const leastRsaBits = 2048;

/** Throws an Error whose message says what is wrong with the text. */
export const publicKeyOf = (pem: string): KeyObject => {
  // Node makes a public key of a private one, too, and of a certificate, whose dates would count for nothing.
  if (/PRIVATE KEY-----/.test(pem)) throw new Error('it is a private key, which must not be on a node');
  const blocks = pem.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g) ?? [];
  const [only] = blocks;
  if (only === undefined || blocks.length !== 1)
    throw new Error('one public key in PEM is expected (BEGIN PUBLIC KEY)');
  let key: KeyObject;
  try {
    key = createPublicKey(only);
  } catch {
    throw new Error('it is no public key');
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ec' && curves.includes(details?.namedCurve ?? '')) return key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= leastRsaBits) return key;
  throw new Error('a key of ECDSA (P-256, P-384, P-521) or RSA (2048 bits or more) is expected');
};
