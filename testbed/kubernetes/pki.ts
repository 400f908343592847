/**
 * A certificate authority in memory. Certificates are written here byte by byte, because tests need what no
 * command-line tool offers everywhere: lives of seconds, and certificates that have already ended.
 * https://www.rfc-editor.org/rfc/rfc5280
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** PEM texts. */
export type Certificate = { readonly certificate: string; readonly key: string };

export type Subject = {
  readonly commonName: string;
  /** What Kubernetes takes for the groups of a user. */
  readonly organizations?: readonly string[];
  /** DNS names and IPv4 addresses of a server; without any it is a client's certificate. */
  readonly servedAs?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
};

export type Authority = { readonly certificate: string; issue(subject: Subject): Certificate };

const tlv = (tag: number, ...content: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(content);
  const length: number[] = [];
  for (let rest = body.length; rest > 0; rest >>= 8) length.unshift(rest & 255);
  const head = body.length < 128 ? [body.length] : [0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
};

const sequence = (...content: readonly Uint8Array[]): Buffer => tlv(0x30, ...content);
const set = (...content: readonly Uint8Array[]): Buffer => tlv(0x31, ...content);
const octets = (content: Uint8Array): Buffer => tlv(0x04, content);
const bits = (content: Uint8Array, unused = 0): Buffer => tlv(0x03, Buffer.from([unused]), content);
const text = (content: string): Buffer => tlv(0x0c, Buffer.from(content));
const truth = (): Buffer => tlv(0x01, Buffer.from([0xff]));

const oid = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...others] = dotted.split('.').map(Number);
  const bytes = others.flatMap((part) => {
    const groups = [part & 127];
    for (let rest = part >> 7; rest > 0; rest >>= 7) groups.unshift((rest & 127) | 128);
    return groups;
  });
  return tlv(0x06, Buffer.from([first * 40 + second, ...bytes]));
};

/** Two digits of the year until 2049, as the standard has it. */
const time = (date: Date): Buffer =>
  date.getUTCFullYear() < 2050
    ? tlv(0x17, Buffer.from(`${date.toISOString().slice(2, 19).replace(/\D/g, '')}Z`))
    : tlv(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replace(/\D/g, '')}Z`));

const nameOf = (subject: Subject): Buffer =>
  sequence(
    ...(subject.organizations ?? []).map((name) => set(sequence(oid('2.5.4.10'), text(name)))),
    set(sequence(oid('2.5.4.3'), text(subject.commonName))),
  );

const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [truth()] : []), octets(value));

const alternativeNames = (names: readonly string[]): Buffer =>
  sequence(
    ...names.map((name) =>
      isIPv4(name) ? tlv(0x87, Buffer.from(name.split('.').map(Number))) : tlv(0x82, Buffer.from(name)),
    ),
  );

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));

/** What an authority and those it vouches for have in common: the key's digest, not the name, ties them together. */
const keyId = (key: Uint8Array): Buffer => createHash('sha1').update(key).digest();

const pem = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;

const signed = (
  what: {
    subject: Buffer;
    publicKey: Buffer;
    notBefore: Date;
    notAfter: Date;
    extensions: readonly Buffer[];
  },
  issuer: { name: Buffer; key: KeyObject },
): string => {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40; // positive, and not shortened
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))), // version 3
    tlv(0x02, serial),
    ecdsaWithSha256,
    issuer.name,
    sequence(time(what.notBefore), time(what.notAfter)),
    what.subject,
    what.publicKey,
    tlv(0xa3, sequence(...what.extensions)),
  );
  return pem('CERTIFICATE', sequence(body, ecdsaWithSha256, bits(sign('sha256', body, issuer.key))));
};

const keyPair = () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    privateKey,
    pem: privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
  };
};

const hours = (count: number): Date => new Date(Date.now() + count * 3_600_000);

/** PEM texts of a key that signs tokens, and of what checks them. */
export const makeTokenKey = (): { readonly publicKey: string; readonly key: string } => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    key: privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
  };
};

export const makeAuthority = (commonName: string): Authority & { readonly key: string } => {
  const own = keyPair();
  const name = nameOf({ commonName });
  const issuer = { name, key: own.privateKey };
  const authorityKey = extension('2.5.29.35', false, sequence(tlv(0x80, keyId(own.publicKey))));
  const certificate = signed(
    {
      subject: name,
      publicKey: own.publicKey,
      notBefore: hours(-1),
      notAfter: hours(24 * 365),
      extensions: [
        extension('2.5.29.19', true, sequence(truth())), // an authority
        extension('2.5.29.15', true, bits(Buffer.from([0b0000_0110]), 1)), // signs certificates and revocations
        extension('2.5.29.14', false, octets(keyId(own.publicKey))),
      ],
    },
    issuer,
  );
  return {
    certificate,
    key: own.pem,
    issue: (subject) => {
      const pair = keyPair();
      const served = subject.servedAs ?? [];
      const purpose = served.length > 0 ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2';
      const issued = signed(
        {
          subject: nameOf(subject),
          publicKey: pair.publicKey,
          notBefore: subject.notBefore ?? hours(-1),
          notAfter: subject.notAfter ?? hours(24 * 30),
          extensions: [
            extension('2.5.29.15', true, bits(Buffer.from([0b1000_0000]), 7)), // signs handshakes
            extension('2.5.29.37', false, sequence(oid(purpose))),
            extension('2.5.29.14', false, octets(keyId(pair.publicKey))),
            authorityKey,
            ...(served.length > 0 ? [extension('2.5.29.17', false, alternativeNames(served))] : []),
          ],
        },
        issuer,
      );
      return { certificate: issued, key: pair.pem };
    },
  };
};
