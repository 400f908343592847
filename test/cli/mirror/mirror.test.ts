import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { printMirrored } from '../../../cli/mirror/command.ts';
import { failedLine, mirror, type Mirroring } from '../../../cli/mirror/mirror.ts';
import { download, placesFor } from '../../../host/http/download.ts';
import { mirroredBy } from '../../../daemon/registries/mirrored.ts';
import { fetchContent } from '../../../host/registry/content.ts';
import { attachedSignatures } from '../../../host/signature/attached.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { makeStore, optionsOf, plain, serveRegistry } from '../../host/registry/served.ts';

const digestOf = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Files by path, over plain http: with a digest that is as good as https. */
const serve = async (t: Test, files: Map<string, string>) => {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    const body = files.get((request.url ?? '').replace(/\?.*/, ''));
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
};

const toml = (name: string, rows: Readonly<Record<string, readonly [string, string?]>>): string =>
  `name = "${name}"\n${Object.entries(rows)
    .map(
      ([arch, [location, sha256]]) =>
        `[[fetchStrategy.platforms]]\nos = "linux"\narch = "${arch}"\nlocation = "${location}"\n${sha256 === undefined ? '' : `sha256 = "${sha256}"\n`}`,
    )
    .join('')}`;

const run = async (given: Partial<Mirroring> & Pick<Mirroring, 'to' | 'texts'>) => {
  const lines: string[] = [];
  const done = await mirror({ env: {}, say: (line) => void lines.push(line), ...given });
  const lock = JSON.parse(readFileSync(done.lock, 'utf8'));
  return { done, lines, lock, did: done.copied.map(({ did }) => did) };
};

t.test(
  'files of all machines are copied with their signatures, and a second run asks no server',
  async (t) => {
    const files = new Map([
      ['/v1/spin-amd64.tar.gz', 'amd64'],
      ['/v1/spin-arm64.tar.gz', 'arm64'],
      ['/v1/spin-amd64.tar.gz.sigstore.json', '{"a":1}'],
    ]);
    const { url, asked } = await serve(t, files);
    const text = toml('spin', {
      amd64: [`${url}/v1/spin-amd64.tar.gz`, digestOf('amd64')],
      aarch64: [`${url}/v1/spin-arm64.tar.gz`, digestOf('arm64')],
    });
    const to = join(t.testdir(), 'mirror');
    const texts = [{ name: 'spin.toml', text }];
    const { done, did, lock, lines } = await run({ to, texts });
    t.same(did, ['copied', 'copied']);
    const path = `http/${new URL(url).host}/v1/spin-amd64.tar.gz`;
    t.equal(readFileSync(join(to, path), 'utf8'), 'amd64');
    t.match(lock.locations[`${url}/v1/spin-amd64.tar.gz`], {
      sha256: digestOf('amd64'),
      path,
      shims: ['spin'],
      pinned: true,
      files: { [path]: digestOf('amd64'), [`${path}.sigstore.json`]: digestOf('{"a":1}') },
    });
    t.match(lines, [/^copied {4}http:/, /^copied {4}http:/]);
    t.match(printMirrored(done), `prefix = "http://"\nreplace = "${pathToFileURL(join(to, 'http')).href}"`);
    asked.length = 0;
    const before = readFileSync(done.lock, 'utf8');
    t.same((await run({ to, texts })).did, ['unchanged', 'unchanged']);
    t.same(asked, []);
    t.equal(readFileSync(done.lock, 'utf8'), before);
    t.same(readdirSync(join(to, '.rcm-node-mirror.incoming')), []);
  },
);

t.test('a release whose tag has a slash is copied, and found by nodes', async (t) => {
  const { url } = await serve(t, new Map([['/shim%2Fv1/x', 'one']]));
  const to = join(t.testdir(), 'mirror');
  const location = `${url}/shim%2Fv1/x`;
  const text = toml('a', { amd64: [location, digestOf('one')] });
  const { did, done } = await run({ to, texts: [{ name: 'a.toml', text }] });
  t.same(did, ['copied']);
  const options = { ...optionsOf().http, mirrors: done.mirrors };
  const [place = ''] = placesFor(location, done.mirrors);
  t.equal(readFileSync(new URL(place), 'utf8'), 'one');
  t.equal((await download(location, digestOf('one'), join(to, 'out'), options)).sha256, digestOf('one'));
});

t.test('a folder that others use keeps its mode, and all that is in it', async (t) => {
  const { url } = await serve(t, new Map([['/a', 'one']]));
  const to = t.testdir({ '.incoming': { kept: 'x' }, '.lock': 'of another program', http: {} });
  chmodSync(to, 0o1777);
  chmodSync(join(to, 'http'), 0o700);
  const text = toml('a', { amd64: [`${url}/a`, digestOf('one')] });
  t.same((await run({ to, texts: [{ name: 'a.toml', text }] })).did, ['copied']);
  t.equal(statSync(to).mode & 0o7777, 0o1777);
  t.equal(statSync(join(to, 'http')).mode & 0o7777, 0o700);
  t.equal(readFileSync(join(to, '.incoming/kept'), 'utf8'), 'x');
  t.equal(readFileSync(join(to, '.lock'), 'utf8'), 'of another program');
});

