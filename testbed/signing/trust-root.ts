/** A trusted_root.json with the stand-ins of this folder. */
import type { Authority } from './authority.ts';
import type { Log } from './log.ts';

const start = '2020-01-01T00:00:00Z';

const authorityOf = (chain: readonly Buffer[]): object => ({
  subject: { organization: 'test', commonName: 'test' },
  uri: 'https://authority.example',
  certChain: { certificates: chain.map((der) => ({ rawBytes: der.toString('base64') })) },
  validFor: { start },
});

export const trustRootOf = (given: {
  readonly authority?: Authority;
  readonly log?: Log;
  /** The chain of a timestamp authority, its own certificate first. */
  readonly timestamps?: readonly Buffer[];
}): string =>
  JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: given.log
      ? [
          {
            baseUrl: `https://${given.log.name}`,
            hashAlgorithm: 'SHA2_256',
            publicKey: {
              rawBytes: given.log.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
              keyDetails: 'PKIX_ECDSA_P256_SHA_256',
              validFor: { start },
            },
            logId: { keyId: given.log.id.toString('base64') },
          },
        ]
      : [],
    certificateAuthorities: given.authority ? [authorityOf([given.authority.root])] : [],
    ctlogs: [],
    timestampAuthorities: given.timestamps ? [authorityOf(given.timestamps)] : [],
  });
