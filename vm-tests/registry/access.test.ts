/**
 * A node takes a shim from Debian's docker-registry, which wants a password: by the mirror that containerd's hosts.toml names, with its
 * CA, and with what a credential provider of the kubelet gives. The kubelet and the provider are stand-ins: a shell under the kubelet's
 * name, with its arguments; a script that follows its protocol. And what was imported into containerd is not fetched.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Artifact } from '../../testbed/artifacts/artifact.ts';
import { prepareImage } from '../../testbed/artifacts/images.ts';
import { makeStandInShim } from '../../testbed/artifacts/shim.ts';
import {
  bootWithRcmNode,
  journalOf,
  rcmNode,
  shimFilePath,
  untilReport,
  untilServing,
} from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';
import { startRegistry as startOpenRegistry } from '../../testbed/registry/registry.ts';

const progress = (line: string): void => t.comment(line);
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const password = 'hush-hush';
/** Of it, by bcrypt: docker-registry takes no other. */
const htpasswd = 'node:$2b$04$sG2diLm/oBahq7i5XW08geT24c8.WnKYe2ynZBbogBG5MchTtzKQi\n';

type Blob = { readonly digest: string; readonly bytes: Uint8Array };
const blob = (bytes: Uint8Array): Blob => ({ digest: digestOf(bytes), bytes });

/** An artifact with one file: its manifest, and the blobs of that. */
const artifactOf = async (shim: Artifact) => {
  const [layer, config] = [blob(await readFile(shim.path)), blob(Buffer.from('{}'))];
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'application/vnd.example.shim',
    config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: config.digest, size: 2 },
    layers: [
      {
        mediaType: 'application/octet-stream',
        digest: layer.digest,
        size: layer.bytes.length,
        annotations: { 'org.opencontainers.image.title': 'shim.tar.gz' },
      },
    ],
  };
  return { top: blob(Buffer.from(JSON.stringify(manifest))), blobs: [layer, config] };
};

