import t from 'tap';
import type { SignaturePolicy, Signer } from '../../daemon/model/signatures.ts';
import { signersFor } from '../../daemon/shims/signed.ts';

const signer = (prefix: string, by: SignaturePolicy['by']): Signer => ({
  policy: { prefix, by, transparencyLog: false, timestamp: false },
  id: `${prefix} ${by.kind}`,
});
const signed = (prefix: string): Signer => signer(prefix, { kind: 'key', key: prefix });
const exempt = (prefix: string): Signer => signer(prefix, { kind: 'unsigned' });

/** The prefixes of the policies of which one must be fulfilled; "?" where the node cannot tell. */
const counted = (location: string, signers: readonly Signer[]): readonly string[] =>
  signersFor(location, signers).map((one) => ('fault' in one ? '?' : one.policy.prefix));

t.test(
  'what needs no signature is exactly what is below the prefix, however else an address may be read',
  async (t) => {
    const prefix = 'https://example.com/public/';
    const signers = [signed(''), exempt(prefix)];
    for (const location of [
      'https://example.com/public/spin',
      'https://EXAMPLE.com:443/public/spin',
      'https://example.com/other/../public/spin',
      'https://example.com/public/spin?token=x',
    ])
      t.strictSame(counted(location, signers), [], location);
    for (const location of [
      'http://example.com/public/spin',
      'https://example.com/PUBLIC/spin',
      'https://example.com/public;evil/spin',
      'https://example.com/public%3Bevil/spin',
      'https://example.com//public/spin',
      'https://example.com/private/..%2Fpublic/spin',
      'https://example.com/private/..%5Cpublic/spin',
      'https://example.com/public/..%2Fprivate/spin',
      'https://example.com/public/..;/private/spin',
      'https://example.com/public/%252e%252e%252Fprivate/spin',
      'https://example.com/public-evil/spin',
      'https://example.com/%70ublic/spin',
    ])
      t.strictSame(counted(location, signers), [''], location);
    t.strictSame(counted('no address', signers), [''], 'nor what is no address');
  },
);

t.test('an exemption below a policy, in another spelling', async (t) => {
  const signers = [signed('https://example.com/acme'), exempt('https://example.com/acme/public')];
  t.strictSame(counted('https://example.com/acme/public/spin', signers), []);
  t.strictSame(counted('https://example.com/ACME/Public/spin', signers), ['https://example.com/acme']);
  t.strictSame(counted('https://example.com/other/spin', signers), []);
});

t.test('an address that may be of two policies is of neither key alone', async (t) => {
  const signers = [signed(''), signed('https://example.com/acme/')];
  t.strictSame(counted('https://example.com/acme/spin', signers), ['https://example.com/acme/']);
  t.strictSame(counted('https://example.com/other/spin', signers), ['']);
  for (const location of ['https://example.com/Acme/spin', 'http://example.com/acme/spin'])
    t.strictSame(counted(location, signers), ['?'], location);
  t.strictSame(
    counted('https://example.com/Acme/spin', signers.slice(1)),
    ['https://example.com/acme/'],
    'one policy alone is of every spelling',
  );
});

t.test('of two policies whose prefixes differ in case, the exact one counts', async (t) => {
  const signers = [signed('https://example.com/Acme'), signed('https://example.com/acme')];
  t.strictSame(counted('https://example.com/acme/spin', signers), ['https://example.com/acme']);
  t.strictSame(counted('https://example.com/ACME/spin', signers).length, 2);
});

t.test('images', async (t) => {
  const signers = [signed(''), exempt('oci://docker.io/acme')];
  for (const location of [
    'oci://docker.io/acme/spin:v1',
    'oci://index.docker.io/acme/spin',
    `oci://docker.io/acme@sha256:${'a'.repeat(64)}`,
  ])
    t.strictSame(counted(location, signers), [], location);
  t.strictSame(counted('oci://docker.io/acme2/spin:v1', signers), ['']);

  const official = [signed(''), exempt('oci://docker.io/library/')];
  for (const location of ['oci://docker.io/spin:v1', 'oci://registry-1.docker.io/library/spin:v1'])
    t.strictSame(counted(location, official), [], location);
  for (const name of ['evil/spin:v1', 'evil/library/spin', 'library-evil/spin'])
    t.strictSame(counted(`oci://docker.io/${name}`, official), [''], name);
});
