/** A trusted_root.json with the stand-ins of this folder. */
import type { Authority } from './authority.ts';
import type { CertificateLog } from './certificate-log.ts';
import type { Log } from './log.ts';

const start = '2020-01-01T00:00:00Z';

const authorityOf = (chain: readonly Buffer[]): object => ({
  subject: { organization: 'test', commonName: 'test' },
  uri: 'https://authority.example',
  certChain: { certificates: chain.map((der) => ({ rawBytes: der.toString('base64') })) },
  validFor: { start },
});

const logOf = ({ name, id, publicKey }: Pick<Log, 'name' | 'id' | 'publicKey'>): object => ({
  baseUrl: `https://${name}`,
  hashAlgorithm: 'SHA2_256',
  publicKey: {
    rawBytes: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    keyDetails: 'PKIX_ECDSA_P256_SHA_256',
    validFor: { start },
  },
  logId: { keyId: id.toString('base64') },
});

export const trustRootOf = (given: {
  readonly authority?: Authority;
  readonly log?: Log;
  readonly certificateLog?: CertificateLog;
  /** The chain of a timestamp authority, its own certificate first. */
  readonly timestamps?: readonly Buffer[];
}): string =>
  JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: given.log ? [logOf(given.log)] : [],
    certificateAuthorities: given.authority ? [authorityOf([given.authority.root])] : [],
    ctlogs: given.certificateLog ? [logOf(given.certificateLog)] : [],
    timestampAuthorities: given.timestamps ? [authorityOf(given.timestamps)] : [],
  });
