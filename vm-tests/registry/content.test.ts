/**
 * Debian's docker-registry, plain and with TLS and a password, filled by Debian's oras and skopeo: a whole tick takes shims out of it.
 * Real are the registry, what fills it, and the files that say how it is reached; the host and its containerd are simulated.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { startRegistry, user } from '../../testbed/registry/registry.ts';
import { toolsFor } from '../../testbed/registry/push.ts';
import { makeRoot, type Node, openNode, program, sha256 } from '../../testbed/simulated/node.ts';
import { tarOf } from '../../testbed/artifacts/tarball.ts';

const progress = (line: string): void => t.comment(line);

const shimName = 'containerd-shim-spin-v2';
const text = (what: string): Uint8Array => Buffer.from(program(what));
const tar = (files: Readonly<Record<string, Uint8Array>>): Uint8Array =>
  tarOf(Object.entries(files).map(([path, bytes]) => ({ path, bytes, mode: 0o644 })));

/** As the Dockerfile of SpinKube's node installer makes it: a base, a script, shims below /assets. Here one is replaced later. */
const installer = (what: string): readonly Uint8Array[] => [
  tar({ 'bin/busybox': text('busybox'), 'assets/containerd-shim-old-v1': text('old') }),
  tar({ 'script/installer.sh': text('installer'), [`assets/${shimName}`]: text('an earlier one') }),
  tar({
    [`assets/${shimName}`]: text(what),
    'assets/.wh.containerd-shim-old-v1': Buffer.alloc(0),
    'assets/containerd-shim-wasmtime-v1': text('wasmtime'),
  }),
];

const registryFor = async (t: Test, guarded: boolean) => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-registry-'));
  const registry = await startRegistry(folder, progress, { guarded });
  t.teardown(async () => {
    registry.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { registry, tools: await toolsFor(registry, progress) };
};

const nodeFor = (t: Test, at: string, ca: string | undefined, password: string = user.password): Node => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(
    '/etc/containerd/config.toml',
    'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/certs.d"\n',
  );
  const hosts = ca === undefined ? `server = "http://${at}"\n` : 'ca = "/etc/certs.d/ca.pem"\n';
  node.write(`/etc/certs.d/${at}/hosts.toml`, hosts);
  if (ca !== undefined) node.write('/etc/certs.d/ca.pem', readFileSync(ca, 'utf8'));
  const auth = Buffer.from(`${user.name}:${password}`).toString('base64');
  node.write('/etc/rcm-node/registries.json', JSON.stringify({ auths: { [at]: { auth } } }), 0o600);
  node.write(
    '/etc/rcm-node/config.toml',
    'attempts = 1\n[registries]\ncredentials = "/etc/rcm-node/registries.json"\n',
  );
  return node;
};

const inRow = (location: string, more = ''): string =>
  `[[fetchStrategy.platforms]]\nos = "linux"\narch = "amd64"\nlocation = "${location}"\n${more}`;
const asImage = (image: string, more = ''): string => `[fetchStrategy.oci]\nimage = "${image}"\n${more}`;

const ask = (node: Node, shims: Readonly<Record<string, string>>): void => {
  for (const [name, strategy] of Object.entries(shims))
    node.write(`/etc/rcm-node/shims.d/${name}.toml`, `name = "${name}"\n${strategy}`);
};

