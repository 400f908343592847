import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import tls from 'node:tls';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import type { Endpoint, Image } from '../../../host/registry/endpoint.ts';
import { type Credential, openRegistry, type RegistryOptions } from '../../../host/registry/registry.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { makeStore, optionsOf, plain, serveRegistry } from './served.ts';
import { makeCertificates, serveTls, tlsTest } from './served-tls.ts';

// Files of one group share a process, and with it the folder of the test at the top.
const folder = mkdtempSync(join(tmpdir(), 'rcm-node-test-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
makeCertificates(folder);
const file = (name: string): string => join(folder, name);

const image = { host: 'registry.example', repository: 'team/shim' };

const tlsEndpoint = (host: string, more: Partial<Endpoint> = {}): Endpoint => ({
  ...plain({ ...image, host }),
  base: `https://${host}/v2`,
  ca: [file('ca.pem')],
  ...more,
});

const open = (endpoints: readonly Endpoint[], more: Partial<RegistryOptions> = {}) =>
  openRegistry({ ...optionsOf(), host: image.host, endpointsOf: async () => endpoints, ...more });

const content = () => {
  const store = makeStore();
  const blob = store.blob('x', Buffer.from('the bytes'));
  store.tags.set('v1', blob.digest);
  return { store, blob: { digest: blob.digest.slice(7), size: blob.size } };
};

t.test('a mirror is asked first, by its own name of the repository, and for which registry', async (t) => {
  const { store, blob } = content();
  const [empty, full] = [await serveRegistry(t, makeStore()), await serveRegistry(t, store)];
  const mirror = { ...plain({ host: empty.host, repository: 'cache/shim' }), mirrorOf: image.host };
  const last = plain({ ...image, host: full.host });
  t.equal(String(await open([mirror, last]).read(image.repository, blob)), 'the bytes');
  t.same(empty.paths(), [`/v2/cache/shim/blobs/sha256:${blob.digest}?ns=registry.example`]);
  t.same(full.paths(), [`/v2/team/shim/blobs/sha256:${blob.digest}`]);
});

t.test('one that may not resolve is asked by digest only, one that may not pull for tags only', async (t) => {
  const { store, blob } = content();
  const one = await serveRegistry(t, store);
  const endpoint = plain({ ...image, host: one.host });
  const fails = (
    registry: ReturnType<typeof open>,
    work: (registry: ReturnType<typeof open>) => Promise<unknown>,
  ) =>
    work(registry).then(
      () => 'done',
      (error) => problemOf(error).code,
    );
  const readIt = (registry: ReturnType<typeof open>) => registry.read(image.repository, blob);
  const resolveIt = (registry: ReturnType<typeof open>) => registry.manifest(image.repository, { tag: 'v1' });
  t.equal(await fails(open([{ ...endpoint, resolves: false }]), readIt), 'done');
  t.not(await fails(open([{ ...endpoint, resolves: false }]), resolveIt), 'done');
  t.not(await fails(open([{ ...endpoint, pulls: false }]), readIt), 'done');
  t.same(one.paths().length, 1, 'and is not asked at all otherwise');
});

t.test('headers of the configuration go to their host', async (t) => {
  const { store, blob } = content();
  const one = await serveRegistry(t, store);
  await open([{ ...plain({ ...image, host: one.host }), headers: { 'X-Team': ['a', 'b'] } }]).read('x', blob);
  t.equal(one.requests[0]?.headers['x-team'], 'a, b');
});

t.test('what lies here already is not fetched, and is verified all the same', async (t) => {
  const { store, blob } = content();
  const one = await serveRegistry(t, store);
  const here = join(t.testdir({ good: 'the bytes', bad: 'the bytez' }), '');
  const from = (name: string) =>
    open([plain({ ...image, host: one.host })], {
      localBlob: async (digest) => (digest === blob.digest ? join(here, name) : undefined),
    });
  t.equal(String(await from('good').read(image.repository, blob)), 'the bytes');
  t.same(one.paths(), []);
  t.equal(String(await from('bad').read(image.repository, blob)), 'the bytes');
  t.equal(one.paths().length, 1, 'damaged: it is fetched');
});

t.test('a folder in the form of the API is a registry, too', async (t) => {
  const { blob } = content();
  const folder = t.testdir();
  mkdirSync(join(folder, 'registry.example/team/shim/blobs'), { recursive: true });
  writeFileSync(join(folder, `registry.example/team/shim/blobs/sha256:${blob.digest}`), 'the bytes');
  const endpoint = {
    ...plain(image),
    base: pathToFileURL(join(folder, 'registry.example')).href,
  };
  t.equal(String(await open([endpoint]).read(image.repository, blob)), 'the bytes');
});

t.test('a CA and a certificate of ours are used for their server', tlsTest, async (t) => {
  const { store, blob } = content();
  const seen: (string | undefined)[] = [];
  const host = await serveTls(t, folder, store, ({ client }) => void seen.push(client));
  const readFrom = (more: Partial<Endpoint>) =>
    open([tlsEndpoint(host, more)])
      .read(image.repository, blob)
      .then(String, problemOf);
  t.match(await readFrom({ ca: [] }), { code: 'download-failed', message: /certificate/ });
  t.equal(await readFrom({}), 'the bytes');
  t.equal(await readFrom({ client: [{ cert: file('client.pem'), key: file('client.key') }] }), 'the bytes');
  t.same(seen, [undefined, 'client']);
  t.match(await readFrom({ ca: [file('none.pem')] }), {
    code: 'download-failed',
    message: /cannot be read: ENOENT/,
  });
  t.match(await readFrom({ client: [{ cert: file('ca.key') }] }), { code: 'download-failed' });
});

t.test(
  'without a look at the certificate a digest comes, and neither a tag nor a credential goes',
  tlsTest,
  async (t) => {
    const { store, blob } = content();
    const sent: (string | undefined)[] = [];
    const host = await serveTls(t, folder, store, ({ request }) => {
      sent.push(request.headers.authorization);
      return request.url?.startsWith('/v2/secret')
        ? { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
        : undefined;
    });
    const loose = tlsEndpoint(host, { ca: [], unproven: true });
    const registry = open([loose], { credentialsFor: async () => ({ username: 'me', password: 'hush' }) });
    t.equal(String(await registry.read(image.repository, blob)), 'the bytes');
    t.match(await registry.manifest(image.repository, { tag: 'v1' }).catch(problemOf), {
      code: 'download-refused',
      message: /not looked at, and no sha256/,
    });
    const secret = open([{ ...loose, repository: 'secret' }], {
      credentialsFor: async () => ({ username: 'me', password: 'hush' }),
    });
    t.match(await secret.read('secret', blob).catch(problemOf), { message: /refuses access \(401\)/ });
    t.ok(sent.every((one) => one === undefined));
  },
);

t.test(
  'what a proven server was given is not sent to the same address without a proof',
  tlsTest,
  async (t) => {
    const { blob } = content();
    const sent: (string | undefined)[] = [];
    const host = await serveTls(t, folder, makeStore(), ({ request }) => {
      const { authorization } = request.headers;
      sent.push(authorization);
      if (authorization !== undefined) return { status: 503 };
      return { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
    });
    const registry = open([tlsEndpoint(host), tlsEndpoint(host, { ca: [], unproven: true })], {
      credentialsFor: async () => ({ username: 'me', password: 'hush' }),
    });
    await t.rejects(registry.read(image.repository, blob));
    t.same(sent, [undefined, 'Basic bWU6aHVzaA==', undefined]);
  },
);

t.test('the roots are read once for all parts of an image', tlsTest, async (t) => {
  const { store, blob } = content();
  const host = await serveTls(t, folder, store);
  const { createSecureContext } = tls;
  let made = 0;
  tls.createSecureContext = (options) => {
    if (options?.ca !== undefined) made += 1;
    return createSecureContext(options);
  };
  syncBuiltinESMExports();
  t.teardown(() => {
    tls.createSecureContext = createSecureContext;
    syncBuiltinESMExports();
  });
  const registry = open([tlsEndpoint(host)]);
  for (let count = 0; count < 5; count++) await registry.read(image.repository, blob);
  t.equal(made, 1);
});

t.test('each kind of credential is sent as the registry asks for it', tlsTest, async (t) => {
  const { store, blob } = content();
  const asked: string[] = [];
  let mode = 'basic';
  const host: string = await serveTls(t, folder, store, ({ request, body }) => {
    const { authorization = '' } = request.headers;
    if (request.url?.startsWith('/token')) {
      asked.push(`${request.method} ${request.url} ${authorization} ${body}`);
      return {
        body: JSON.stringify(request.method === 'POST' ? { access_token: 'made' } : { token: 'made' }),
      };
    }
    const good = mode === 'basic' ? /^Basic bWU6aHVzaA==$/ : /^Bearer (made|ready)$/;
    if (good.test(authorization)) return undefined;
    const challenge =
      mode === 'basic' ? 'Basic realm="x"' : `Bearer realm="https://${host}/token",service="s"`;
    return { status: 401, headers: { 'www-authenticate': challenge } };
  });
  const images: Image[] = [];
  const readWith = (credential: Credential) =>
    open([tlsEndpoint(host, { mirrorOf: 'registry.example' })], {
      credentialsFor: async (one) => {
        images.push(one);
        return credential;
      },
    })
      .read(image.repository, blob)
      .then(String, problemOf);
  t.equal(await readWith({ username: 'me', password: 'hush' }), 'the bytes');
  t.same(
    images,
    [{ host, repository: 'team/shim' }],
    'of the host that is asked, not of the one that it stands for',
  );
  mode = 'bearer';
  t.equal(await readWith({ username: 'me', password: 'hush' }), 'the bytes');
  t.equal(await readWith({ token: 'ready' }), 'the bytes');
  t.equal(await readWith({ identityToken: 'refresh' }), 'the bytes');
  const scope = 'scope=repository%3Ateam%2Fshim%3Apull';
  t.same(asked, [
    `GET /token?service=s&${scope} Basic bWU6aHVzaA== `,
    `POST /token  service=s&${scope}&grant_type=refresh_token&client_id=rcm-node&refresh_token=refresh`,
  ]);
});

t.test('a local file is not taken for a tag', async (t) => {
  const { store } = content();
  const one = await serveRegistry(t, store);
  const registry = open([plain({ ...image, host: one.host })], {
    localBlob: async () => Promise.reject(new Error('it was asked')),
  });
  const problem = await registry.manifest(image.repository, { tag: 'v1' }).catch(problemOf);
  t.match(problem, { code: 'download-refused', message: /plain http proves nothing/ }, 'the server is asked');
});
