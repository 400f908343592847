/** What the library does not ask of a signer's certificate: that it is for signing code, in force, and of exactly this identity. */
import { X509Certificate } from 'node:crypto';
import { refuse } from './forms.ts';
import type { Signer } from './library.ts';

export type Identity = { readonly identity: string; readonly issuer: string };

/** id-kp-codeSigning: https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12 */
const codeSigning = '1.3.6.1.5.5.7.3.3';
/** https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md */
const issuerOids = { second: '1.3.6.1.4.1.57264.1.8', first: '1.3.6.1.4.1.57264.1.1' };

const shown = (text: string | undefined): string => JSON.stringify((text ?? 'nothing').slice(0, 200));

/**
 * Node looks for PEM in what it is given before it reads it as DER, and the library reads DER alone, with parts that belong to no
 * certificate: so the names of one certificate could be compared, and the key of another one verify. In base64 there is no
 * other text, and what is not the whole of the bytes is refused.
 */
const certificateOf = (raw: Buffer): X509Certificate => {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(
      `-----BEGIN CERTIFICATE-----\n${raw.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    );
  } catch (error) {
    throw refuse('bad-signature', 'its certificate cannot be read', error);
  }
  if (certificate.raw.equals(raw)) return certificate;
  throw refuse('bad-signature', 'its certificate has more in it than a certificate');
};

/** `times`: when it must have been in force. `proven`: whether others than this host say so. */
export const checkCertificate = (raw: Buffer, times: readonly Date[], proven: boolean): void => {
  const certificate = certificateOf(raw);
  if (!certificate.keyUsage?.includes(codeSigning))
    throw refuse('untrusted-signer', 'its certificate is not for the signing of code');
  const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)];
  const outside = times.find((time) => time < from || time > to);
  if (outside === undefined) return;
  const span = `its certificate is valid from ${from.toISOString()} to ${to.toISOString()}`;
  throw refuse(
    'certificate-expired',
    proven
      ? `${span}, and it was signed at ${outside.toISOString()}`
      : `${span}, it is ${outside.toISOString()} on this node, and nothing proves when it was signed`,
  );
};

/**
 * Bytes are compared, and the whole of what the certificate states: with two names in it, the one could be compared and the
 * other be meant. A name in the certificate is no pattern.
 */
export const checkIdentity = (raw: Buffer, signer: Signer, wanted: Identity): void => {
  const { subjectAltName } = certificateOf(raw);
  const isPattern = wanted.identity.endsWith('/*');
  const start = isPattern ? wanted.identity.slice(0, -1) : wanted.identity;
  const fits = ['URI:', 'email:'].some((kind) => {
    const whole = `${kind}${start}`;
    if (!isPattern) return subjectAltName === whole;
    // Node puts what could be taken for several names in quotes.
    return (
      subjectAltName?.startsWith(whole) === true &&
      /^[\w./@:+=~%-]+$/.test(subjectAltName.slice(whole.length))
    );
  });
  if (!fits)
    throw refuse(
      'wrong-identity',
      `it was signed by ${shown(subjectAltName)}, and not by ${shown(wanted.identity)}`,
    );
  const oids = signer.identity?.oids ?? [];
  const issuer = (oid: string): readonly Buffer[] =>
    oids.filter(({ oid: found }) => found?.id.join('.') === oid).map(({ value }) => Buffer.from(value));
  const text = Buffer.from(wanted.issuer);
  const second = issuer(issuerOids.second);
  const [given, ...more] = second.length > 0 ? second : issuer(issuerOids.first);
  const expected = second.length > 0 ? utf8String(text) : text;
  if (more.length > 0 || given?.equals(expected) !== true) {
    const stated = signer.identity?.extensions?.issuer;
    throw refuse(
      'wrong-issuer',
      `its identity is of the issuer ${shown(stated)}, and not of ${shown(wanted.issuer)}`,
    );
  }
};

/** In DER. */
const utf8String = (text: Buffer): Buffer => {
  const { length } = text;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([0x0c, ...size]), text]);
};
