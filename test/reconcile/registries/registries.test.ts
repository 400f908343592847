/** A whole tick with a registry that wants a password, behind a mirror of the node's own configuration. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeRoot, openNode, program, sha256 } from '../../../testbed/simulated/node.ts';
import { makeStore } from '../../host/registry/served.ts';
import { makeCertificates, serveTls, tlsTest } from '../../host/registry/served-tls.ts';

// Files of one group share a process, and with it the folder of the test at the top.
const folder = mkdtempSync(join(tmpdir(), 'rcm-node-test-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
makeCertificates(folder);

const secret = 'hunter2-hunter2';
const auth = Buffer.from(`node:${secret}`).toString('base64');
const binary = program('spin');

const setUp = async (t: Test) => {
  const store = makeStore();
  const top = store.artifact({ 'containerd-shim-spin-v2': Buffer.from(binary) });
  const paths: string[] = [];
  const registry = await serveTls(t, folder, store, ({ request }) => {
    paths.push(request.url ?? '');
    return request.headers.authorization === `Basic ${auth}`
      ? undefined
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="team"' } };
  });
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  node.write(
    '/etc/containerd/config.toml',
    'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/certs.d"\n',
  );
  node.write(
    '/etc/certs.d/registry.example/hosts.toml',
    `[host."https://${registry}"]\ncapabilities = ["pull"]\nca = "ca.pem"\n`,
  );
  node.write('/etc/certs.d/registry.example/ca.pem', readFileSync(join(folder, 'ca.pem'), 'utf8'));
  const credentials = '/etc/rcm-node/registries.json';
  node.write('/etc/rcm-node/config.toml', `attempts = 1\n[registries]\ncredentials = "${credentials}"\n`);
  node.write(credentials, JSON.stringify({ auths: { [registry]: { auth } } }), 0o600);
  node.write(
    '/etc/rcm-node/shims.d/spin.toml',
    `name = "spin-v2"\n[[fetchStrategy.platforms]]\nos = "linux"\narch = "amd64"\nlocation = "oci://registry.example/team/spin@${top.digest}"\n`,
  );
  return { node, store, top, paths, credentials, registry };
};

/** Every file of the node but this one. */
const textsOf = (root: string, except: string): string =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && join(one.parentPath, one.name) !== join(root, except))
    .map((one) => readFileSync(join(one.parentPath, one.name), 'utf8'))
    .join('\n');

t.test(
  'the mirror, its CA and its password are found, and the password is nowhere else',
  tlsTest,
  async (t) => {
    const { node, paths, credentials } = await setUp(t);
    const { outcome, ledger } = await node.once();
    t.match(outcome, { kind: 'converged' });
    t.ok(node.fake.containerd.served().includes('spin-v2'));
    t.ok(
      paths.every((path) => path.endsWith('?ns=registry.example')),
      'the mirror is told for whom it stands',
    );
    const said = [
      JSON.stringify([outcome, ledger]),
      ...node.fake.lines,
      textsOf(node.root, credentials),
    ].join('\n');
    for (const form of [secret, auth]) t.notOk(said.includes(form));
  },
);

t.test(
  'without a password the message says so, and with a wrong one, or one for all to read, too',
  tlsTest,
  async (t) => {
    const { node, credentials, registry } = await setUp(t);
    const wrong = async (auths: object): Promise<unknown> => {
      node.write(credentials, JSON.stringify({ auths }), 0o600);
      node.fake.advance(100_000_000);
      const { outcome } = await node.once({ now: true });
      return 'problems' in outcome ? outcome.problems[0] : outcome;
    };
    const other = { auth: Buffer.from('node:wrong').toString('base64') };
    t.match(await wrong({ 'registry.example': other }), {
      message: /refuses access \(401\)/,
      hint: /\[registries\] credentials\): this node has none for this host/,
    });
    t.match(await wrong({ [registry]: other }), { message: /refuses access \(401\)/, hint: /are refused/ });
    chmodSync(join(node.root, credentials), 0o644);
    node.fake.advance(100_000_000);
    const { outcome } = await node.once({ now: true });
    t.match('problems' in outcome && outcome.problems[0], {
      message: `${credentials}: others than root may read it: it has mode 0644`,
      hint: /chmod 600/,
    });
  },
);

t.test(
  'a file of mirrors that cannot be understood denies, and the next tick recovers',
  tlsTest,
  async (t) => {
    const { node, paths } = await setUp(t);
    const hosts = '/etc/certs.d/registry.example/hosts.toml';
    const good = node.read(hosts) ?? '';
    node.write(hosts, `${good}[host`);
    const { outcome } = await node.once();
    t.match(outcome, {
      kind: 'degraded',
      problems: [
        {
          code: 'registry-config',
          handler: 'spin-v2',
          message: /\/etc\/certs\.d\/registry\.example\/hosts\.toml:\d+:\d+: .*images of registry\.example/,
        },
      ],
    });
    t.same(paths, []);
    node.write(hosts, good);
    node.fake.advance(100_000_000);
    t.match((await node.once({ now: true })).outcome, { kind: 'converged' });
  },
);

t.test('what the runtime pulled before is not fetched again', tlsTest, async (t) => {
  const { node, store, paths } = await setUp(t);
  for (const [digest, bytes] of store.blobs)
    node.write(
      `/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/${digest}`,
      Buffer.from(bytes).toString('utf8'),
    );
  t.match((await node.once()).outcome, { kind: 'converged' });
  t.same(paths, []);
  t.ok(store.blobs.has(sha256(binary)));
});

t.test('a file of a web server comes from the registry that is its mirror', tlsTest, async (t) => {
  const { node, store, paths, credentials, registry } = await setUp(t);
  store.tags.set(sha256(binary), store.artifact({ 'containerd-shim-spin-v2': Buffer.from(binary) }).digest);
  node.write(
    '/etc/rcm-node/config.toml',
    `attempts = 1\n[registries]\ncredentials = "${credentials}"\n[[mirrors]]\nprefix = "https://"\nreplace = "oci://registry.example/air/files"\n`,
  );
  // It says what a tag means, too.
  node.write(
    '/etc/certs.d/registry.example/hosts.toml',
    `server = "https://${registry}"\nca = "ca.pem"\n[host."https://${registry}"]\nca = "ca.pem"\n`,
  );
  const shim = (digest: string): void =>
    node.write(
      '/etc/rcm-node/shims.d/spin.toml',
      `name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "https://web.invalid/v1/spin"\nsha256 = "${digest}"\n`,
    );
  const other = sha256('other');
  store.tags.set(other, store.artifact({ x: Buffer.from('not other') }).digest);
  shim(other);
  const failed = (await node.once()).outcome;
  t.match(failed, { kind: 'degraded', problems: [{ message: /web\.invalid/ }] }, 'the digest decides');
  shim(sha256(binary));
  node.fake.advance(100_000_000);
  t.match((await node.once({ now: true })).outcome, { kind: 'converged' });
  t.ok(paths.some((path) => path.startsWith(`/v2/air/files/manifests/${sha256(binary)}`)));
});
