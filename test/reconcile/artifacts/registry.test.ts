import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { paths } from '../../../protocol/host-paths.ts';
import { tarOf } from '../../../testbed/artifacts/tarball.ts';
import { makeRoot, type Node, openNode, program, sha256 } from '../../../testbed/simulated/node.ts';
import { treeOf } from '../../../testbed/simulated/tree.ts';
import { type Lie, makeStore, serveRegistry, types } from '../../host/registry/served.ts';

const spin = program('spin');
const binary = 'containerd-shim-spin-v2';

const tar = (files: Readonly<Record<string, string>>): Uint8Array =>
  tarOf(Object.entries(files).map(([path, text]) => ({ path, bytes: Buffer.from(text), mode: 0o644 })));

const open = async (t: Test, lie?: Lie, config = '') => {
  const store = makeStore();
  const registry = await serveRegistry(t, store, lie);
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write('/etc/rcm-node/config.toml', `attempts = 1\n${config}`);
  node.write(
    '/etc/containerd/config.toml',
    'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/containerd/certs.d"\n',
  );
  node.write(`/etc/containerd/certs.d/${registry.host}/hosts.toml`, `server = "http://${registry.host}"\n`);
  return { store, registry, node };
};

const rowOf = (host: string, digest: string, more = ''): string =>
  `[[fetchStrategy.platforms]]\nos = "linux"\narch = "amd64"\nlocation = "oci://${host}/team/shim:v1${digest === '' ? '' : `@${digest}`}"\n${more}`;
const imageOf = (host: string, digest: string, path?: string): string =>
  `[fetchStrategy.oci]\nimage = "${host}/team/shim@${digest}"\n${path === undefined ? '' : `path = "${path}"\n`}`;

const shim = (node: Node, name: string, strategy: string): void =>
  node.write(`/etc/rcm-node/shims.d/${name}.toml`, `name = "${name}"\n${strategy}`);

const problemsOf = (outcome: Awaited<ReturnType<Node['once']>>['outcome']) =>
  outcome.kind === 'degraded' ? outcome.problems : [];

t.test('a shim comes from an artifact, an archive in one, and an image with an index', async (t) => {
  const { store, registry, node } = await open(t);
  const { host } = registry;
  const plain = store.artifact({ [binary]: Buffer.from(spin), [`${binary}.sig`]: Buffer.from('signature') });
  const archive = store.artifact({ 'shim.tar.gz': gzipSync(tar({ 'x/containerd-shim-wws-v1': spin })) });
  const layers = [
    store.blob(types.gzip, gzipSync(tar({ 'bin/sh': 'busybox', 'assets/containerd-shim-slight-v1': 'old' }))),
    store.blob(types.tar, tar({ 'assets/containerd-shim-slight-v1': spin, 'opt/other': spin })),
  ];
  const image = store.index({ 'linux/amd64': store.image(layers) });
  shim(node, 'spin-v2', rowOf(host, plain.digest, `sha256 = "${sha256(spin)}"\n`));
  shim(node, 'wws-v1', rowOf(host, archive.digest));
  shim(node, 'slight-v1', imageOf(host, image.digest));
  shim(node, 'other', imageOf(host, image.digest, '/opt/other'));
  const { outcome, did } = await node.once();
  t.equal(outcome.kind, 'converged');
  t.equal(did.filter((one) => one.startsWith('placed ')).length, 4);
  t.strictSame([...node.fake.containerd.served()].sort(), [
    'other',
    'runc',
    'slight-v1',
    'spin-v2',
    'wws-v1',
  ]);
  t.equal(
    registry.paths().filter((path) => path.includes(layers[0]?.digest ?? '')).length,
    1,
    'each layer once',
  );
  const left = Object.keys(treeOf(node.root)).filter((path) => path.startsWith(`${paths.incoming}/`));
  t.strictSame(left, []);
  const asked = registry.requests.length;
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(registry.requests.length, asked, 'and what is there is not asked for again');
});

t.test('a registry that lies about one shim changes nothing for another', async (t) => {
  const { store, registry, node } = await open(t, (request, response) => {
    if (!request.url?.includes(`blobs/sha256:${sha256('true')}`)) return false;
    response.end('lie!');
    return true;
  });
  const { host } = registry;
  shim(node, 'a', rowOf(host, store.artifact({ a: Buffer.from('true') }).digest));
  shim(node, 'b', rowOf(host, store.artifact({ b: Buffer.from(spin) }).digest));
  const { outcome } = await node.once();
  t.match(problemsOf(outcome), [
    { handler: 'a', code: 'digest-mismatch', message: /\/v2\/team\/shim\/blobs\/sha256:.*expected sha256/ },
  ]);
  t.strictSame(node.fake.containerd.served(), ['runc', 'b']);
  const left = Object.keys(treeOf(node.root)).filter((path) => path.startsWith(`${paths.incoming}/`));
  t.strictSame(left, [], 'nothing is left of what came before the lie');
});

t.test('the digest of the file is checked, too, where it is given', async (t) => {
  const { store, registry, node } = await open(t);
  const { host } = registry;
  const wrong = `sha256 = "${'0'.repeat(64)}"\n`;
  const image = store.image([store.blob(types.tar, tar({ 'a/containerd-shim-b': spin }))]);
  shim(node, 'a', rowOf(host, store.artifact({ a: Buffer.from(spin) }).digest, wrong));
  shim(node, 'b', rowOf(host, image.digest, wrong));
  const said = { code: 'digest-mismatch', message: /expected sha256 0{64} of the file, found / };
  t.match(problemsOf((await node.once()).outcome), [said, said]);
  shim(node, 'b', rowOf(host, image.digest, `sha256 = "${sha256(spin)}"\n`));
  await node.once();
  t.strictSame(node.fake.containerd.served(), ['runc', 'b']);
});