for (const guarded of [false, true])
  t.test(
    guarded ? 'over TLS, with a password' : 'over plain http, as the files of containerd allow it',
    async (t) => {
      const { registry, tools } = await registryFor(t, guarded);
      const { at, ca } = registry;
      const spin = text('spin');
      const plain = await tools.artifact('acme/spin:v1', {
        [shimName]: spin,
        'README.md': Buffer.from('# spin\n'),
      });
      const archive = await tools.artifact('acme/slight:v1', {
        'slight.tar.gz': gzipSync(tar({ './containerd-shim-slight-v1': text('slight') })),
      });
      const gzip = await tools.image('acme/installer:amd64', installer('for amd64'));
      const zstd = await tools.image('acme/installer:zstd', installer('with zstd'), { compress: 'zstd' });
      const docker = await tools.image('acme/installer:docker', installer('by docker'), { format: 'v2s2' });
      const arm = await tools.image('acme/installer:arm64', installer('for arm64'), {
        architecture: 'arm64',
      });
      t.match(
        [gzip, zstd, docker].map(({ manifest }) => manifest),
        [/v1\.tar\+gzip/, /v1\.tar\+zstd/, /docker\.image\.rootfs\.diff\.tar\.gzip/],
        'each is of its kind',
      );
      const index = await tools.index('acme/installer:v1', { 'linux/arm64': arm, 'linux/amd64': gzip });

      const node = nodeFor(t, at, ca);
      const installerAt = (digest: string): string => `${at}/acme/installer@sha256:${digest}`;
      ask(node, {
        'spin-v2': inRow(
          `oci://${at}/acme/spin:v1@sha256:${plain}`,
          `sha256 = "${sha256(program('spin'))}"\n`,
        ),
        'slight-v1': inRow(`oci://${at}/acme/slight@sha256:${archive}`),
        'wasmtime-v1': asImage(installerAt(index)),
        zstd: asImage(installerAt(zstd.digest), `path = "/assets/${shimName}"\n`),
        docker: asImage(installerAt(docker.digest), `path = "/assets/${shimName}"\n`),
      });
      const { outcome } = await node.once();
      t.equal(outcome.kind, 'converged', JSON.stringify(outcome));
      t.strictSame([...node.fake.containerd.served()].sort(), [
        ...['docker', 'runc', 'slight-v1', 'spin-v2', 'wasmtime-v1', 'zstd'],
      ]);
      // A link of the node leads below its own root.
      const placed = (handler: string): string | undefined =>
        node.read(readlinkSync(join(node.root, `opt/rcm-node/shims/${handler}/containerd-shim-${handler}`)));
      t.equal(placed('spin-v2'), program('spin'));
      t.equal(placed('wasmtime-v1'), program('wasmtime'));
      t.equal(placed('zstd'), program('with zstd'));
      t.equal(placed('docker'), program('by docker'));

      await t.test('what is wrong is said, and changes nothing for the others', async (t) => {
        const wrong = nodeFor(t, at, ca);
        ask(wrong, {
          'spin-v2': inRow(`oci://${at}/acme/spin@sha256:${plain}`),
          'old-v1': asImage(installerAt(index), 'path = "/assets/containerd-shim-old-v1"\n'),
          gone: inRow(`oci://${at}/acme/none@sha256:${'0'.repeat(64)}`),
          arm: asImage(installerAt(arm.digest)),
          tag: asImage(`${at}/acme/spin:v1`),
          several: asImage(installerAt(index)),
        });
        const { outcome } = await wrong.once();
        const said = outcome.kind === 'degraded' ? outcome.problems : [];
        const of = (name: string) => said.find(({ where }) => where?.file.endsWith(`/${name}.toml`));
        t.match(of('old-v1'), { code: 'bad-archive', message: /no file "\/assets\/containerd-shim-old-v1"/ });
        t.match(of('gone'), { code: 'download-refused', message: /nothing of this name \(404\)/ });
        t.match(of('arm'), { code: 'no-platform', message: /is for "linux\/arm64"/ });
        t.match(of('tag'), { code: 'unpinned' });
        t.match(of('several'), { code: 'bad-archive', message: /but several shims: / });
        t.strictSame(wrong.fake.containerd.served(), ['runc', 'spin-v2']);
      });

      if (guarded)
        await t.test('a wrong password is refused, and stands in no message', async (t) => {
          const node = nodeFor(t, at, ca, 'another secret');
          ask(node, { 'spin-v2': inRow(`oci://${at}/acme/spin@sha256:${plain}`) });
          const { outcome } = await node.once();
          const [problem] = outcome.kind === 'degraded' ? outcome.problems : [];
          t.match(problem, {
            code: 'download-refused',
            message: /refuses access \(401\)/,
            hint: /credentials/,
          });
          t.notMatch(JSON.stringify(outcome) + node.fake.lines.join(), /another secret|YW5vdGhlc|cm9ib3Q6/);
        });
    },
  );
