/** A registry that lies, stalls and throttles: what a node then says, and what it does not do. The registry is a stand-in. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { fetchContent } from '../../../host/registry/content.ts';
import { openRegistry, type RegistryOptions } from '../../../host/registry/registry.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { type Blob, type Lie, makeStore, optionsOf, plain, serveRegistry, sha256, types } from './served.ts';

type More = Partial<RegistryOptions['http']>;
const hex = ({ digest }: Blob): string => digest.slice('sha256:'.length);
const layer = Buffer.alloc(300_000, 'the bytes of a shim ');
const isBlob = ({ url }: IncomingMessage, bytes: Uint8Array = layer): boolean =>
  url?.includes(`/blobs/sha256:${sha256(bytes)}`) === true;

const setUp = async (t: Test, lie?: Lie) => {
  const store = makeStore();
  const registry = await serveRegistry(t, store, lie);
  const fetch = (top: Blob, more: More = {}, options: Partial<RegistryOptions> = {}) => {
    const folder = t.testdir();
    return fetchContent(
      { host: registry.host, repository: 'team/shim', digest: hex(top) },
      undefined,
      'amd64',
      folder,
      { ...optionsOf(more), ...options },
    ).then(
      (got) => got.content.kind,
      (error: unknown) => {
        for (const name of readdirSync(folder))
          t.equal(sha256(readFileSync(`${folder}/${name}`)), name, 'what is not whole is not left');
        return problemOf(error);
      },
    );
  };
  return { store, registry, fetch, artifact: store.artifact({ shim: layer }) };
};

const answer = (response: ServerResponse, status: number, headers = {}, body: string | Buffer = ''): true => {
  response.writeHead(status, headers).end(body);
  return true;
};

t.test(
  'bytes with another digest are refused: of a manifest, of an index, of a config, of a layer',
  async (t) => {
    for (const what of ['manifest', 'index', 'config', 'layer'] as const) {
      const asked: { digest?: string } = {};
      const { store, fetch } = await setUp(
        t,
        (request, response) =>
          request.url?.includes(asked.digest ?? '?') === true && answer(response, 200, {}, '{"layers":[]}'),
      );
      const config = store.blob(types.config, { os: 'linux', architecture: 'amd64' });
      const one = store.blob(types.tar, layer);
      const manifest = store.image([one]);
      const index = store.index({ 'linux/amd64': manifest });
      asked.digest = { manifest, index, config: { digest: '' }, layer: one }[what].digest;
      if (what === 'config') asked.digest = config.digest;
      // The stand-in gives images a config of its own.
      if (what === 'config')
        for (const [digest, bytes] of store.blobs)
          if (Buffer.from(bytes).includes('"rootfs"')) asked.digest = `sha256:${digest}`;
      t.match(
        await fetch(index),
        { code: 'digest-mismatch', message: /\/v2\/team\/shim\/.*expected sha256/ },
        what,
      );
    }
  },
);

t.test('what is no manifest of an image or artifact is told from what is damaged', async (t) => {
  const { store, fetch } = await setUp(t);
  const descriptor = store.blob('x', layer);
  const cases: readonly (readonly [object | Buffer, RegExp])[] = [
    [Buffer.from('<html>'), /sent no manifest: it is no JSON object/],
    [{ schemaVersion: 1, fsLayers: [] }, /of the first version of Docker manifests/],
    [
      { schemaVersion: 2, mediaType: 'application/json', layers: [] },
      /sent no manifest of an image or an artifact/,
    ],
    [{ manifests: [], layers: [], config: descriptor }, /sent no manifest of an image or an artifact/],
    [{ config: descriptor, layers: [] }, /the manifest has no layers/],
    [
      { config: descriptor, layers: [{ ...descriptor, digest: `sha512:${'0'.repeat(128)}` }] },
      /the digest of layer 1 is sha512/,
    ],
    [
      { config: descriptor, layers: [{ ...descriptor, digest: '../../etc/passwd' }] },
      /layer 1 has no sha256 digest/,
    ],
    [{ config: descriptor, layers: [{ ...descriptor, size: -1 }] }, /layer 1 has no size/],
    [{ config: descriptor, layers: Array.from({ length: 1001 }, () => descriptor) }, /more than 1000 layers/],
    [
      {
        config: { ...descriptor, mediaType: types.config },
        layers: [{ ...descriptor, mediaType: 'application/vnd.oci.image.layer.v1.tar+encrypted' }],
      },
      /a layer has the media type "application\/vnd\.oci\.image\.layer\.v1\.tar\+encrypted"/,
    ],
  ];
  for (const [content, message] of cases)
    t.match(await fetch(store.blob(types.manifest, content)), { code: 'bad-archive', message });
});

t.test('an index that leads to indexes is followed a little, and no further', async (t) => {
  const { store, artifact, fetch } = await setUp(t);
  const two = store.index({ 'linux/amd64': store.index({ 'linux/amd64': artifact }) });
  t.equal(await fetch(two), 'files');
  t.match(await fetch(store.index({ 'linux/amd64': two })), {
    code: 'bad-archive',
    message: /leads to an index, again and again/,
  });
});

t.test('a manifest and a layer have an end, whatever is sent', async (t) => {
  const endless = (response: ServerResponse): true => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
    return true;
  };
  const one = await setUp(
    t,
    (request, response) => request.url?.includes('/manifests/') === true && endless(response),
  );
  t.match(await one.fetch(one.artifact), { code: 'too-large', message: /4194304 bytes are allowed/ });
  const two = await setUp(t, (request, response) => isBlob(request) && endless(response));
  t.match(await two.fetch(two.artifact), {
    code: 'bad-archive',
    message: /^oci:\/\/.*the registry sends more than the 300000 bytes that the manifest says/,
  });
});

t.test(
  'the size in a manifest must be right, and sizes have a limit before anything is fetched',
  async (t) => {
    const { store, registry, fetch } = await setUp(t);
    const sized = (size: number) =>
      store.blob(types.manifest, {
        config: store.blob(types.empty, {}),
        layers: [{ ...store.blob('x', layer), size }],
      });
    t.match(await fetch(sized(299_999)), {
      code: 'bad-archive',
      message: /sends more than the 299999 bytes/,
    });
    const asked = registry.requests.length;
    t.match(await fetch(sized(300_001)), {
      code: 'bad-archive',
      message: /has 300000 bytes, and the manifest says 300001/,
    });
    t.match(await fetch(sized(10_000_001)), {
      code: 'too-large',
      message: /layers have 10000001 bytes together/,
    });
    t.equal(registry.requests.length, asked + 3, 'of the last one its manifest alone');
  },
);

t.test('a registry that stalls is given up, and one that stumbles is asked again', async (t) => {
  const stalls = await setUp(t, (request) => isBlob(request));
  t.match(await stalls.fetch(stalls.artifact, { idleTimeoutMs: 100 }), {
    code: 'download-failed',
    message: /nothing came for 100 ms/,
  });
  const stumbles = await setUp(t, (request, response, count) => {
    if (!isBlob(request)) return count === 1 && answer(response, 503);
    if (count === 1) return answer(response, 429, { 'retry-after': '1' });
    if (count > 2) return false;
    response.writeHead(200, { 'content-length': layer.length });
    response.write(layer.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
    return true;
  });
  const began = performance.now();
  t.equal(await stumbles.fetch(stumbles.artifact, { attempts: 3 }), 'files');
  t.ok(performance.now() - began >= 990, 'no sooner than the registry asked for');
  const ranges = stumbles.registry.requests.filter(({ path }) => path.includes('/blobs/'));
  t.equal(ranges.length, 3);
  t.match(ranges.at(-1)?.headers.range, /^bytes=[1-9]\d*-$/, 'and what came is not asked for again');
});

t.test('all parts of an image have as long as one file with all its tries', async (t) => {
  const { store, fetch } = await setUp(t, (request, response) => {
    if (!request.url?.includes('/blobs/')) return false;
    const name = /sha256:([0-9a-f]+)/.exec(request.url)?.[1] ?? '';
    setTimeout(() => response.end(store.blobs.get(name)), 150);
    return true;
  });
  const many = store.artifact(
    Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`${index}`, Buffer.from(`${index}`)])),
  );
  t.match(await fetch(many, { totalTimeoutMs: 500, attempts: 2 }), {
    code: 'download-failed',
    message: /its parts took longer together/,
  });
  t.equal(await fetch(many, { totalTimeoutMs: 30_000 }), 'files');
});

t.test('servers that trickle have that time together, however many stand for one registry', async (t) => {
  const { registry, fetch, artifact } = await setUp(t, (request, response) => {
    if (!isBlob(request)) return false;
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
    return true;
  });
  const { host } = registry;
  const endpointsOf = async () =>
    ['a', 'b', 'c', 'd'].map((repository) => plain({ host, repository: `${repository}/shim` }));
  t.match(await fetch(artifact, { totalTimeoutMs: 300, attempts: 2 }, { endpointsOf }), {
    code: 'download-failed',
    message: /its parts took longer together/,
  });
  const asked = registry.paths().filter((path) => path.includes('/blobs/'));
  t.ok(asked.length <= 3, `${asked.length} requests of up to 300 ms in 600 ms`);
});

t.test('what a registry refuses is said with what to do', async (t) => {
  const missing = await setUp(t);
  t.match(await missing.fetch({ ...missing.artifact, digest: `sha256:${'0'.repeat(64)}` }), {
    code: 'download-refused',
    message: /the registry has nothing of this name \(404\)/,
  });
  for (const status of [401, 403]) {
    const closed = await setUp(t, (_, response) =>
      answer(response, status, { 'www-authenticate': 'Basic realm="x"' }),
    );
    t.match(await closed.fetch(closed.artifact), {
      code: 'download-refused',
      message: new RegExp(`refuses access \\(${status}\\)`),
    });
  }
});

/** Wants a token, which its own server gives. */
const guarded = (behind: Lie = () => false, lifetime = Number.POSITIVE_INFINITY): Lie => {
  const state = { token: 0, used: 0 };
  return (request, response, count) => {
    if (request.url?.startsWith('/token')) {
      state.token += 1;
      state.used = 0;
      return answer(response, 200, {}, JSON.stringify({ token: `secret-${state.token}` }));
    }
    const isKnown = request.headers.authorization === `Bearer secret-${state.token}`;
    if (!isKnown || state.used >= lifetime) {
      const realm = `http://${request.headers.host}/token`;
      return answer(response, 401, {
        'www-authenticate': `Bearer realm="${realm}",service="a service",scope="repository:team/shim:pull,push"`,
      });
    }
    state.used += 1;
    return behind(request, response, count);
  };
};

