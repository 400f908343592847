/** The kinds of entries that a log has, as its schemas say: https://github.com/sigstore/rekor/tree/main/pkg/types */
import { generateKeyPairSync } from 'node:crypto';
import t from 'tap';
import type { SignedEntity } from '../../../host/signature/library.ts';
import { mustBeLogged } from '../../../host/signature/logged.ts';
import { Failure } from '../../../protocol/problem/problem.ts';

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const raw = publicKey.export({ type: 'spki', format: 'der' });
const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })).toString('base64');
const verifier = { keyDetails: 'PKIX_ECDSA_P256_SHA_256', publicKey: { rawBytes: raw.toString('base64') } };

const problemOf = (kind: string, apiVersion: string, spec: object, key = raw): unknown => {
  const body = Buffer.from(JSON.stringify({ kind, apiVersion, spec }));
  const entity = { tlogEntries: [{ canonicalizedBody: body }] } as unknown as SignedEntity;
  try {
    mustBeLogged(entity, key);
    return undefined;
  } catch (error) {
    return error instanceof Failure ? error.problem : error;
  }
};

t.test('an entry of each kind names the key', async (t) => {
  for (const [kind, version, spec] of [
    ['hashedrekord', '0.0.1', { signature: { publicKey: { content: pem } } }],
    ['hashedrekord', '0.0.2', { hashedRekordV002: { signature: { verifier } } }],
    ['dsse', '0.0.1', { signatures: [{ verifier: pem }] }],
    ['dsse', '0.0.2', { dsseV002: { signatures: [{ verifier }] } }],
    ['intoto', '0.0.2', { content: { envelope: { signatures: [{ publicKey: pem }] } } }],
  ] as const) {
    t.equal(problemOf(kind, version, spec), undefined, `${kind} ${version}`);
    t.match(problemOf(kind, version, spec, Buffer.from('other')), { code: 'no-log-proof' });
    t.match(problemOf(kind, version, {}), { code: /^(bad-signature|no-log-proof)$/ }, 'without a key');
  }
});

t.test('an entry of another kind proves nothing', async (t) => {
  t.match(problemOf('rekord', '0.0.1', { signature: { publicKey: { content: pem } } }), {
    code: 'no-log-proof',
    message: /not known here/,
  });
});