t.test('what is damaged or missing comes again, and what fails keeps nothing else', async (t) => {
  const files = new Map([
    ['/a', 'one'],
    ['/b', 'two'],
  ]);
  const { url } = await serve(t, files);
  const to = t.testdir();
  const texts = ['a', 'b'].map((name) => ({
    name: `${name}.toml`,
    text: toml(name, { amd64: [`${url}/${name}`, digestOf(files.get(`/${name}`) ?? '')] }),
  }));
  await run({ to, texts });
  const place = join(to, `http/${new URL(url).host}`);
  writeFileSync(join(place, 'a'), 'others');
  rmSync(join(place, 'b'));
  files.set('/b', 'another');
  const { did, done } = await run({ to, texts });
  t.same(did, ['copied', 'failed']);
  t.equal(readFileSync(join(place, 'a'), 'utf8'), 'one');
  t.match(done.copied[1]?.problem, { code: 'digest-mismatch' });
  t.notOk(existsSync(join(place, 'b')), 'nothing with another digest is kept');
  t.match(
    printMirrored(done),
    /1 copied, 1 failed;.*\n(http:\S+): (?!\1).* \(digest-mismatch\)\n {2}what to do: /,
    'the location once',
  );
});

t.test('Shims in YAML are found among other objects and in lists; one machine alone is enough', async (t) => {
  const { url } = await serve(t, new Map([['/x', 'x']]));
  const shim = (name: string) => ({
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name },
    spec: {
      fetchStrategy: {
        platforms: [{ os: 'linux', arch: 'arm64', location: `${url}/x`, sha256: digestOf('x') }],
      },
    },
  });
  const others = {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'x' },
    handler: 'x',
  };
  const text = [others, shim('one'), { apiVersion: 'v1', kind: 'List', items: [shim('two')] }]
    .map((one) => JSON.stringify(one))
    .join('\n---\n');
  const { lock } = await run({ to: t.testdir(), texts: [{ name: '(standard input)', text }] });
  t.same(lock.locations[`${url}/x`].shims, ['one', 'two']);
});

t.test('what is wrong with a Shim is told before anything is fetched', async (t) => {
  const wrong = async (text: string, name = 'x.toml') =>
    mirror({ to: t.testdir(), texts: [{ name, text }], env: {}, say: () => undefined }).then(
      () => 'done',
      problemOf,
    );
  t.match(await wrong('name = '), { code: 'bad-toml', where: { file: 'x.toml' } });
  t.match(await wrong('a: [', 'x.yaml'), { code: 'bad-value', message: /parsed as YAML/ });
  t.match(await wrong('kind: Pod', 'x.yaml'), { code: 'bad-value', message: /no Shim/ });
  t.match(await wrong(toml('x', { riscv64: ['https://a.example/x'] })), { code: 'no-platform' });
  t.match(await wrong(toml('x', { amd64: ['http://a.example/x'] })), { code: 'unpinned' });
  const twice = toml('x', {
    amd64: ['https://a.example/x?1', digestOf('1')],
    arm64: ['https://a.example/x?2', digestOf('2')],
  });
  t.match(await wrong(twice), { code: 'bad-value', message: /would be one file/ });
});

t.test('no secret of an address is in the lock file or in a line', async (t) => {
  const { url } = await serve(t, new Map([['/x', 'x']]));
  const secret = `${url.replace('http://', 'http://me:hunter2@')}/x?sig=hunter2`;
  const { lock, lines, done } = await run({
    to: t.testdir(),
    texts: [{ name: 'x.toml', text: toml('x', { amd64: [secret, digestOf('x')] }) }],
  });
  t.notMatch(JSON.stringify([lock, lines, done]), /hunter2/);
  t.ok(lock.locations[`${url}/x`]);
});

const setUpImages = async (t: Test) => {
  const store = makeStore();
  const layer = (text: string) => store.blob('application/vnd.oci.image.layer.v1.tar', Buffer.from(text));
  const images = {
    'linux/amd64': store.image([layer('base'), layer('amd')]),
    'linux/arm64/v8': store.image([layer('base'), layer('arm')], 'arm64'),
    'linux/s390x': store.image([layer('other')], 's390x'),
  };
  const top = store.index(images);
  const one = await serveRegistry(t, store);
  const image = { host: 'registry.example', repository: 'team/shim' };
  const endpointsOf: Mirroring['endpointsOf'] = async ({ repository }) => [
    plain({ host: one.host, repository }),
  ];
  return { store, images, top, one, image, endpointsOf };
};