t.test('a token is fetched once for all parts, only to pull, and again when it has expired', async (t) => {
  const { artifact, registry, fetch } = await setUp(t, guarded());
  t.equal(await fetch(artifact), 'files');
  const tokens = () => registry.paths().filter((path) => path.startsWith('/token'));
  t.same(tokens(), ['/token?service=a+service&scope=repository%3Ateam%2Fshim%3Apull']);
  const brief = await setUp(
    t,
    guarded(() => false, 1),
  );
  t.equal(await brief.fetch(brief.artifact), 'files');
  t.equal(brief.registry.paths().filter((path) => path.startsWith('/token')).length, 2);
});

t.test('a redirect to another host loses the token, and is followed where the node allows it', async (t) => {
  const elsewhere = await serveRegistry(t, makeStore(), (_, response) => answer(response, 200, {}, layer));
  const moved: Lie = (request, response) =>
    isBlob(request) &&
    answer(response, 307, { location: `http://localhost:${elsewhere.host.split(':')[1]}/blob` });
  const one = await setUp(t, guarded(moved));
  t.equal(await one.fetch(one.artifact), 'files');
  t.equal(elsewhere.requests.length, 1);
  t.equal(elsewhere.requests[0]?.headers.authorization, undefined);
  const two = await setUp(t, guarded(moved));
  t.match(await two.fetch(two.artifact, { allows: ({ hostname }) => hostname !== 'localhost' }), {
    code: 'policy-denied',
    message: /redirects to the host "localhost", which is not allowed on this node \(allowedHosts\)/,
  });
});

