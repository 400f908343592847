import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { blobPlace, endpointsOf } from '../../../daemon/reconcile/registries/mirrors.ts';
import { configFile } from '../../../daemon/runtimes/parsed.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { makeRoot, openNode, sha256 } from '../../../testbed/simulated/node.ts';

const image = { host: 'registry.example', repository: 'team/spin' };
const main = '/etc/containerd/config.toml';

const setUp = async (t: Test, name: 'containerd' | 'crio', text = '') => {
  const node = openNode(makeRoot(t), { version: '2.1.0', ...(name === 'crio' ? { runtime: name } : {}) });
  node.write(main, text);
  const { files } = node.fake.host;
  const runtime = { name, version: '2.1.0', config: [configFile(main, await files.look(main))] };
  const ask = () => endpointsOf(files, runtime, image).then((all) => all.map(({ base }) => base), problemOf);
  const blob = (digest: string) => blobPlace(files, runtime, digest);
  return { ...node, ask, blob };
};

const certs = 'version = 3\n[plugins."io.containerd.cri.v1.images".registry]\nconfig_path = "/etc/certs.d"\n';
const hosts = '/etc/certs.d/registry.example/hosts.toml';

t.test('the files of the runtime that is served are read', async (t) => {
  const one = await setUp(t, 'containerd', certs);
  one.write(hosts, '[host."https://mirror.example"]\n');
  one.write(
    '/etc/containers/registries.conf',
    '[[registry]]\nlocation = "registry.example"\nblocked = true\n',
  );
  t.same(await one.ask(), ['https://mirror.example/v2', 'https://registry.example/v2']);
  const other = await setUp(t, 'crio', certs);
  other.write(hosts, '[host."https://mirror.example"]\n');
  other.write(
    '/etc/containers/registries.conf.d/10-x.conf',
    '[[registry]]\nlocation = "registry.example"\n[[registry.mirror]]\nlocation = "cache.test"\n',
  );
  t.same(await other.ask(), ['https://cache.test/v2', 'https://registry.example/v2']);
});

t.test('an unreadable file, or one that others can write, denies, and the registry is named', async (t) => {
  const { root, write, ask } = await setUp(t, 'containerd', certs);
  write(hosts, '[host."https://mirror.example"');
  t.match(await ask(), {
    code: 'registry-config',
    message: /^it is not known from where this node takes images of registry\.example: /,
    where: { file: hosts, line: 1 },
  });
  write(hosts, '[host."https://mirror.example"]\nca = "own.crt"\n', 0o664);
  t.match(await ask(), { code: 'untrusted', where: { file: hosts } });
  chmodSync(join(root, hosts), 0o644);
  write('/etc/certs.d/registry.example/own.crt', 'x', 0o666);
  t.match(await ask(), { code: 'untrusted', where: { file: '/etc/certs.d/registry.example/own.crt' } });
  chmodSync(join(root, 'etc/certs.d/registry.example/own.crt'), 0o644);
  t.same(await ask(), ['https://mirror.example/v2', 'https://registry.example/v2']);
});

t.test('an image that the runtime has is read by digest from its content store', async (t) => {
  const { root, write, blob } = await setUp(t, 'containerd', 'root = "/srv/c"\n');
  const digest = sha256('layer');
  const path = `/srv/c/io.containerd.content.v1.content/blobs/sha256/${digest}`;
  t.equal(await blob(digest), undefined);
  write(path, 'layer', 0o444);
  t.equal(await blob(digest), path);
  t.equal(await blob(`../${digest}`), undefined);
  chmodSync(join(root, path), 0o666);
  t.equal(await blob(digest), undefined, 'others could exchange it while it is read');
});

t.test('where the runtime keeps only unpacked layers, nothing is read', async (t) => {
  const { blob } = await setUp(t, 'crio');
  t.equal(await blob(sha256('layer')), undefined);
});