/** As a publisher does it, while the registry asks for no password. */
const push = async (
  at: string,
  repository: string,
  { top, blobs }: Awaited<ReturnType<typeof artifactOf>>,
) => {
  const base = `http://${at}/v2/${repository}`;
  for (const { digest, bytes } of blobs) {
    const begun = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
    const url = new URL(begun.headers.get('location') ?? '', base);
    url.searchParams.set('digest', digest);
    const { status } = await fetch(url, { method: 'PUT', body: Buffer.from(bytes) });
    if (status !== 201) throw new Error(`a blob was answered with ${status}`);
  }
  const { status } = await fetch(`${base}/manifests/${top.digest}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: Buffer.from(top.bytes),
  });
  if (status !== 201) throw new Error(`the manifest was answered with ${status}`);
};

const makeCertificates = (folder: string): void => {
  const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=team CA');
  openssl(
    ...['req', '-x509', ...key, '-keyout', 'server.key', '-out', 'server.pem', '-subj', '/CN=registry'],
    ...['-CA', 'ca.pem', '-CAkey', 'ca.key', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  );
};

/** With TLS and a password, in the node, over what was pushed. */
const startRegistry = async (node: TestNode, folder: string): Promise<void> => {
  for (const name of ['server.key', 'server.pem'])
    await node.writeFile(`/srv/${name}`, await readFile(join(folder, name)));
  await node.writeFile('/srv/htpasswd', htpasswd);
  const settings = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: '/srv/registry' } },
    auth: { htpasswd: { realm: 'team', path: '/srv/htpasswd' } },
    http: { addr: '127.0.0.1:5000', tls: { certificate: '/srv/server.pem', key: '/srv/server.key' } },
  };
  await node.writeFile('/srv/registry.yml', JSON.stringify(settings));
  await node.run([
    ...['systemd-run', '--unit=registry', '--collect'],
    ...['/srv/programs/docker-registry', 'serve', '/srv/registry.yml'],
  ]);
};

const provider = (given: string): string => `#!/bin/sh
cat >> /run/rcm-node/asked
echo >> /run/rcm-node/asked
cat <<'END'
${JSON.stringify({
  apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
  kind: 'CredentialProviderResponse',
  cacheKeyType: 'Registry',
  cacheDuration: '0s',
  auth: { '127.0.0.1:5000': { username: 'node', password: given } },
})}
END
`;

const startKubelet = async (node: TestNode): Promise<void> => {
  const config = {
    apiVersion: 'kubelet.config.k8s.io/v1',
    kind: 'CredentialProviderConfig',
    providers: [
      {
        name: 'team-provider',
        matchImages: ['127.0.0.1:5000/team'],
        defaultCacheDuration: '1h',
        apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
      },
    ],
  };
  await node.writeFile('/etc/kubernetes/providers.yaml', JSON.stringify(config));
  await node.run(['cp', '/bin/bash', '/usr/local/bin/kubelet']);
  const flags = [
    '--image-credential-provider-config=/etc/kubernetes/providers.yaml',
    '--image-credential-provider-bin-dir=/opt/providers',
  ];
  await node.writeFile(
    '/etc/systemd/system/kubelet.service',
    `[Service]\nExecStart=/usr/local/bin/kubelet -c "sleep infinity & wait" kubelet ${flags.join(' ')}\n`,
  );
  await node.run(['systemctl', 'daemon-reload']);
  await node.run(['systemctl', 'start', 'kubelet']);
};

const useMirror = async (node: TestNode, folder: string): Promise<void> => {
  const main = '/etc/containerd/config.toml';
  const table = '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n';
  await node.writeFile(main, `${await node.readFile(main)}\n${table}`);
  const hosts = '/etc/containerd/certs.d/registry.example.com';
  await node.writeFile(`${hosts}/ca.pem`, await readFile(join(folder, 'ca.pem')));
  await node.writeFile(
    `${hosts}/hosts.toml`,
    '[host."https://127.0.0.1:5000"]\n  capabilities = ["pull", "resolve"]\n  ca = "ca.pem"\n',
  );
  await node.run(['systemctl', 'restart', 'containerd']);
};

const shimFile = (name: string, digest: string): string =>
  `name = "${name}"\n[[fetchStrategy.platforms]]\nos = "linux"\narch = "${process.arch === 'arm64' ? 'arm64' : 'amd64'}"\nlocation = "oci://registry.example.com/team/${name}@${digest}"\n`;

const setUp = async (t: Test) => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-registry-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  makeCertificates(folder);
  const spin = await artifactOf(await makeStandInShim('trixie', 'registry', progress));
  const open = await startOpenRegistry(join(folder, 'open'), progress);
  await push(open.at, 'team/spin-v2', spin);
  open.stop();
  const programs = join(await prepareImage('trixie', 'cosign', progress), 'usr/bin');
  const node = await bootWithRcmNode('trixie', {
    progress,
    settings: 'interval = 5\nattempts = 1\n',
    binds: {
      '/srv/registry': { from: join(folder, 'open/content') },
      '/srv/programs': { from: programs, readOnly: true },
    },
  });
  t.teardown(() => node.stop());
  await useMirror(node, folder);
  await startRegistry(node, folder);
  await startKubelet(node);
  return { node, spin };
};

t.test('with a password from the kubelet’s provider, by the mirror of containerd', async (t) => {
  const { node, spin } = await setUp(t);
  await node.writeFile('/opt/providers/team-provider', provider('wrong-wrong'), 0o755);
  await node.writeFile(shimFilePath('spin-v2'), shimFile('spin-v2', spin.top.digest));
  await node.run(['systemctl', 'start', 'rcm-node']);
  const refused = await untilReport(node, 'a wrong password is refused', ({ handlers }) =>
    handlers.some(({ problem }) => problem?.message.includes('refuses access (401)') === true),
  );
  t.match(refused.handlers[0]?.problem, {
    hint: /credentials that this node has for the registry are refused/,
  });

  await node.writeFile('/opt/providers/team-provider', provider(password), 0o755);
  await rcmNode(node, 'retry', 'spin-v2');
  await untilServing(node, ['spin-v2']);
  const asked = (await node.run(['cat', '/run/rcm-node/asked']))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(asked[0], { kind: 'CredentialProviderRequest', image: '127.0.0.1:5000/team/spin-v2' });

  const told = [
    await journalOf(node, 'rcm-node', 10_000),
    (await rcmNode(node, 'status', '--json')).stdout,
    (await rcmNode(node, 'doctor')).stdout,
  ].join('\n');
  const form = Buffer.from(`node:${password}`).toString('base64');
  for (const secret of [password, form, 'wrong-wrong']) t.notOk(told.includes(secret), 'it is told nowhere');
  const kept = await node.exec([
    'grep',
    '-rlE',
    `${password}|${form}`,
    '/var/lib/rcm-node',
    '/run/rcm-node',
    '/etc/rcm-node',
  ]);
  t.equal(kept.stdout, '', 'and kept in no file');

  const slight = await artifactOf(await makeStandInShim('trixie', 'imported', progress, 'slight-v1'));
  await node.run(['systemctl', 'stop', 'registry']);
  for (const { digest, bytes } of [slight.top, ...slight.blobs]) {
    await node.writeFile('/srv/blob', bytes);
    await node.run([
      'sh',
      '-c',
      `ctr -n k8s.io content ingest --expected-digest ${digest} ${digest} < /srv/blob`,
    ]);
  }
  await node.writeFile(shimFilePath('slight-v1'), shimFile('slight-v1', slight.top.digest));
  await untilServing(node, ['slight-v1', 'spin-v2']);
});
