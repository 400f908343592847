/** Golden signatures of Debian's cosign 2.5.0 for an image, in a registry that is a stand-in; a real one: vm-tests/cosign.test.ts. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Registry } from '../../../host/registry/registry.ts';
import type { Descriptor } from '../../../host/registry/manifest.ts';
import { attachedSignatures, attachedTo } from '../../../host/signature/attached.ts';
import { verifySignature } from '../../../host/signature/verify.ts';
import { Failure, problemOf } from '../../../protocol/problem/problem.ts';
import { makeStore, optionsOf, serveRegistry } from '../registry/served.ts';

const golden = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, '../../fixtures/signatures', name));
const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Of the image that cosign signed. */
const image = '30838cdc235fcb8f7954ee921c580e332f994d32552f552872d7323d9849c868';
const required = {
  by: { kind: 'key', key: golden('cosign.pub').toString() },
  transparencyLog: false,
  timestamp: false,
} as const;

const payload = {
  mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
  annotations: { 'dev.cosignproject.cosign/signature': golden('image-signature').toString().trim() },
};
const bundle = { mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', annotations: {} };

type Layer = {
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
};
type Held = { readonly artifactType?: string; readonly layers: readonly Layer[] };

const descriptorOf = ({ bytes, ...rest }: Layer): Descriptor => ({
  ...rest,
  digest: digestOf(bytes),
  size: bytes.length,
});

const registryWith = (held: Readonly<Record<string, Held>>, asked: string[] = []): Registry => ({
  referrers: async (_repository, digest) =>
    Object.entries(held)
      .filter(([name]) => !name.endsWith('.sig') && digest === image)
      .map(([name, { artifactType = '' }]) => ({
        mediaType: '',
        digest: name,
        size: 1,
        artifactType,
        annotations: {},
      })),
  manifest: async (_repository, which) => {
    const name = 'tag' in which ? which.tag : which.digest;
    const none = { mediaType: '', digest: '', size: 0, annotations: {} };
    if (/^[0-9a-f]{64}$/.test(name))
      return {
        digest: name,
        bytes: Buffer.from('the image'),
        manifest: { kind: 'manifest', config: none, layers: [], annotations: {} },
      };
    asked.push(name);
    const found = held[name];
    if (!found) throw new Failure({ code: 'download-refused', message: 'x' });
    return {
      digest: name,
      bytes: Buffer.alloc(0),
      manifest: { kind: 'manifest', config: none, layers: found.layers.map(descriptorOf), annotations: {} },
    };
  },
  read: async (_repository, { digest }) => {
    const all = Object.values(held).flatMap(({ layers }) => layers);
    return all.find(({ bytes }) => digestOf(bytes) === digest)?.bytes ?? Buffer.alloc(0);
  },
  blob: async () => {
    throw new Error('nothing is written to a file');
  },
});

const judge = async (registry: Registry, sha256 = image) => {
  const found = await attachedTo(registry, 'acme/spin', [sha256, sha256], 10_000);
  return Promise.all(
    found.map(async ({ file }) =>
      verifySignature(await file(), { sha256, bytes: Buffer.alloc(0) }, required, Date.now()),
    ),
  ).catch(problemOf);
};

t.test('what cosign attaches to an image: under its tag, as a referrer, as a bundle', async (t) => {
  const signature = { layers: [{ ...payload, bytes: golden('image-payload') }] };
  const statement = { layers: [{ ...bundle, bytes: golden('image-statement') }] };
  const proven = [{ signer: /^key sha256:/ }];
  t.match(await judge(registryWith({ [`sha256-${image}.sig`]: signature })), proven);
  const cosign = 'application/vnd.dev.cosign.artifact.sig.v1+json';
  t.match(await judge(registryWith({ one: { ...signature, artifactType: cosign } })), proven);
  for (const artifactType of ['application/vnd.oci.empty.v1+json', bundle.mediaType])
    t.match(await judge(registryWith({ one: { ...statement, artifactType } })), proven, artifactType);
});

t.test('a signature that was copied to another image is none of it', async (t) => {
  const other = 'ab'.repeat(32);
  for (const layer of [
    { ...payload, bytes: golden('image-payload') },
    { ...bundle, bytes: golden('image-statement') },
  ])
    t.match(await judge(registryWith({ [`sha256-${other}.sig`]: { layers: [layer] } }), other), {
      code: 'other-artifact',
    });
});

t.test('payloads are held to what cosign writes', async (t) => {
  const under = (text: string) =>
    judge(registryWith({ [`sha256-${image}.sig`]: { layers: [{ ...payload, bytes: Buffer.from(text) }] } }));
  const text = golden('image-payload').toString();
  t.match(await under(text.replace('cosign container image', 'another')), { code: 'bad-signature' });
  t.match(await under(text.replace('"type"', '"type":"x","type"')), { code: 'bad-signature' });
  t.match(await under(`${text} `), { code: 'wrong-key' });
  t.match(await under(' '.repeat(10_001)), { code: 'bad-signature', message: /larger/ });
});

t.test('other things that refer to it are not looked at, and not too many', async (t) => {
  const asked: string[] = [];
  const held = Object.fromEntries(
    Array.from({ length: 50 }, (_all, index) => [
      `scan-${index}`,
      { artifactType: 'application/spdx+json', layers: [] },
    ]),
  );
  t.strictSame(await judge(registryWith(held, asked)), []);
  t.strictSame(asked, [`sha256-${image}.sig`]);
  const many = registryWith({
    one: { artifactType: bundle.mediaType, layers: Array(500).fill({ ...bundle, bytes: Buffer.from('{}') }) },
  });
  t.equal((await attachedTo(many, 'acme/spin', [image], 100)).length, 32);
});

t.test('of referrers that have no signature in them not too many are asked for', async (t) => {
  const asked: string[] = [];
  const held = Object.fromEntries(
    Array.from({ length: 500 }, (_all, index) => [
      `junk-${index}`,
      { artifactType: bundle.mediaType, layers: [] },
    ]),
  );
  t.strictSame(await judge(registryWith(held, asked)), []);
  t.equal(asked.length, 32 + 1);
});

t.test('a referrer that cannot be had keeps no other signature from being found', async (t) => {
  const signature = { layers: [{ ...payload, bytes: golden('image-payload') }] };
  const registry = registryWith({ [`sha256-${image}.sig`]: signature });
  const listed = { mediaType: '', digest: 'gone', size: 1, artifactType: bundle.mediaType, annotations: {} };
  const found = await attachedTo(
    { ...registry, referrers: async () => [listed] },
    'acme/spin',
    [image],
    10_000,
  );
  t.strictSame(
    found.map(({ name }) => name),
    ['sha256:gone', `sha256-${image}.sig`],
  );
  t.match(await found[0]?.file().catch(problemOf), { code: 'download-refused' });
  t.match(await found[1]?.file(), { kind: 'image' });
});

t.test('a registry that is slow with each of many signatures has one deadline for all', async (t) => {
  const store = makeStore();
  const signed = store.artifact({ shim: Buffer.from('x') });
  const manifests = Array.from({ length: 30 }, (_all, index) => ({
    ...store.artifact({}, { annotations: { index: `${index}` } }),
    artifactType: bundle.mediaType,
  }));
  const registry = await serveRegistry(t, store, (request, response) => {
    if (request.url?.includes('/referrers/')) response.end(JSON.stringify({ schemaVersion: 2, manifests }));
    else
      setTimeout(() => response.end(store.blobs.get(/sha256:(\w+)/.exec(request.url ?? '')?.[1] ?? '')), 100);
    return true;
  });
  const digest = signed.digest.slice('sha256:'.length);
  const options = optionsOf({ totalTimeoutMs: 400, attempts: 1 });
  const reference = { host: registry.host, repository: 'team/shim' };
  t.match(await attachedSignatures(reference, [digest], 10_000, options).catch(problemOf), {
    code: 'download-failed',
    message: /its parts took longer together/,
  });
  t.ok(registry.requests.length < 8, `${registry.requests.length} requests of 100 ms in 400 ms`);
});