t.test('a server of tokens that is not safe is not asked', async (t) => {
  const elsewhere = await serveRegistry(t, makeStore(), (_, response) =>
    answer(response, 200, {}, '{"token":"x"}'),
  );
  const realms: readonly (readonly [string, RegExp, code?: string])[] = [
    [`http://${elsewhere.host}/token`, /tokens to be fetched from 127\.0\.0\.1:\d+ without TLS/],
    ['https://user:pw@tokens.example/', /names an address with a user/],
    [
      'https://tokens.example/',
      /fetched from "tokens\.example", which is not allowed on this node/,
      'policy-denied',
    ],
    ['token', /names no address for its tokens/],
  ];
  for (const [realm, message, code = 'download-refused'] of realms) {
    const { artifact, fetch } = await setUp(t, (_, response) =>
      answer(response, 401, { 'www-authenticate': `Bearer realm="${realm}"` }),
    );
    const problem = await fetch(artifact, { allows: () => false });
    t.match(problem, { code, message }, realm);
    t.notMatch(JSON.stringify(problem), /user:pw/);
  }
  t.equal(elsewhere.requests.length, 0);
});

t.test('a server of tokens that gives none is told', async (t) => {
  for (const [status, body, message] of [
    [403, '', /gives no token \(403\)/],
    [200, '{}', /answered without a token/],
    [200, JSON.stringify({ token: 'a\nb' }), /answered without a token/],
  ] as const) {
    const { artifact, fetch } = await setUp(t, (request, response) =>
      request.url?.startsWith('/token')
        ? answer(response, status, {}, body)
        : answer(response, 401, {
            'www-authenticate': `Bearer realm="http://${request.headers.host}/token"`,
          }),
    );
    t.match(await fetch(artifact), { code: 'download-refused', message });
  }
});

