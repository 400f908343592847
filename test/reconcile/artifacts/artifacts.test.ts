import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Handler } from '../../../daemon/model/desired.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { defaultSettings, type Settings } from '../../../daemon/model/settings.ts';
import { parseShim } from '../../../daemon/shims/local-file.ts';
import { fetchArtifact } from '../../../daemon/reconcile/artifacts/artifacts.ts';
import { makeRoot, openNode, program, sha256, shimFile } from '../../../testbed/simulated/node.ts';

const noRegistries = { credentialsFor: async () => undefined, endpointsOf: async () => [] };

const policy = { machine: 'amd64', allowUnpinned: true, allowedHosts: [] } as const;

const setUp = (t: Test, more: Partial<Settings> = {}) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  node.write('/srv/artifacts/spin', program('spin'), 0o755);
  const handler = parseShim(shimFile('spin'), '/etc/rcm-node/shims.d/spin.toml', policy);
  const fetch = (digest: string | undefined, one: Handler = handler) =>
    fetchArtifact(node.fake.host, { ...defaultSettings, ...more }, noRegistries, one, digest).then(
      (fetched) => fetched.sha256,
      problemOf,
    );
  return { ...node, handler, fetch };
};

t.test('without a digest a file is accepted only where only root can write it', async (t) => {
  const { root, fetch } = setUp(t);
  t.equal(await fetch(undefined), sha256(program('spin')));
  chmodSync(join(root, 'srv/artifacts/spin'), 0o777);
  t.match(await fetch(undefined), { code: 'untrusted', where: { file: '/srv/artifacts/spin' } });
  chmodSync(join(root, 'srv/artifacts/spin'), 0o755);
  chmodSync(join(root, 'srv/artifacts'), 0o1777);
  t.match(await fetch(undefined), { code: 'untrusted' });
  t.equal(
    await fetch(sha256(program('spin'))),
    sha256(program('spin')),
    'a digest makes the place irrelevant',
  );
});

t.test('and neither is a file of a mirror', async (t) => {
  const mirrors = [{ prefix: 'https://example.com', replace: 'file:///srv/mirror' }];
  const { write, handler, fetch } = setUp(t, { mirrors });
  write('/srv/mirror/spin', 'x', 0o666);
  const remote = { ...handler, artifact: { ...handler.artifact, url: 'https://example.com/spin' } };
  t.match(await fetch(undefined, remote), { code: 'untrusted', where: { file: '/srv/mirror/spin' } });
});

t.test('a CA file that others can write is not used, not even for an artifact with a digest', async (t) => {
  const { write, fetch } = setUp(t, { extraCa: '/etc/ssl/own.pem' });
  write('/etc/ssl/own.pem', 'x', 0o666);
  t.match(await fetch(sha256(program('spin'))), { code: 'untrusted', where: { file: '/etc/ssl/own.pem' } });
});

const text = program('spin');
const shim = `name = "spin-v2"
[fetchStrategy.anonHttp]
location = "https://releases.example/spin"
sha256 = "${sha256(text)}"
`;

t.test('a mirror of files, and an extra CA, are read in the prepared root', async (t) => {
  // A folder that this machine has, and the root may have too.
  const outside = mkdtempSync(join(tmpdir(), 'rcm-node-mirror-'));
  t.teardown(() => rmSync(outside, { recursive: true, force: true }));
  writeFileSync(join(outside, 'spin'), text);
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write('/etc/rcm-node/shims.d/spin-v2.toml', shim);
  // The original does not answer.
  const settings = `attempts = 1
[proxy]
https = "http://127.0.0.1:1"
[[mirrors]]
prefix = "https://releases.example/"
replace = "file://${outside}/"
`;
  node.write('/etc/rcm-node/config.toml', settings);
  const { outcome } = await node.once({ activate: false });
  t.match(outcome, {
    kind: 'degraded',
    problems: [{ code: 'download-failed', message: /there is no such file/ }],
  });

  mkdirSync(join(node.root, outside), { recursive: true });
  symlinkSync(join(outside, 'spin'), join(node.root, outside, 'spin'));
  node.fake.advance(1000);
  const linked = await node.once({ activate: false, now: true });
  t.match(linked.outcome, { kind: 'degraded' }, 'nor does a link lead out of it');
  rmSync(join(node.root, outside, 'spin'));
  writeFileSync(join(node.root, outside, 'spin'), text);
  node.write('/etc/rcm-node/config.toml', `extraCa = "/etc/ssl/own.pem"\n${settings}`);
  writeFileSync(join(outside, 'own.pem'), '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n');
  node.fake.advance(1000);
  const refused = await node.once({ activate: false, now: true });
  t.match(refused.outcome, {
    problems: [{ message: /extraCa is \/etc\/ssl\/own.pem, .*there is no such file/ }],
  });
  node.write('/etc/ssl/own.pem', '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n');
  node.fake.advance(1000);
  t.equal((await node.once({ activate: false, now: true })).outcome.kind, 'converged');
});
