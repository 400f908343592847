/** A stand-in for a timestamp authority: it states any time that it is told to. What it makes is a real answer of RFC 3161. */
import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import { makeAuthority, nameOf } from './authority.ts';
import { explicit, int, octets, oid, seq, set, time, tlv } from './der.ts';

const sha256 = seq(oid('2.16.840.1.101.3.4.2.1'));
const tstInfo = oid('1.2.840.113549.1.9.16.1.4');
const hash = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();

export const makeTimestamps = (name = 'test timestamps') => {
  const authority = makeAuthority(name);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const span = { from: new Date('2020-01-02'), to: new Date('2039-01-01') };
  const certificate = authority.issue({ key: publicKey, usage: 'timeStamping', ...span });
  const serial = Buffer.from(new X509Certificate(certificate).serialNumber, 'hex');
  return {
    /** For the trust root. */
    chain: [certificate, authority.root],
    of:
      (at: Date) =>
      (signature: Buffer): Buffer => {
        const imprint = seq(sha256, octets(hash(signature)));
        const info = seq(int(1), oid('1.2.3.4'), imprint, int(9), time(at));
        const attributes = [
          seq(oid('1.2.840.113549.1.9.3'), set(tstInfo)),
          seq(oid('1.2.840.113549.1.9.4'), set(octets(hash(info)))),
        ];
        const signer = seq(
          int(1),
          seq(nameOf(name), int(serial)),
          sha256,
          tlv(0xa0, ...attributes),
          seq(oid('1.2.840.10045.4.3.2')),
          octets(sign('sha256', set(...attributes), privateKey)),
        );
        const data = seq(int(3), set(sha256), seq(tstInfo, explicit(0, octets(info))), set(signer));
        return seq(seq(int(0)), seq(oid('1.2.840.113549.1.7.2'), explicit(0, data)));
      },
  };
};
