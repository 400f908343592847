/**
 * Whose the entry of a log is. The library compares its signature and its digest, but another key may be found that verifies a
 * signature: the log would show the entry to those who look for that key.
 */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { fields, items, parseJson } from '../../protocol/json.ts';
import { refuse } from './forms.ts';
import type { SignedEntity } from './library.ts';

type Fields = Readonly<Record<string, unknown>>;

const ofPem = (value: unknown): Buffer => {
  const pem = Buffer.from(String(value), 'base64').toString('latin1');
  return pem.includes('BEGIN CERTIFICATE')
    ? new X509Certificate(pem).raw
    : createPublicKey(pem).export({ type: 'spki', format: 'der' });
};

const ofVerifier = (signature: unknown): Buffer => {
  const { publicKey, x509Certificate } = fields(fields(signature).verifier);
  const { rawBytes } = fields(x509Certificate ?? publicKey);
  return Buffer.from(String(rawBytes), 'base64');
};

const first = (list: unknown): Fields => fields(items(list)[0]);

/** By kind and version of the entry, where its key or certificate is: https://github.com/sigstore/rekor/tree/main/pkg/types */
const places: Readonly<Record<string, (spec: Fields) => Buffer>> = {
  'hashedrekord 0.0.1': ({ signature }) => ofPem(fields(fields(signature).publicKey).content),
  'dsse 0.0.1': ({ signatures }) => ofPem(first(signatures).verifier),
  'intoto 0.0.2': ({ content }) => ofPem(first(fields(fields(content).envelope).signatures).publicKey),
  'hashedrekord 0.0.2': ({ hashedRekordV002 }) => ofVerifier(fields(hashedRekordV002).signature),
  'dsse 0.0.2': ({ dsseV002 }) => ofVerifier(first(fields(dsseV002).signatures)),
};

/** `raw`: of the key or the certificate that verified the signature, in DER. */
export const mustBeLogged = ({ tlogEntries }: SignedEntity, raw: Buffer): void => {
  for (const { canonicalizedBody } of tlogEntries) {
    const { kind, apiVersion, spec } = fields(parseJson(canonicalizedBody.toString('utf8')));
    const place = places[`${kind} ${apiVersion}`];
    if (place === undefined)
      throw refuse('no-log-proof', 'the log has it in a form that is not known here, so not with whose key');
    if (!read(place, fields(spec)).equals(raw))
      throw refuse('no-log-proof', 'the log has it with another key or certificate');
  }
};

const read = (place: (spec: Fields) => Buffer, spec: Fields): Buffer => {
  try {
    return place(spec);
  } catch (error) {
    throw refuse('bad-signature', 'the key in its entry of the log cannot be read', error);
  }
};