t.test(
  'a location that names the manifest as a file takes nothing from the shim that has its content',
  async (t) => {
    const { store, registry, node } = await open(t);
    const { host } = registry;
    const { digest } = store.artifact({ b: Buffer.from(spin) });
    const asFile = `[fetchStrategy.anonHttp]\nlocation = "http://${host}/v2/team/shim/manifests/${digest}"\nsha256 = "${digest}"\n`;
    shim(node, 'a', asFile);
    shim(node, 'b', rowOf(host, digest));
    t.match(problemsOf((await node.once()).outcome), [{ handler: 'a', code: 'bad-archive' }]);
    t.strictSame(node.fake.containerd.served(), ['runc', 'b']);
  },
);

t.test('a tag alone needs allowUnpinned, and then over TLS', async (t) => {
  const { store, registry, node } = await open(t);
  const { host } = registry;
  store.tags.set('v1', store.artifact({ a: Buffer.from(spin) }).digest);
  shim(node, 'a', rowOf(host, ''));
  t.match(problemsOf((await node.once()).outcome), [
    {
      code: 'unpinned',
      message: /no digest is given in oci:\/\/.*:v1, and a tag may be moved/,
      hint: /skopeo inspect/,
    },
  ]);
  node.write('/etc/rcm-node/config.toml', `allowUnpinned = true\nattempts = 1\n`);
  t.match(problemsOf((await node.once()).outcome), [
    { code: 'download-refused', message: /may say what a tag means: plain http/, hint: /Add the digest/ },
  ]);
});

t.test('what is trusted on first use is the digest behind the tag, also when the tag is moved', async (t) => {
  const { store, registry, node } = await open(t, undefined, 'allowUnpinned = true\n');
  const { host } = registry;
  store.tags.set('v1', store.artifact({ a: Buffer.from(spin) }).digest);
  shim(node, 'a', rowOf(host, ''));
  const { host: real } = node.fake;
  // As over TLS, of which this stand-in has none: what comes decides nothing but what this test looks at.
  const over = {
    ...real,
    fetchContent: (async (reference, expected, machine, folder, options) =>
      real.fetchContent(reference, expected, machine, folder, {
        ...options,
        endpointsOf: async (image) =>
          (await options.endpointsOf(image)).map(({ unproven: _, ...one }) => ({ ...one, resolves: true })),
        http: { ...options.http, decidesNothing: true },
      })) as typeof real.fetchContent,
  };
  t.equal((await node.once({}, over)).outcome.kind, 'converged');
  const first = store.tags.get('v1') ?? '';
  store.tags.set('v1', store.artifact({ a: Buffer.from(program('moved')) }).digest);
  for (const [path] of Object.entries(treeOf(node.root)))
    if (path.startsWith(`${paths.store}/`) && path.endsWith('containerd-shim-a')) node.write(path, 'damaged');
  await node.once({ deep: true }, over);
  t.equal(registry.paths().at(-2), `/v2/team/shim/manifests/${first}`, 'a repair asks for that digest');
  t.equal((await node.once({ deep: true }, over)).outcome.kind, 'converged');
});

t.test('only registries that the node allows are asked', async (t) => {
  const { store, registry, node } = await open(t, undefined, 'allowedHosts = ["good.example"]\n');
  shim(node, 'a', rowOf(registry.host, store.artifact({ a: Buffer.from(spin) }).digest));
  t.match(problemsOf((await node.once()).outcome), [
    { code: 'policy-denied', message: /artifacts from the host "127\.0\.0\.1" are not allowed/ },
  ]);
  t.equal(registry.requests.length, 0);
});

t.test('several compressed files have one limit together', async (t) => {
  const { store, registry, node } = await open(t, undefined, 'maxArtifactBytes = 100000\n');
  const large = (name: string) => gzipSync(`${spin}# ${name} ${'x'.repeat(150_000)}`);
  const files = (names: readonly string[]) =>
    store.artifact(Object.fromEntries(names.map((name) => [name, large(name)])));
  const kind = (libraries: string): string =>
    `runtime = { type = "oci", binary = "engine", libraries = [${libraries}] }\n`;
  const { host } = registry;
  shim(node, 'a', `${kind('"x.so", "y.so"')}${rowOf(host, files(['engine', 'x.so', 'y.so']).digest)}`);
  t.match(problemsOf((await node.once()).outcome), [
    { handler: 'a', code: 'too-large', message: /holds more than the/ },
  ]);
  shim(node, 'a', `${kind('"x.so"')}${rowOf(host, files(['engine', 'x.so']).digest)}`);
  t.strictSame(
    problemsOf((await node.once()).outcome).filter(({ code }) => code === 'too-large'),
    [],
  );
});

t.test('layers that a killed run left are neither used nor kept', async (t) => {
  const { store, registry, node } = await open(t);
  const image = store.image([store.blob(types.tar, tar({ 'a/containerd-shim-a': spin }))]);
  shim(node, 'a', imageOf(registry.host, image.digest));
  const url = `oci://${registry.host}/team/shim@${image.digest}`;
  const name = sha256(`${url}${image.digest.slice('sha256:'.length)}`).slice(0, 16);
  const [layer = ''] = [...store.blobs.keys()].slice(0, 1);
  for (const folder of [`${name}.artifact`, 'other.artifact'])
    node.write(`${paths.incoming}/${folder}/${layer}`, 'half of a layer');
  t.equal((await node.once()).outcome.kind, 'converged');
  await node.once();
  const left = Object.keys(treeOf(node.root)).filter((path) => path.startsWith(`${paths.incoming}/`));
  t.strictSame(left, []);
});
