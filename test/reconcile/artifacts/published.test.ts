/** Signatures of what comes from a registry; those beside files: signatures.test.ts. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import t, { type Test } from 'tap';
import { statementOf } from '../../../testbed/signing/bundle.ts';
import { makeRoot, openNode, program } from '../../../testbed/simulated/node.ts';
import { makeStore, serveRegistry, types } from '../../host/registry/served.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spin = Buffer.from(program('spin'));

const open = async (t: Test) => {
  const store = makeStore();
  const registry = await serveRegistry(t, store);
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write('/etc/rcm-node/signer.pub', pair.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  const policy = `[[signatures]]\nprefix = "oci://${registry.host}/team/shim"\nkey = "/etc/rcm-node/signer.pub"\n`;
  node.write('/etc/rcm-node/config.toml', `attempts = 1\n${policy}`);
  node.write(
    '/etc/containerd/config.toml',
    'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/containerd/certs.d"\n',
  );
  node.write(`/etc/containerd/certs.d/${registry.host}/hosts.toml`, `server = "http://${registry.host}"\n`);
  const ask = (digest: string, name = 'spin-v2'): void =>
    node.write(
      `/etc/rcm-node/shims.d/${name}.toml`,
      `name = "${name}"\n[fetchStrategy.oci]\nimage = "${registry.host}/team/shim@${digest}"\n`,
    );
  /** Under the tag that cosign makes of the digest. */
  const attach = (digest: string, key: KeyObject, of = digest): void => {
    const payload = Buffer.from(
      JSON.stringify({
        critical: {
          identity: { 'docker-reference': '' },
          image: { 'docker-manifest-digest': of },
          type: 'cosign container image signature',
        },
        optional: null,
      }),
    );
    const layer = {
      ...store.blob('application/vnd.dev.cosign.simplesigning.v1+json', payload),
      annotations: { 'dev.cosignproject.cosign/signature': sign('sha256', payload, key).toString('base64') },
    };
    store.tags.set(`${digest.replace(':', '-')}.sig`, store.image([layer]).digest);
  };
  const once = async () => {
    node.fake.advance(1000);
    const { outcome, decision } = await node.once({ now: true });
    return { problems: outcome.kind === 'degraded' ? outcome.problems : [], handlers: decision.handlers };
  };
  return { store, node, ask, attach, once, host: registry.host };
};

t.test('what is signed under the tag of cosign is served, and nothing else', async (t) => {
  const { store, node, ask, attach, once, host } = await open(t);
  const { digest } = store.artifact({ spin });
  ask(digest);
  t.match((await once()).problems, [
    {
      code: 'unsigned',
      handler: 'spin-v2',
      message: new RegExp(`oci://${host}/team/shim@.*in the registry`),
    },
  ]);
  attach(digest, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  t.match((await once()).problems, [{ code: 'wrong-key' }]);
  attach(digest, pair.privateKey, `sha256:${'ab'.repeat(32)}`);
  t.match((await once()).problems, [{ code: 'other-artifact' }]);
  t.strictSame(node.fake.containerd.served(), ['runc']);
  attach(digest, pair.privateKey);
  const { problems, handlers } = await once();
  t.strictSame(problems, []);
  t.match(handlers, [{ state: 'served', signature: { signer: /^key sha256:/ } }]);
});

t.test('the signature may be of the index or of the image in it', async (t) => {
  for (const which of ['index', 'image'] as const) {
    const { store, node, ask, attach, once } = await open(t);
    const image = store.artifact({ spin });
    const index = store.index({ 'linux/amd64': image });
    ask(index.digest);
    attach({ index, image }[which].digest, pair.privateKey);
    t.strictSame((await once()).problems, [], which);
    t.ok(node.fake.containerd.served().includes('spin-v2'));
  }
});

t.test('a bundle that refers to it, where the registry lists it under a tag', async (t) => {
  const { store, ask, once } = await open(t);
  const { digest } = store.artifact({ spin });
  const bundle = statementOf(
    {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ name: 'shim', digest: { sha256: digest.slice('sha256:'.length) } }],
      predicateType: 'https://sigstore.dev/cosign/sign/v1',
      predicate: {},
    },
    { key: pair.privateKey },
  );
  const artifactType = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const referrer = store.image([store.blob(artifactType, bundle)]);
  const list = { schemaVersion: 2, mediaType: types.index, manifests: [{ ...referrer, artifactType }] };
  store.tags.set(digest.replace(':', '-'), store.blob(types.index, list).digest);
  ask(digest);
  t.strictSame((await once()).problems, []);
});

t.test('another repository is below another prefix, or below none', async (t) => {
  const { store, node, once, host } = await open(t);
  const { digest } = store.artifact({ spin });
  node.write(
    '/etc/rcm-node/shims.d/spin-v2.toml',
    `name = "spin-v2"\n[fetchStrategy.oci]\nimage = "${host}/team/shim-two@${digest}"\n`,
  );
  const { problems, handlers } = await once();
  t.strictSame(problems, []);
  t.notOk(handlers[0]?.signature);
});
