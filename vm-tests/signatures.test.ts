/**
 * Debian's cosign signs, and what is built from this tree verifies: files with a key and with a certificate, images in a real
 * registry, and a node whose policy wants a signature. The authority and the log of certificates are stand-ins (testbed/signing).
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { plainAccess } from '../host/registry/endpoint.ts';
import { openRegistry } from '../host/registry/registry.ts';
import { attachedTo } from '../host/signature/attached.ts';
import type { SignatureFile } from '../host/signature/forms.ts';
import { type Requirement, verifySignature } from '../host/signature/verify.ts';
import { problemOf } from '../protocol/problem/problem.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';
import {
  bootWithRcmNode,
  locationOf,
  rcmNode,
  untilReport,
  untilServing,
  writeShim,
} from '../testbed/node/service.ts';
import { makeAuthority, pemOf } from '../testbed/signing/authority.ts';
import { startRegistry } from '../testbed/registry/registry.ts';
import { type Cosign, cosignIn } from '../testbed/signing/cosign.ts';
import { makeLog } from '../testbed/signing/log.ts';
import { serveSigning, tokenFor } from '../testbed/signing/services.ts';
import { trustRootOf } from '../testbed/signing/trust-root.ts';

const progress = (line: string): void => t.comment(line);
const bytes = Buffer.from('#!/bin/sh\n# an artifact\n');
const sha256 = createHash('sha256').update(bytes).digest('hex');

const setUp = async (t: Test): Promise<{ readonly folder: string; readonly cosign: Cosign }> => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-cosign-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'blob'), bytes);
  const cosign = await cosignIn(folder, progress);
  await cosign.run(['generate-key-pair']);
  return { folder, cosign };
};

const keyed = async (folder: string): Promise<Requirement> => ({
  by: { kind: 'key', key: await readFile(join(folder, 'cosign.pub'), 'utf8') },
  transparencyLog: false,
  timestamp: false,
});

const judge = (file: SignatureFile, folder: string, required: Requirement) =>
  verifySignature(file, { path: join(folder, 'blob'), sha256 }, required, Date.now()).catch(problemOf);

t.test('what cosign signs with a key, in each form', async (t) => {
  const { folder, cosign } = await setUp(t);
  const sign = ['sign-blob', '--key', 'cosign.key', '--tlog-upload=false'];
  await cosign.run([...sign, '--bundle', 'old', 'blob']);
  await cosign.run([...sign, '--bundle', 'new', '--new-bundle-format', 'blob']);
  await cosign.run([...sign, '--output-signature', 'sig', 'blob']);
  const required = await keyed(folder);
  for (const [name, kind] of [
    ['old', 'bundle'],
    ['new', 'bundle'],
    ['sig', 'signature'],
  ] as const) {
    const text = await readFile(join(folder, name), 'utf8');
    t.match(await judge({ kind, text }, folder, required), { signer: /^key sha256:/, log: false }, name);
  }
});

t.test('what cosign signs with a certificate, whose authority and log are stand-ins', async (t) => {
  const { folder, cosign } = await setUp(t);
  const [authority, log] = [makeAuthority(), makeLog()];
  const [identity, issuer] = ['dev@example.com', 'https://issuer.example'];
  const server = await serveSigning(authority, log, { names: [identity], issuer });
  t.teardown(() => server.close());
  await writeFile(join(folder, 'rekor.pub'), log.publicKey.export({ type: 'spki', format: 'pem' }));
  await writeFile(join(folder, 'root.pem'), pemOf('CERTIFICATE', authority.root));
  const words = [
    ...['sign-blob', '--fulcio-url', server.address, '--rekor-url', server.address],
    ...['--identity-token', tokenFor(identity, issuer), '--insecure-skip-verify'],
  ];
  const env = {
    SIGSTORE_REKOR_PUBLIC_KEY: join(folder, 'rekor.pub'),
    SIGSTORE_ROOT_FILE: join(folder, 'root.pem'),
  };
  const required: Requirement = {
    by: { kind: 'identity', identity, issuer },
    root: trustRootOf({ authority, log }),
    transparencyLog: true,
    timestamp: false,
  };
  for (const more of [[], ['--new-bundle-format']]) {
    await cosign.run([...words, '--bundle', 'bundle', ...more, 'blob'], env);
    const file: SignatureFile = { kind: 'bundle', text: await readFile(join(folder, 'bundle'), 'utf8') };
    t.match(await judge(file, folder, required), { signer: `${identity} (${issuer})`, log: true });
    const by = { kind: 'identity', identity: 'other@example.com', issuer } as const;
    t.match(await judge(file, folder, { ...required, by }), { code: 'wrong-identity' });
    const root = trustRootOf({ authority: makeAuthority(), log });
    t.match(await judge(file, folder, { ...required, root }), { code: 'untrusted-signer' });
  }
});

t.test('what cosign attaches to an image in a registry', async (t) => {
  const { folder, cosign } = await setUp(t);
  const registry = await startRegistry(join(folder, 'registry'), progress);
  t.teardown(() => registry.stop());
  const upload = async (tag: string): Promise<string> => {
    await cosign.run([
      'upload',
      'blob',
      '--allow-http-registry',
      '-f',
      'blob',
      `${registry.at}/acme/${tag}:v1`,
    ]);
    const accept = 'application/vnd.oci.image.manifest.v1+json';
    const answer = await fetch(`http://${registry.at}/v2/acme/${tag}/manifests/v1`, { headers: { accept } });
    return (answer.headers.get('docker-content-digest') ?? '').slice('sha256:'.length);
  };
  const flags = ['--allow-http-registry', '--key', 'cosign.key', '--tlog-upload=false'];
  await writeFile(
    join(folder, 'predicate'),
    JSON.stringify({
      buildDefinition: { buildType: 'https://x.example', externalParameters: {} },
      runDetails: { builder: { id: 'https://x.example' } },
    }),
  );
  const ways: Readonly<Record<string, readonly string[]>> = {
    tag: ['sign', ...flags],
    referrer: ['sign', ...flags, '--registry-referrers-mode=oci-1-1'],
    bundle: [
      'attest',
      ...flags,
      '--new-bundle-format',
      '--type',
      'slsaprovenance1',
      '--predicate',
      'predicate',
    ],
  };
  const required = await keyed(folder);
  const http = {
    ...{ mirrors: [], maxBytes: 1e7, connectTimeoutMs: 5000, idleTimeoutMs: 5000, totalTimeoutMs: 20_000 },
    ...{ attempts: 1, backoffMs: 1, allowHttp: true, decidesNothing: true },
  };
  for (const [way, words] of Object.entries(ways)) {
    const digest = await upload(way);
    const client = openRegistry({
      host: registry.at,
      credentialsFor: async () => undefined,
      endpointsOf: async ({ repository }) => [
        {
          base: `http://${registry.at}/v2`,
          repository,
          resolves: true,
          pulls: true,
          unproven: true,
          ...plainAccess,
        },
      ],
      http,
    });
    t.strictSame(await attachedTo(client, `acme/${way}`, [digest], 1e6), [], 'before it is signed');
    await cosign.run([...words, `${registry.at}/acme/${way}@sha256:${digest}`], { COSIGN_EXPERIMENTAL: '1' });
    const found = await attachedTo(client, `acme/${way}`, [digest], 1e6);
    t.equal(found.length, 1, way);
    for (const { file } of found) {
      const proven = await verifySignature(
        await file(),
        { sha256: digest, bytes: Buffer.alloc(0) },
        required,
        Date.now(),
      );
      t.match(proven, { signer: /^key sha256:/ }, way);
    }
  }
});

t.test('a node serves what is signed, refuses what is not, and says what was proven', async (t) => {
  const { folder, cosign } = await setUp(t);
  const [one, two] = [
    await makeStandInShim('trixie', 'signed', progress),
    await makeStandInShim('trixie', 'unsigned', progress, 'slight-v1'),
  ];
  await rm(`${two.path}.sigstore.json`, { force: true });
  const sign = ['sign-blob', '--key', 'cosign.key', '--tlog-upload=false', '--new-bundle-format'];
  await cosign.run([...sign, '--bundle', 'bundle', one.path]);
  await copyFile(join(folder, 'bundle'), `${one.path}.sigstore.json`);
  t.teardown(() => rm(`${one.path}.sigstore.json`, { force: true }));
  const key = await readFile(join(folder, 'cosign.pub'), 'utf8');
  const settings = `interval = 5\n[[signatures]]\nprefix = ""\nkey = "/etc/rcm-node/signer.pub"\n`;
  const node = await bootWithRcmNode('trixie', { progress, settings });
  t.teardown(() => node.stop());
  await node.writeFile('/etc/rcm-node/signer.pub', key);
  await writeShim(node, 'spin-v2', one);
  await writeShim(node, 'slight-v1', two);
  await node.run(['systemctl', 'start', 'rcm-node']);
  const report = await untilReport(
    node,
    'the unsigned one is refused, and the other is served',
    ({ handlers }) =>
      handlers.some(({ name, state }) => name === 'spin-v2' && state === 'served') &&
      handlers.some(({ name, problem }) => name === 'slight-v1' && problem?.code === 'unsigned'),
  );
  t.match(report.outcome, {
    kind: 'degraded',
    problems: [{ code: 'unsigned', message: new RegExp(locationOf(two)) }],
  });
  const said = JSON.parse((await rcmNode(node, 'status', '--json')).stdout) as {
    readonly handlers: readonly object[];
  };
  t.match(said.handlers, [
    { name: 'slight-v1', state: 'failed' },
    { name: 'spin-v2', state: 'served', signature: { signer: /^key sha256:/, prefix: '', log: false } },
  ]);
  t.match((await rcmNode(node, 'status')).stdout, /spin-v2 is signed by key sha256:/);

  await cosign.run([...sign, '--bundle', 'bundle', two.path]);
  await copyFile(join(folder, 'bundle'), `${two.path}.sigstore.json`);
  t.teardown(() => rm(`${two.path}.sigstore.json`, { force: true }));
  await rcmNode(node, 'retry', 'slight-v1');
  await untilServing(node, ['slight-v1', 'spin-v2']);
});
