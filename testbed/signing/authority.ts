/**
 * A stand-in for a certificate authority like Fulcio: it gives out what it is asked for, without asking who one is. What it
 * makes are real X.509 certificates with the extensions of Sigstore.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { CertificateLog } from './certificate-log.ts';
import { bits, explicit, int, octets, oid, seq, set, time, tlv, utf8, yes } from './der.ts';

/** https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md */
export const issuerOids = { first: '1.3.6.1.4.1.57264.1.1', second: '1.3.6.1.4.1.57264.1.8' };

const ecdsaSha256 = seq(oid('1.2.840.10045.4.3.2'));
const usages = {
  codeSigning: '1.3.6.1.5.5.7.3.3',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  timeStamping: '1.3.6.1.5.5.7.3.8',
};

export type Wanted = {
  readonly key: KeyObject;
  /** A name with "@" and no "://" is an e-mail. */
  readonly names?: readonly string[];
  readonly issuer?: string;
  /** In which of the two extensions, or in both, the second time with another value. */
  readonly issuerIn?: 'first' | 'second' | 'twice';
  readonly from?: Date;
  readonly to?: Date;
  readonly usage?: keyof typeof usages;
  /** It promises to list the certificate. */
  readonly listedBy?: CertificateLog;
};

const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const keyId = (key: KeyObject): Buffer => createHash('sha1').update(spki(key)).digest();
export const nameOf = (text: string): Buffer => seq(set(seq(oid('2.5.4.3'), utf8(text))));
const extension = (id: string, value: Buffer, critical = false): Buffer =>
  seq(oid(id), ...(critical ? [yes] : []), octets(value));

const altName = (name: string): Buffer =>
  tlv(name.includes('@') && !name.includes('://') ? 0x81 : 0x86, Buffer.from(name, 'latin1'));

const issuerExtensions = ({ issuer, issuerIn = 'second' }: Wanted): readonly Buffer[] => {
  if (issuer === undefined) return [];
  const second = extension(issuerOids.second, utf8(issuer));
  if (issuerIn === 'first') return [extension(issuerOids.first, Buffer.from(issuer))];
  return issuerIn === 'second'
    ? [second]
    : [second, extension(issuerOids.second, utf8('https://other.example'))];
};

export const pemOf = (kind: string, der: Buffer): string =>
  `-----BEGIN ${kind}-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END ${kind}-----\n`;

export const makeAuthority = (name = 'test authority') => {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = (
    subject: Buffer,
    key: KeyObject,
    [from, to]: readonly [Date, Date],
    extensions: readonly Buffer[],
    listedBy?: CertificateLog,
  ): Buffer => {
    const serial = Buffer.concat([Buffer.from([1]), randomBytes(8)]);
    const bodyWith = (all: readonly Buffer[]): Buffer =>
      seq(
        explicit(0, int(2)),
        int(serial),
        ecdsaSha256,
        nameOf(name),
        seq(time(from), time(to)),
        subject,
        spki(key),
        explicit(3, seq(...all)),
      );
    const promise = listedBy?.promise(spki(own.publicKey), bodyWith(extensions));
    const list = promise ? [extension('1.3.6.1.4.1.11129.2.4.2', octets(promise))] : [];
    const body = bodyWith([...extensions, ...list]);
    return seq(body, ecdsaSha256, bits(sign('sha256', body, own.privateKey)));
  };
  const decade: readonly [Date, Date] = [new Date('2020-01-01'), new Date('2040-01-01')];
  const root = certificate(nameOf(name), own.publicKey, decade, [
    extension('2.5.29.19', seq(yes), true),
    extension('2.5.29.15', tlv(0x03, Buffer.from([1, 0x06])), true),
    extension('2.5.29.14', octets(keyId(own.publicKey))),
  ]);
  return {
    /** DER. */
    root,
    issue: (wanted: Wanted): Buffer =>
      certificate(
        seq(),
        wanted.key,
        [wanted.from ?? new Date(Date.now() - 300_000), wanted.to ?? new Date(Date.now() + 300_000)],
        [
          extension('2.5.29.15', tlv(0x03, Buffer.from([7, 0x80])), true),
          extension('2.5.29.37', seq(oid(usages[wanted.usage ?? 'codeSigning']))),
          extension('2.5.29.14', octets(keyId(wanted.key))),
          extension('2.5.29.35', seq(tlv(0x80, keyId(own.publicKey)))),
          ...(wanted.names ? [extension('2.5.29.17', seq(...wanted.names.map(altName)), true)] : []),
          ...issuerExtensions(wanted),
        ],
        wanted.listedBy,
      ),
  };
};

export type Authority = ReturnType<typeof makeAuthority>;