t.test(
  'an image is copied with what its machines need, and a node takes it from the folder alone',
  async (t) => {
    const { images, top, one, image, endpointsOf } = await setUpImages(t);
    const location = `oci://registry.example/team/shim:v1@${top.digest}`;
    const text = toml('spin', { amd64: [location], arm64: [location] });
    const to = join(t.testdir(), 'mirror');
    const texts = [{ name: 'spin.toml', text }];
    const { lock, done, did } = await run({ to, texts, endpointsOf });
    t.same(did, ['copied']);
    const entry = lock.locations[location];
    t.match(entry, { sha256: top.digest.slice(7), path: 'oci/registry.example/team/shim', pinned: true });
    const has = (digest: string) => existsSync(join(to, `${entry.path}/manifests/${digest}`));
    t.ok(has(top.digest) && has(images['linux/amd64'].digest) && has(images['linux/arm64/v8'].digest));
    t.notOk(has(images['linux/s390x'].digest), 'no node is of that machine');
    one.requests.length = 0;
    t.same((await run({ to, texts, endpointsOf })).did, ['unchanged']);
    t.same(one.paths(), []);

    const found = mirroredBy(done.mirrors, image);
    const endpoint = found?.kind === 'folder' ? found.endpoint : plain(image);
    mkdirSync(join(to, '../node'));
    const got = await fetchContent(
      { ...image, digest: top.digest.slice(7) },
      undefined,
      'arm64',
      join(to, '../node'),
      { ...optionsOf(), endpointsOf: async () => [endpoint] },
    );
    const layers = got.content.kind === 'image' ? got.content.layers : [];
    t.same(
      layers.map((path) => readFileSync(path, 'utf8')),
      ['base', 'arm'],
    );
    t.same(one.paths(), [], 'the registry was not asked');
  },
);

t.test(
  'signatures that cosign puts under a tag are copied, and a node finds them in the folder',
  async (t) => {
    const { store, top, one, image, endpointsOf } = await setUpImages(t);
    const sha256 = top.digest.slice('sha256:'.length);
    const signature = store.image([
      store.blob('application/vnd.dev.cosign.simplesigning.v1+json', Buffer.from('payload')),
    ]);
    store.tags.set(`sha256-${sha256}.sig`, signature.digest);
    const location = `oci://registry.example/team/shim@${top.digest}`;
    const texts = [{ name: 'spin.toml', text: toml('spin', { amd64: [location] }) }];
    const { done } = await run({ to: join(t.testdir(), 'mirror'), texts, endpointsOf });
    const found = mirroredBy(done.mirrors, image);
    const endpoint = found?.kind === 'folder' ? found.endpoint : plain(image);
    one.requests.length = 0;
    const options = { ...optionsOf(), endpointsOf: async () => [endpoint] };
    const attached = await attachedSignatures({ ...image, digest: sha256 }, [sha256], 1000, options);
    t.match(await Promise.all(attached.map((each) => each.file())), [
      { kind: 'image', payload: Buffer.from('payload') },
    ]);
    t.same(one.paths(), [], 'the registry was not asked');
  },
);

t.test('a mirrored file is what a node without a network gets', async (t) => {
  const { url } = await serve(t, new Map([['/v1/x.tar', 'bytes']]));
  const to = t.testdir();
  const texts = [{ name: 'x.toml', text: toml('x', { amd64: [`${url}/v1/x.tar`, digestOf('bytes')] }) }];
  const { done } = await run({ to, texts });
  t.match(placesFor(`${url}/v1/x.tar`, done.mirrors)[0], /^file:/);
  const into = join(to, 'node');
  await download(`${url}/v1/x.tar`, digestOf('bytes'), into, { ...optionsOf().http, mirrors: done.mirrors });
  t.equal(readFileSync(into, 'utf8'), 'bytes');
});

t.test('a folder that holds something else is refused', async (t) => {
  const to = t.testdir({ 'rcm-node-mirror.json': '{"version":9}' });
  const texts = [{ name: 'x.toml', text: toml('x', { amd64: ['https://a.example/x', digestOf('x')] }) }];
  const problem = await mirror({ to, texts, env: {}, say: () => undefined }).catch(problemOf);
  t.match(problem, { code: 'bad-value', message: /no lock file of a mirror/ });
});

t.test('a file at fault is named, be it that of the credentials or one without a Shim', async (t) => {
  const file = '/root/config.json';
  const problem = { code: 'registry-credentials', message: 'others may read it', where: { file } } as const;
  t.equal(failedLine('oci://a.example/b', problem), `oci://a.example/b: ${file}: others may read it`);
  const texts = [{ name: 'pod.yaml', text: 'kind: Pod\n' }];
  t.match(await run({ to: t.testdir(), texts }).catch(problemOf), {
    where: { file: 'pod.yaml' },
    hint: /kubectl get shims/,
  });
});