t.test('what refers to a manifest is listed by the registry, or under a tag', async (t) => {
  const store = makeStore();
  const shim = store.artifact({ shim: layer });
  const signature = { ...store.artifact({ s: layer }), artifactType: 'application/vnd.example.signature' };
  const sbom = { ...store.artifact({ b: layer }), artifactType: 'application/vnd.example.sbom' };
  const list = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [signature, sbom] }));
  const ask = async (lie: Lie, type?: string) => {
    const { host } = await serveRegistry(t, store, lie);
    const endpointsOf: RegistryOptions['endpointsOf'] = async (image) => [plain(image)];
    const registry = openRegistry({ ...optionsOf({ decidesNothing: true }), endpointsOf, host });
    return (await registry.referrers('team/shim', hex(shim), type)).map(({ artifactType }) => artifactType);
  };
  const api: Lie = (request, response) =>
    request.url === `/v2/team/shim/referrers/${shim.digest}` && answer(response, 200, {}, list);
  t.same(await ask(api), [signature.artifactType, sbom.artifactType]);
  t.same(await ask(api, sbom.artifactType), [sbom.artifactType]);
  t.same(await ask(() => false), [], 'neither of both');
  const closed: Lie = (_, response) => answer(response, 401, { 'www-authenticate': 'Basic realm="x"' });
  t.match(await ask(closed).catch(problemOf), { message: /refuses access \(401\)/ }, 'not known to be none');
  store.tags.set(`sha256-${hex(shim)}`, store.blob(types.index, list).digest);
  t.same(
    await ask(() => false),
    [signature.artifactType, sbom.artifactType],
    'as clients keep it for old registries',
  );
});

t.test('nothing of a title or a name from a registry becomes a path', async (t) => {
  const { store, fetch } = await setUp(t);
  const top = store.artifact({ '../../../escaped': layer });
  t.equal(await fetch(top), 'files');
  t.notOk(existsSync(`${t.testdirName}/../../../escaped`));
  t.same(readdirSync(t.testdirName), [sha256(layer)]);
});
