/** The rows of the table of problems that are about signatures of artifacts; problem.ts says what a row is. */
import { changed, soon } from './rows.ts';

const other =
  'Ask the publisher which signature is the right one, or correct [[signatures]] in /etc/rcm-node/config.toml.';

export const signatureCodes = {
  ...soon({
    'signature-policy':
      'Correct [[signatures]] in /etc/rcm-node/config.toml, or the file that it names; until then nothing is taken from these locations.',
  }),
  ...changed({
    unsigned:
      'Have it signed (a file: cosign sign-blob --bundle NAME.sigstore.json NAME, and publish both; an image: cosign sign REFERENCE@sha256:DIGEST), or change [[signatures]] in /etc/rcm-node/config.toml.',
    'bad-signature': 'Have the artifact signed again by a current cosign, or ask its publisher.',
    'other-artifact':
      'The signature was made for other bytes: publish the signature of this artifact, or correct location and sha256.',
    'wrong-key': other,
    'wrong-identity': other,
    'wrong-issuer': other,
    'untrusted-signer': other,
    'certificate-expired':
      'Sign again, and have the time of the signature proven by a transparency log or a timestamp authority.',
    'no-log-proof':
      'Sign with a transparency log that is in the trust root, or set transparencyLog = false in that policy of /etc/rcm-node/config.toml.',
    'no-timestamp':
      'Sign with a timestamp authority that is in the trust root, or set timestamp = false in that policy of /etc/rcm-node/config.toml.',
  }),
};
