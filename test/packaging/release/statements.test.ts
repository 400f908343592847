/** Where a release says that it comes from, and who signs it. cosign is a stand-in here that records how it was called. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { sourceOf } from '../../../packaging/release/source.ts';
import { builderOf } from '../../../packaging/release/statements/provenance.ts';
import { howToSign, sign } from '../../../packaging/release/statements/sign.ts';
import { sbomOf } from '../../../packaging/release/statements/sbom.ts';

t.test('the time is that of the commit, or the one that is told', async (t) => {
  const root = t.testdir({ file: 'text' });
  const none = sourceOf(root, { GIT_DIR: '/nowhere' });
  t.ok(none.time >= 0);
  const git = (...argv: readonly string[]) =>
    execFileSync('git', ['-C', root, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...argv], {
      env: { PATH: process.env.PATH, GIT_COMMITTER_DATE: '1700000000 +0000' },
    });
  git('init', '-q');
  git('add', '.');
  git('commit', '-qm', 'first');
  t.match(sourceOf(root, {}), { time: 1_700_000_000, changed: false, commit: /^[0-9a-f]{40}$/ });
  writeFileSync(join(root, 'file'), 'changed');
  t.match(sourceOf(root, { SOURCE_DATE_EPOCH: '5', SOURCE_COMMIT: 'c' }), {
    time: 5,
    changed: true,
    commit: 'c',
  });
  t.throws(() => sourceOf(root, { SOURCE_DATE_EPOCH: 'yesterday' }), /not a number of seconds/);
});

t.test('a key or a workflow signs, or nothing is signed; never both', async (t) => {
  t.same(howToSign({}), { kind: 'none' });
  t.same(howToSign({ COSIGN_KEYLESS: '1' }), { kind: 'keyless' });
  t.same(howToSign({ COSIGN_KEY: 'cosign.key' }), { kind: 'key', key: 'cosign.key' });
  t.throws(() => howToSign({ COSIGN_KEY: 'k', COSIGN_KEYLESS: '1' }), /which of them/);
  const folder = t.testdir({ cosign: '' });
  const calls = join(folder, 'calls');
  const cosign = join(folder, 'cosign-stand-in');
  writeFileSync(cosign, `#!/bin/sh\necho "$*" >>'${calls}'\n`, { mode: 0o755 });
  t.same(sign(folder, { kind: 'none' }, cosign), []);
  const made = ['SHA256SUMS.sigstore.json', 'provenance.intoto.json.sigstore.json'];
  t.same(sign(folder, { kind: 'key', key: 'my.key' }, cosign), made);
  t.same(sign(folder, { kind: 'keyless' }, cosign), made);
  const [key = '', , keyless = ''] = readFileSync(calls, 'utf8').split('\n');
  t.match(
    key,
    /^sign-blob --yes --key my\.key --tlog-upload=false --bundle \S+SHA256SUMS\.sigstore\.json \S+SHA256SUMS$/,
  );
  t.match(keyless, /^sign-blob --yes --bundle /);
});

t.test('the builder is the workflow that says so', async (t) => {
  t.same(builderOf({}), { id: 'urn:rcm-node:builder:local', repository: undefined });
  t.match(builderOf({ BUILDER_ID: 'https://ci.example.com/release' }), {
    id: 'https://ci.example.com/release',
  });
});

t.test('a package in the bundle without a digest in the lock is refused', async (t) => {
  const inside = {
    lock: { packages: {} },
    inputs: ['node_modules/@scope/name/index.js'],
    node: { version: '1', platforms: [] },
    libraries: {},
  };
  const artifact = { name: 'a', version: '1', sha256: 'a'.repeat(64) };
  t.throws(() => sbomOf(artifact, inside, 0), /no version and digest of node_modules\/@scope\/name/);
  const integrity = `sha512-${Buffer.from('ab', 'hex').toString('base64')}`;
  const packages = { 'node_modules/@scope/name': { version: '2.0.0', integrity, license: 'MIT' } };
  t.match(sbomOf(artifact, { ...inside, lock: { packages } }, 0), {
    components: [{ purl: 'pkg:npm/%40scope/name@2.0.0', hashes: [{ alg: 'SHA-512', content: 'ab' }] }],
  });
  for (const [license, wanted] of [
    ['(MIT OR CC0-1.0)', [{ expression: '(MIT OR CC0-1.0)' }]],
    ['MIT/X11', [{ license: { name: 'MIT/X11' } }]],
    [
      ['MIT', 'Apache2'],
      [{ license: { name: 'MIT' } }, { license: { name: 'Apache2' } }],
    ],
  ] as const) {
    const odd = { 'node_modules/@scope/name': { version: '2.0.0', integrity, license } };
    t.match(sbomOf(artifact, { ...inside, lock: { packages: odd } }, 0), {
      components: [{ licenses: wanted }],
    });
  }
});
