/** With a stand-in for an authority and a log (testbed/signing); golden signatures of cosign: test/reconcile/artifacts/signatures.test.ts. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { SignatureFile } from '../../../host/signature/forms.ts';
import { type Requirement, verifySignature } from '../../../host/signature/verify.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { makeAuthority, pemOf, type Wanted } from '../../../testbed/signing/authority.ts';
import { bundleOf, oldBundleOf, type Signing, statementOf } from '../../../testbed/signing/bundle.ts';
import { makeCertificateLog } from '../../../testbed/signing/certificate-log.ts';
import { makeLog } from '../../../testbed/signing/log.ts';
import { makeTimestamps } from '../../../testbed/signing/timestamp.ts';
import { trustRootOf } from '../../../testbed/signing/trust-root.ts';

const folder = mkdtempSync(join(tmpdir(), 'rcm-node-test-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const bytes = Buffer.from('an artifact');
const path = join(folder, 'artifact');
writeFileSync(path, bytes);
const artifact = { path, sha256: createHash('sha256').update(bytes).digest('hex') };

const authority = makeAuthority();
const log = makeLog();
const root = trustRootOf({ authority, log });
const { privateKey: key, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const identity = 'https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1.2.3';
const issuer = 'https://issuer.example';
const now = Date.now();
const seconds = Math.floor(now / 1000);

const required = (more: Partial<Requirement> = {}): Requirement => ({
  by: { kind: 'identity', identity, issuer },
  root,
  transparencyLog: true,
  timestamp: false,
  ...more,
});
const certificate = (more: Partial<Wanted> = {}): Buffer =>
  authority.issue({ key: publicKey, names: [identity], issuer, ...more });
const signing = (more: Partial<Signing> = {}): Signing => ({
  bytes,
  key,
  certificate: certificate(),
  log: { of: log, at: seconds },
  ...more,
});
const file = (value: object): SignatureFile => ({ kind: 'bundle', text: JSON.stringify(value) });
const judge = (given: object | SignatureFile, more: Partial<Requirement> = {}) =>
  verifySignature(
    'kind' in given ? (given as SignatureFile) : file(given),
    artifact,
    required(more),
    now,
  ).then((proven) => proven, problemOf);
const open = { transparencyLog: false } as const;

t.test('what an identity signed, with the proof of a log, in each form', async (t) => {
  const proven = { signer: `${identity} (${issuer})`, log: true, timestamp: false };
  t.strictSame(await judge(bundleOf(signing())), proven);
  t.strictSame(await judge(bundleOf(signing({ proofAlone: true }))), proven);
  t.strictSame(await judge(oldBundleOf(signing())), proven);
  const pair: SignatureFile = {
    kind: 'signature',
    text: sign('sha256', bytes, key).toString('base64'),
    certificate: pemOf('CERTIFICATE', certificate()),
  };
  t.strictSame(await judge(pair, open), { ...proven, log: false });
  t.match(await judge(pair), { code: 'no-log-proof' });
});

t.test('identities are compared as they are', async (t) => {
  const by = (wanted: string) => ({ by: { kind: 'identity', identity: wanted, issuer } }) as const;
  const named = (...names: readonly string[]) => bundleOf(signing({ certificate: certificate({ names }) }));
  t.match(
    await judge(bundleOf(signing()), by('https://github.com/o/r/.github/workflows/release.yml@refs/tags/*')),
    {
      log: true,
    },
  );
  t.match(await judge(named('dev@example.com'), by('dev@example.com')), { log: true });
  const faults: readonly (readonly [readonly string[], string])[] = [
    [[identity], 'https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1.2'],
    [[identity], 'https://github.com/o/r/.github/workflows/release.yml@refs/heads/*'],
    [['*'], identity],
    [['.*'], identity],
    [['https://github.com/o/r/*'], identity],
    [[`${identity}0`], identity],
    [['dev@example.com.evil.example'], 'dev@example.com'],
    [['dEv@example.com'], 'dev@example.com'],
    [['d\u00e5v@example.com'], 'dev@example.com'],
    [['dev@example.com', 'other@example.com'], 'dev@example.com'],
    [['other@example.com', 'dev@example.com'], 'dev@example.com'],
    [['dev@example.com, URI:https://x'], 'dev@example.com'],
    [
      ['https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1, URI:https://x'],
      `${identity.slice(0, -6)}*`,
    ],
    [[], identity],
  ];
  for (const [names, wanted] of faults)
    t.match(await judge(named(...names), by(wanted)), { code: 'wrong-identity' }, `${names} for ${wanted}`);
});

t.test('an identity is worth what its issuer is', async (t) => {
  const from = (more: Partial<Wanted>) => bundleOf(signing({ certificate: certificate(more) }));
  t.match(await judge(from({ issuerIn: 'first' })), { log: true });
  t.match(await judge(from({ issuer: 'https://other.example' })), {
    code: 'wrong-issuer',
    message: /other\.example.*issuer\.example/,
  });
  t.match(await judge(from({ issuer: `${issuer}/` })), { code: 'wrong-issuer' });
  t.match(await judge(from({ issuerIn: 'twice' })), { code: 'wrong-issuer' });
  const { issuer: _none, ...rest } = { key: publicKey, names: [identity], issuer };
  t.match(await judge(bundleOf(signing({ certificate: authority.issue(rest) }))), { code: 'wrong-issuer' });
});

t.test('a certificate is in force when it signs, or now where nothing proves when it signed', async (t) => {
  const [from, to] = [new Date(now - 86_400_000), new Date(now - 86_000_000)];
  const former = certificate({ from, to });
  const then = Math.floor(from.getTime() / 1000) + 60;
  t.match(await judge(bundleOf(signing({ certificate: former, log: { of: log, at: then } }))), { log: true });
  t.match(await judge(bundleOf(signing({ certificate: former }))), {
    code: 'certificate-expired',
    message: /and it was signed at/,
  });
  t.match(
    await judge(bundleOf(signing({ certificate: former, log: { of: log, at: then }, proofAlone: true }))),
    {
      code: 'certificate-expired',
      message: /nothing proves when/,
    },
  );
  const { log: _none, ...unlogged } = signing({ certificate: former });
  t.match(await judge(bundleOf(unlogged), open), { code: 'certificate-expired', message: /on this node/ });
  const future = certificate({ from: new Date(now + 60_000), to: new Date(now + 120_000) });
  t.match(await judge(bundleOf({ ...unlogged, certificate: future }), open), { code: 'certificate-expired' });
  t.match(await judge(bundleOf({ ...unlogged, certificate: certificate() }), open), { log: false });
});

t.test('a timestamp authority proves when it was signed', async (t) => {
  const [authorityOfTime, theirs] = [makeTimestamps(), makeTimestamps('others')];
  const both = trustRootOf({ authority, log, timestamps: authorityOfTime.chain });
  const timed = { root: both, transparencyLog: false, timestamp: true };
  const [from, to] = [new Date(now - 86_400_000), new Date(now - 86_000_000)];
  const former = certificate({ from, to });
  const { log: _none, ...bare } = signing({ certificate: former });
  const then = authorityOfTime.of(new Date(from.getTime() + 60_000));
  t.match(await judge(bundleOf({ ...bare, timestamp: then }), timed), { log: false, timestamp: true });
  t.match(
    await judge(bundleOf({ ...bare, timestamp: then, log: { of: log, at: seconds } }), { root: both }),
    {
      code: 'certificate-expired',
    },
  );
  t.match(await judge(bundleOf({ ...bare, timestamp: authorityOfTime.of(new Date(now)) }), timed), {
    code: 'certificate-expired',
  });
  t.match(await judge(bundleOf(bare), timed), { code: 'no-timestamp', message: /has no timestamp/ });
  const inTime = signing();
  t.match(await judge(bundleOf({ ...inTime, timestamp: theirs.of(new Date(now)) }), timed), {
    code: 'no-timestamp',
    message: /no authority/,
  });
  const ofOther = (): Buffer => authorityOfTime.of(new Date(now))(Buffer.from('another signature'));
  t.match(await judge(bundleOf({ ...inTime, timestamp: ofOther }), timed), { code: 'no-timestamp' });
  for (const damaged of [Buffer.from('none'), Buffer.from([0x30, 0]), Buffer.from([0x30, 2, 0x30, 0])])
    t.match(await judge(bundleOf({ ...inTime, timestamp: () => damaged }), timed), { code: 'bad-signature' });
});

t.test('a certificate is of an authority of the trust root, and for signing code', async (t) => {
  const theirs = makeAuthority();
  const self = theirs.issue({ key: publicKey, names: [identity], issuer });
  t.match(await judge(bundleOf(signing({ certificate: self }))), { code: 'untrusted-signer' });
  t.match(await judge(bundleOf(signing({ certificate: theirs.root }))), { code: 'untrusted-signer' });
  t.match(await judge(bundleOf(signing({ certificate: certificate({ usage: 'serverAuth' }) }))), {
    code: 'untrusted-signer',
    message: /signing of code/,
  });
  t.match(await judge(bundleOf(signing({ certificate: Buffer.from('no certificate') }))), {
    code: 'bad-signature',
  });
  const { certificate: _none, ...bare } = signing();
  t.match(await judge(bundleOf(bare)), { code: 'untrusted-signer', message: /certificate is required/ });
});

t.test('a certificate of another one, as text in it, is not read instead of it', async (t) => {
  const evil = 'https://github.com/evil/r/.github/workflows/release.yml@refs/tags/v1';
  const text = Buffer.from(`\n${pemOf('CERTIFICATE', certificate())}`);
  const wrapped = (tag: number, inner: Buffer): Buffer =>
    Buffer.concat([Buffer.from([tag, 0x82, inner.length >> 8, inner.length & 0xff]), inner]);
  const theirs = certificate({ names: [evil] });
  t.equal(theirs[1], 0x82, 'its length has two bytes');
  const more = wrapped(0x30, Buffer.concat([theirs.subarray(4), wrapped(0x04, text)]));
  const { log: _none, ...unlogged } = signing();
  for (const [name, one, code] of [
    ['behind it', Buffer.concat([theirs, text]), 'bad-signature'],
    ['as one more part of it', more, 'bad-signature'],
    [
      'in a name that an authority signed',
      certificate({ names: [evil, `${evil}${text}`] }),
      'wrong-identity',
    ],
  ] as const)
    t.match(await judge(bundleOf({ ...unlogged, certificate: one }), open), { code }, name);
});

t.test('a certificate is in a certificate log, where the trust root has one', async (t) => {
  const [certificateLog, theirs] = [makeCertificateLog(), makeCertificateLog()];
  const listed = { root: trustRootOf({ authority, log, certificateLog }) };
  const by = (more: Partial<Wanted>) => bundleOf(signing({ certificate: certificate(more) }));
  t.match(await judge(by({ listedBy: certificateLog }), listed), { log: true });
  for (const more of [{}, { listedBy: theirs }])
    t.match(await judge(by(more), listed), { code: 'untrusted-signer', message: /no certificate log/ });
  t.match(
    await judge(by({ listedBy: theirs })),
    { code: 'untrusted-signer' },
    'a promise that cannot be judged',
  );
});

t.test('a signature is of these bytes, by the key of its certificate', async (t) => {
  t.match(await judge(bundleOf(signing({ bytes: Buffer.from('other') }))), { code: 'other-artifact' });
  const lie = bundleOf(signing({ bytes: Buffer.from('other') }));
  const { messageDigest } = bundleOf(signing()).messageSignature;
  t.match(await judge({ ...lie, messageSignature: { ...lie.messageSignature, messageDigest } }), {
    code: /other-artifact|no-log-proof/,
  });
  const another = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { log: _none, ...unlogged } = signing();
  t.match(await judge(bundleOf({ ...unlogged, key: another.privateKey }), open), { code: 'other-artifact' });
});

t.test('a proof of a log is of this signature, by a log of the trust root', async (t) => {
  t.match(await judge(bundleOf(signing({ log: { of: makeLog(), at: seconds } }))), { code: 'no-log-proof' });
  const { log: _none, ...unlogged } = signing();
  t.match(await judge(bundleOf(unlogged)), { code: 'no-log-proof', message: /has no proof/ });
  const [one, other] = [bundleOf(signing()), bundleOf(signing())];
  const borrowed = { ...one, verificationMaterial: other.verificationMaterial };
  t.match(await judge(borrowed), { code: 'no-log-proof', message: /another signature/ });
  const as = pemOf('CERTIFICATE', certificate());
  t.match(await judge(bundleOf(signing({ log: { of: log, at: seconds, as } }))), {
    code: 'no-log-proof',
    message: /another key or certificate/,
  });
  const { tlogEntries } = one.verificationMaterial;
  const twice = {
    ...one,
    verificationMaterial: { ...one.verificationMaterial, tlogEntries: [...tlogEntries, ...tlogEntries] },
  };
  t.match(await judge(twice), { code: 'bad-signature' });
  const many = {
    ...one,
    verificationMaterial: { ...one.verificationMaterial, tlogEntries: Array(5000).fill(tlogEntries[0]) },
  };
  t.match(await judge(many), { code: 'bad-signature' });
  const moved = JSON.parse(JSON.stringify(one));
  moved.verificationMaterial.tlogEntries[0].integratedTime = String(seconds - 10);
  t.match(await judge(moved), { code: 'no-log-proof' }, 'the log signed its time');
});

t.test('each kind of entry of a log has it with the key or the certificate that signed', async (t) => {
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'x', digest: { sha256: artifact.sha256 } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {},
  };
  const as = pemOf('CERTIFICATE', certificate());
  const other = { of: log, at: seconds, as };
  for (const [kind, ours, theirs] of [
    ['dsse 0.0.1', statementOf(statement, signing()), statementOf(statement, signing({ log: other }))],
    [
      'hashedrekord 0.0.2',
      bundleOf(signing({ second: true })),
      bundleOf(signing({ second: true, log: other })),
    ],
  ] as const) {
    t.match(await judge(ours), { log: true }, kind);
    t.match(await judge(theirs), { code: 'no-log-proof', message: /another key or certificate/ }, kind);
  }
});

t.test('a key, with the proof of a log where the policy wants one', async (t) => {
  const by = { kind: 'key', key: publicKey.export({ type: 'spki', format: 'pem' }).toString() } as const;
  const { certificate: _none, ...bare } = signing();
  t.match(await judge(bundleOf(bare), { by }), { signer: /^key sha256:[0-9a-f]{64}$/, log: true });
  t.match(await judge(oldBundleOf(bare), { by }), { log: true });
  const { log: _log, ...unlogged } = bare;
  t.match(await judge(bundleOf(unlogged), { by, ...open }), { log: false });
  t.match(await judge(bundleOf(unlogged), { by }), { code: 'no-log-proof' });
  t.match(await judge(bundleOf(unlogged), { by, timestamp: true, ...open }), { code: 'no-timestamp' });
  const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  t.match(await judge(bundleOf({ ...bare, key: theirs }), { by }), { code: 'wrong-key' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  t.match(
    await judge(bundleOf({ ...unlogged, key: rsa.privateKey }), { by, ...open }),
    { code: 'wrong-key' },
    'another algorithm',
  );
  const rsaPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  t.match(
    await judge(bundleOf({ ...unlogged, key: rsa.privateKey }), {
      by: { kind: 'key', key: rsaPem },
      ...open,
    }),
    {
      log: false,
    },
  );
});

t.test('a statement counts if it names the artifact and is a signature or a provenance', async (t) => {
  const statement = (more: object = {}): object => ({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'x', digest: { sha256: artifact.sha256 } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {},
    ...more,
  });
  const { log: _none, ...by } = signing();
  t.match(await judge(statementOf(statement(), by), open), { log: false });
  t.match(
    await judge(
      statementOf(statement({ predicateType: 'https://cosign.sigstore.dev/attestation/vuln/v1' }), by),
      open,
    ),
    {
      code: 'bad-signature',
      message: /neither/,
    },
  );
  t.match(
    await judge(statementOf(statement({ subject: [{ digest: { sha256: 'ab'.repeat(32) } }] }), by), open),
    {
      code: 'other-artifact',
    },
  );
  t.match(
    await judge(statementOf(statement({ subject: { digest: { sha256: artifact.sha256 } } }), by), open),
    {
      code: 'other-artifact',
    },
  );
  const another = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  t.match(await judge(statementOf(statement(), { ...by, key: another }), open), { code: 'other-artifact' });
});

t.test('a trust root that cannot be read allows nothing', async (t) => {
  for (const text of [
    '{',
    '{"tlogs":[{}]}',
    '{"certificateAuthorities":[{"certChain":{"certificates":[{"rawBytes":"AAAA"}]}}]}',
  ])
    t.match(
      await judge(bundleOf(signing()), { root: text }),
      { code: /signature-policy|untrusted-signer|no-log-proof/ },
      text,
    );
});

t.test('an artifact that was exchanged after its digest was verified is refused', async (t) => {
  const other = join(folder, 'other');
  writeFileSync(other, 'exchanged');
  const { certificate: _none, log: _log, ...bare } = signing();
  const by = { kind: 'key', key: publicKey.export({ type: 'spki', format: 'pem' }).toString() } as const;
  const refused = verifySignature(
    file(bundleOf(bare)),
    { ...artifact, path: other },
    required({ by, ...open }),
    now,
  );
  t.match(await refused.catch(problemOf), { code: 'other-artifact', message: /changed after/ });
});

/** Each value of JSON replaced or left out, one at a time. */
const damagedOnes = (value: unknown): readonly unknown[] => {
  const others: readonly unknown[] = ['AAAA', 7, null, {}, undefined];
  if (typeof value !== 'object' || value === null) return others;
  const inner = Object.entries(value).flatMap(([key, one]) =>
    damagedOnes(one).map((damaged) =>
      Array.isArray(value)
        ? value.map((each, index) => (String(index) === key ? damaged : each))
        : { ...value, [key]: damaged },
    ),
  );
  return [...others, ...inner];
};

t.test('a signature that is damaged anywhere is refused, and no fault of this program', async (t) => {
  const authorityOfTime = makeTimestamps();
  const given = { root: trustRootOf({ authority, log, timestamps: authorityOfTime.chain }) };
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { sha256: artifact.sha256 } }],
    predicateType: 'https://slsa.dev/provenance/v1',
  };
  const whole = [
    bundleOf(signing({ timestamp: authorityOfTime.of(new Date(now)) })),
    oldBundleOf(signing()),
    statementOf(statement, signing()),
  ];
  const codes = new Set<string>();
  for (const one of whole)
    for (const damaged of damagedOnes(one)) {
      const found = await judge({ kind: 'bundle', text: JSON.stringify(damaged) ?? '' }, given);
      if ('code' in found && found.code === 'internal')
        t.fail(`${JSON.stringify(damaged)}: ${found.message} ${found.detail}`);
      codes.add('code' in found ? found.code : 'proven');
    }
  t.ok(codes.has('bad-signature') && codes.has('no-log-proof'), [...codes].join(' '));
});
