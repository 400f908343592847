/** Against golden signatures of Debian's cosign 2.5.0 (test/fixtures/signatures), and against ones that are made here. */
import { chmodSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { createSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import type { DownloadOptions } from '../../../host/http/options.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { readManifest } from '../../../daemon/reconcile/artifacts/store.ts';
import {
  keyOf,
  makeRoot,
  type Node,
  openNode,
  program,
  sha256,
  writeShim,
} from '../../../testbed/simulated/node.ts';

/** Without `.json`, as a formatter would change the bytes. */
const golden = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../fixtures/signatures', name.replace(/\.json$/, '')), 'utf8');

const keyFile = '/etc/rcm-node/keys/spin.pub';
const artifact = '/srv/artifacts/spin-v2';
const settings = '/etc/rcm-node/config.toml';

const pairOf = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();
const sign = (text: string, key: KeyObject): string => createSign('sha256').update(text).sign(key, 'base64');

const policy = (more = `key = "${keyFile}"`, prefix = 'file:///srv/artifacts/'): string =>
  `[[signatures]]\nprefix = "${prefix}"\n${more}\n`;

/** A node whose policy wants a signature of cosign's key, and a shim. */
const setUp = (t: Test, text = policy()): Node => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(settings, text);
  node.write(keyFile, golden('cosign.pub'));
  writeShim(node, 'spin-v2');
  return node;
};

const problemsOf = async (node: Node): Promise<readonly Problem[]> => {
  const { outcome } = await node.once();
  return outcome.kind === 'degraded' ? outcome.problems : [];
};

/** A person asks for another try. */
const again = (node: Node) => {
  node.fake.advance(1000);
  return node.once({ now: true });
};

for (const name of ['spin-v2.sigstore.json', 'spin-v2.bundle', 'spin-v2.sig'])
  t.test(`an artifact that cosign signed is served: ${name}`, async (t) => {
    const node = setUp(t);
    node.write(`/srv/artifacts/${name}`, golden(name));
    const { outcome, decision } = await node.once();
    t.equal(outcome.kind, 'converged');
    t.match(decision.handlers, [
      {
        name: 'spin-v2',
        state: 'served',
        signature: { prefix: 'file:///srv/artifacts/', signer: /^key sha256:/ },
      },
    ]);
    const { did } = await node.once();
    t.strictSame(did, [], 'and the proof is kept');
  });

t.test('all requests for signatures of an artifact have one deadline', async (t) => {
  const node = setUp(t);
  const { host } = node.fake;
  const asked: DownloadOptions[] = [];
  const watched: Host = {
    ...host,
    download: async (location, sha, into, options) => {
      if (location !== `file://${artifact}`) asked.push(options);
      return host.download(location, sha, into, options);
    },
  };
  const began = performance.now();
  await node.once({}, watched);
  t.equal(asked.length, 3, 'a bundle by two names, and a signature');
  const [first] = asked;
  t.equal(first?.maxBytes, 1024 * 1024);
  t.ok(asked.every(({ endsAt }) => endsAt !== undefined && endsAt === first?.endsAt));
  t.ok((first?.endsAt ?? Number.POSITIVE_INFINITY) - began < 180_000);
});

t.test('without a signature nothing of it is unpacked, and other shims go on', async (t) => {
  const node = setUp(t, policy(undefined, 'file:///srv/artifacts/spin-v2'));
  writeShim(node, 'other');
  const { host } = node.fake;
  const picked: unknown[] = [];
  const { outcome } = await node.once(
    {},
    {
      ...host,
      pick: (...given) => {
        picked.push(given[1]);
        return host.pick(...given);
      },
    },
  );
  t.match(outcome, {
    kind: 'degraded',
    problems: [
      { code: 'unsigned', handler: 'spin-v2', where: { file: '/etc/rcm-node/shims.d/spin-v2.toml' } },
    ],
  });
  t.equal(picked.length, 1);
  t.strictSame(node.fake.containerd.served(), ['runc', 'other']);
});

t.test('each fault of a signature has its own problem', async (t) => {
  const theirs = pairOf();
  const bundle = golden('spin-v2.sigstore.json');
  const faults: readonly (readonly [string, string, RegExp])[] = [
    [
      JSON.stringify({ base64Signature: sign(program('spin-v2'), theirs.privateKey) }),
      'wrong-key',
      /not made with the key/,
    ],
    [JSON.stringify({ base64Signature: sign('other bytes', theirs.privateKey) }), 'wrong-key', /other bytes/],
    [bundle.replace(/"digest":"[^"]*"/, `"digest":"${'A'.repeat(43)}="`), 'other-artifact', /sha256 0000/],
    [bundle.replace('SHA2_256', 'SHA2_512'), 'bad-signature', /another digest/],
    [bundle.replace('{"mediaType"', '{"mediaType":"x","mediaType"'), 'bad-signature', /cannot be read/],
    ['{}', 'bad-signature', /cannot be read/],
    ['not json', 'bad-signature', /cannot be read/],
    ['[]', 'bad-signature', /cannot be read/],
    ['{"base64Signature":"####"}', 'bad-signature', /cannot be read/],
    [' '.repeat(1024 * 1024 + 1), 'bad-signature', /larger than/],
    [`${'['.repeat(400_000)}${']'.repeat(400_000)}`, 'bad-signature', /cannot be read/],
  ];
  for (const [text, code, message] of faults) {
    const node = setUp(t);
    node.write(`${artifact}.bundle`, text);
    const [problem] = await problemsOf(node);
    t.match(problem, { code, message, handler: 'spin-v2' }, `${code} ${message}`);
    t.notOk(node.fake.containerd.served().includes('spin-v2'));
  }
});

t.test('one of several signatures is enough, and so is one of several keys', async (t) => {
  const [ours, theirs] = [pairOf(), pairOf()];
  const text = `${policy()}${policy('key = "/etc/rcm-node/keys/next.pub"')}`;
  const node = setUp(t, text);
  node.write('/etc/rcm-node/keys/next.pub', pem(ours.publicKey));
  node.write(`${artifact}.sigstore.json`, JSON.stringify({ base64Signature: sign('x', theirs.privateKey) }));
  node.write(`${artifact}.sig`, `${sign(program('spin-v2'), ours.privateKey)}\n`);
  t.equal((await node.once()).outcome.kind, 'converged');
});

t.test('the longest prefix decides, and may exempt a location', async (t) => {
  const node = setUp(t, `${policy(undefined, '')}${policy('unsigned = true')}`);
  const { outcome, decision } = await node.once();
  t.equal(outcome.kind, 'converged');
  t.notOk(decision.handlers[0]?.signature);
});

t.test('a policy for every location is of every location', async (t) => {
  const node = setUp(t, policy(undefined, ''));
  t.match(await problemsOf(node), [{ code: 'unsigned', message: /every location/ }]);
});

t.test('a location that may be of two policies is refused, with the way out', async (t) => {
  const node = setUp(t, `${policy(undefined, '')}${policy(undefined, 'file:///srv/Artifacts/')}`);
  node.write(`${artifact}.sig`, golden('spin-v2.sig'));
  t.match(await problemsOf(node), [
    {
      code: 'signature-policy',
      message: /several prefixes would be meant: "", "file:\/\/\/srv\/Artifacts\/"/,
      hint: /^Write the location as the prefix/,
      where: { file: '/etc/rcm-node/shims.d/spin-v2.toml' },
    },
  ]);
});

t.test('the key may stand in the settings', async (t) => {
  const node = setUp(t, policy(`key = """\n${golden('cosign.pub')}"""`));
  node.write(`${artifact}.sig`, golden('spin-v2.sig'));
  t.equal((await node.once()).outcome.kind, 'converged');
});

t.test('a key that only root can have written is a key, and any other allows nothing', async (t) => {
  const faults: readonly (readonly [string, (node: Node) => void, RegExp])[] = [
    ['absent', (node) => node.remove(keyFile), /no such file/],
    ['others can write it', (node) => chmodSync(join(node.root, keyFile), 0o666), /not only root/],
    [
      'others can write its folder',
      (node) => chmodSync(join(node.root, '/etc/rcm-node/keys'), 0o777),
      /not only root/,
    ],
    [
      'a link to what others can write',
      (node) => {
        node.remove(keyFile);
        node.write('/srv/theirs.pub', golden('cosign.pub'), 0o666);
        symlinkSync('/srv/theirs.pub', join(node.root, keyFile));
      },
      /not only root/,
    ],
    ['no key', (node) => node.write(keyFile, 'x'), /one public key/],
    ['two keys', (node) => node.write(keyFile, golden('cosign.pub').repeat(2)), /one public key/],
    [
      'a private key',
      (node) => node.write(keyFile, pairOf().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
      /private key/,
    ],
    [
      'a weak key',
      (node) => node.write(keyFile, pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)),
      /2048/,
    ],
    ['another kind', (node) => node.write(keyFile, pem(generateKeyPairSync('ed25519').publicKey)), /ECDSA/],
  ];
  for (const [what, spoil, message] of faults) {
    const node = setUp(t, policy(undefined, 'file:///srv/artifacts/spin-v2'));
    node.write(`${artifact}.sig`, golden('spin-v2.sig'));
    writeShim(node, 'other');
    spoil(node);
    const problems = await problemsOf(node);
    t.match(
      problems,
      [
        { code: 'signature-policy', where: { file: settings, line: 1 }, message },
        { code: 'signature-policy', where: { file: '/etc/rcm-node/shims.d/spin-v2.toml' }, message },
      ],
      what,
    );
    t.strictSame(node.fake.containerd.served(), ['runc', 'other'], what);
  }
});

t.test('a policy that changed is held against what is in the store', async (t) => {
  const node = setUp(t);
  node.write(`${artifact}.sig`, golden('spin-v2.sig'));
  t.equal((await node.once()).outcome.kind, 'converged');
  const restarts = node.fake.containerd.starts;

  const next = pairOf();
  node.write(keyFile, pem(next.publicKey));
  const refused = await node.once();
  t.match(refused.outcome, { kind: 'degraded', problems: [{ code: 'wrong-key', handler: 'spin-v2' }] });
  t.match(refused.decision.handlers, [{ name: 'spin-v2', state: 'failed' }]);
  t.ok(node.fake.containerd.served().includes('spin-v2'), 'what Pods use is not torn down');

  node.write(`${artifact}.sig`, sign(program('spin-v2'), next.privateKey));
  const { outcome, decision } = await again(node);
  t.equal(outcome.kind, 'converged');
  t.match(decision.handlers, [{ signature: { signer: /^key sha256:/ } }]);
  t.equal(node.fake.containerd.starts, restarts, 'and no proof restarts the runtime');
  const manifest = await readManifest(node.fake.host, keyOf('spin-v2'));
  t.equal(manifest?.proofs?.length, 2);
});

t.test('a policy that changed is held against a shim whose file cannot be understood now, too', async (t) => {
  const node = setUp(t);
  node.write(`${artifact}.sig`, golden('spin-v2.sig'));
  await node.once();
  node.write('/etc/rcm-node/shims.d/spin-v2.toml', 'name = 1');
  const kept = await node.once();
  t.match(kept.decision.handlers, [{ state: 'served', signature: { signer: /^key/ } }]);

  node.write(keyFile, pem(pairOf().publicKey));
  const refused = await node.once();
  t.match(refused.decision.handlers, [{ name: 'spin-v2', state: 'failed', problem: { code: 'wrong-key' } }]);
  t.notOk(refused.decision.handlers[0]?.signature, 'nothing is told of a policy that is no more');
  t.ok(node.fake.containerd.served().includes('spin-v2'));

  node.remove(keyFile);
  const unknown = await node.once();
  t.match(unknown.decision.handlers, [{ name: 'spin-v2', state: 'served', signature: undefined }]);
});

t.test('a new version that is not signed leaves the old one in service', async (t) => {
  const node = setUp(t);
  node.write(`${artifact}.sig`, golden('spin-v2.sig'));
  await node.once();
  writeShim(node, 'spin-v2', 'newer');
  t.match(await problemsOf(node), [{ code: 'unsigned' }]);
  t.ok(node.fake.containerd.served().includes('spin-v2'));
  const link = join(node.root, '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2');
  t.match(readlinkSync(link), keyOf('spin-v2'));
});

t.test('what was placed before there was a policy is verified then', async (t) => {
  const node = setUp(t, '');
  node.remove(settings);
  t.equal((await node.once()).outcome.kind, 'converged');
  node.write(settings, policy());
  t.match(await problemsOf(node), [{ code: 'unsigned' }]);
  node.write(`${artifact}.sig`, golden('spin-v2.sig'));
  t.equal((await again(node)).outcome.kind, 'converged');
});

t.test('over http, from a mirror: the original location is what the policy is of', async (t) => {
  const text = program('spin-v2');
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const body = { '/m/spin?t=1': text, '/m/spin.sig?t=1': golden('spin-v2.sig') }[request.url ?? ''];
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const mirrors = `[[mirrors]]\nprefix = "https://original.invalid"\nreplace = "${at}/m"\n`;
  const node = setUp(
    t,
    `${policy(undefined, 'https://original.invalid')}${mirrors}attempts = 1\n`.replace(
      /(.*)(attempts = 1\n)/s,
      '$2$1',
    ),
  );
  node.write(
    '/etc/rcm-node/shims.d/spin-v2.toml',
    `name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "https://Original.invalid:443/spin?t=1"\nsha256 = "${sha256(text)}"\n`,
  );
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(asked, ['/m/spin?t=1', '/m/spin.sigstore.json?t=1', '/m/spin.bundle?t=1', '/m/spin.sig?t=1']);
});
