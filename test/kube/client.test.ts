import { once } from 'node:events';
import type * as http from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { type Api, ApiFailure, connectApi, type Credentials, type WatchEvent } from '../../kube/client.ts';
import { realClock } from '../../host/host.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import {
  json,
  makeAuthority,
  needsOpenssl,
  refuse,
  serveApi,
  withToken,
} from '../../testbed/simulated/api-server.ts';

const authority = needsOpenssl.skip ? undefined : makeAuthority(t.testdir({}));
const ca = authority?.ca ?? '';
const serve = (t: Test, handle: Parameters<typeof serveApi>[2], given?: Parameters<typeof serveApi>[3]) =>
  serveApi(t, authority!, handle, given);

const connected = (t: Test, credentials: Credentials): Api => {
  const api = connectApi(async () => credentials, realClock);
  t.teardown(api.close);
  return api;
};

const fails = async (t: Test, work: Promise<unknown>, code: string, message: RegExp): Promise<Failure> => {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(error instanceof Failure)) throw error ?? new Error(`it worked; expected ${message}`);
  t.match(error.problem, { code, message });
  return error;
};

const nodePath = '/api/v1/nodes/a';

t.test('a request has its headers and body, and the answer is parsed as JSON', needsOpenssl, async (t) => {
  const server = await serve(t, (_, response) => json(response, { kind: 'Node' }));
  const api = connected(t, withToken(`${server.url}/behind/`, ca));
  t.equal(api.server, 'the API server', 'unknown before it was asked');
  const query = { fieldSelector: 'metadata.name=a&b' };
  t.same(await api.request('GET', nodePath, { query }), { kind: 'Node' });
  t.equal(api.server, `${server.url}/behind/`);
  const body = { metadata: { annotations: { a: 'ü' } } };
  for (const patch of ['merge', 'json', 'apply'] as const)
    await api.request('PATCH', nodePath, { patch, body });
  await api.request('POST', '/api/v1/events', { body });
  t.match(server.asked[0], {
    method: 'GET',
    headers: { accept: 'application/json', authorization: 'Bearer abc' },
  });
  t.match(server.asked[0]?.headers['user-agent'], /^rcm-node\//);
  t.equal(server.asked[0]?.url.pathname, `/behind${nodePath}`);
  t.equal(server.asked[0]?.url.searchParams.get('fieldSelector'), 'metadata.name=a&b');
  t.same(
    server.asked.slice(1).map(({ headers }) => headers['content-type']),
    [
      'application/merge-patch+json',
      'application/json-patch+json',
      'application/apply-patch+yaml',
      'application/json',
    ],
  );
  t.same(JSON.parse(server.asked[1]?.body ?? ''), body);
  t.equal(server.connections, 1, 'over one connection');
});

t.test(
  'only the metadata of a Node is requested: of one, of a list and of a watch',
  needsOpenssl,
  async (t) => {
    const server = await serve(t, (_, response) => json(response, { kind: 'PartialObjectMetadata' }));
    const api = connected(t, withToken(server.url, ca));
    await api.request('GET', nodePath, { as: 'metadata' });
    await api.request('GET', '/api/v1/nodes', { as: 'metadataList' });
    const onEvent = (): void => undefined;
    await api
      .watch('/api/v1/nodes', { query: {}, as: 'metadata', idleMs: 1000, onEvent })
      .catch(() => undefined);
    const form = /as=(\w+);g=meta\.k8s\.io;v=v1,application\/json$/;
    t.same(
      server.asked.map(({ headers }) => form.exec(headers.accept ?? '')?.[1]),
      ['PartialObjectMetadata', 'PartialObjectMetadataList', 'PartialObjectMetadata'],
    );
  },
);

t.test(
  'the certificate of the kubelet is sent, and the new one after its renewal',
  needsOpenssl,
  async (t) => {
    const server = await serve(t, (_, response) => json(response, {}));
    const state = { pair: authority!.sign('/CN=system:node:a'), reasons: [] as string[] };
    const api = connectApi(async (why) => {
      state.reasons.push(why);
      return { server: server.url, ca, client: { kind: 'certificate', ...state.pair } };
    }, realClock);
    t.teardown(api.close);
    await api.request('GET', nodePath);
    await api.request('GET', nodePath);
    t.same(state.reasons, ['first'], 'nothing is read while the connection stands');
    state.pair = authority!.sign('/CN=system:node:renewed');
    server.cut();
    // The first may still meet a connection that is just being closed.
    await api.request('GET', nodePath).catch(() => api.request('GET', nodePath));
    const clients = server.asked.map(({ client }) => client);
    t.same(clients, ['system:node:a', 'system:node:a', 'system:node:renewed']);
    t.equal(state.reasons.at(-1), 'reconnect');
  },
);

t.test('after a 401 the credentials are read again, once', needsOpenssl, async (t) => {
  const server = await serve(t, ({ headers }, response) =>
    headers.authorization === 'Bearer new' ? json(response, {}) : refuse(response, 401, 'Unauthorized'),
  );
  const reasons: string[] = [];
  const renewing = connectApi(async (why) => {
    reasons.push(why);
    return withToken(server.url, ca, why === 'refused' ? 'new' : 'old');
  }, realClock);
  t.teardown(renewing.close);
  await Promise.all([renewing.request('GET', nodePath), renewing.request('GET', nodePath)]);
  t.equal(reasons.filter((why) => why === 'refused').length, 1, 'two that are refused share one reading');
  const asked = server.asked.length;
  await fails(
    t,
    connected(t, withToken(server.url, ca, 'old')).request('GET', nodePath),
    'api-unauthorized',
    /answered 401$/,
  );
  t.equal(server.asked.length, asked + 2);
});

t.test('a 401 for an expired certificate says so', needsOpenssl, async (t) => {
  const server = await serve(t, (_, response) => refuse(response, 401, 'Unauthorized'));
  const pair = authority!.sign('/CN=system:node:a', { from: '20200101000000Z', to: '20210101000000Z' });
  const api = connected(t, { server: server.url, ca, client: { kind: 'certificate', ...pair } });
  await fails(t, api.request('GET', nodePath), 'api-unauthorized', /certificate ended at 2021-01-01/);
});

t.test('a token with a short lifetime is read again', needsOpenssl, async (t) => {
  const server = await serve(t, (_, response) => json(response, {}));
  const state = { count: 0 };
  const api = connectApi(async () => {
    state.count++;
    return { ...withToken(server.url, ca, `token${state.count}`), readAgainAfter: realClock.now() };
  }, realClock);
  t.teardown(api.close);
  await api.request('GET', nodePath);
  await api.request('GET', nodePath);
  t.same(
    server.asked.map(({ headers }) => headers.authorization),
    ['Bearer token1', 'Bearer token2'],
  );
  t.equal(server.connections, 1, 'which needs no other connection');
});

t.test('the message of a refusal is in the problem, on one line and cut', needsOpenssl, async (t) => {
  const server = await serve(t, ({ url }, response) => {
    const code = Number(url.pathname.slice(1));
    if (code === 302) response.writeHead(302, { location: 'https://elsewhere.example/' }).end();
    else if (code === 502) response.writeHead(502).end('<html>secret page</html>');
    else if (code === 429) response.writeHead(429, { 'retry-after': '7' }).end('slow down');
    else if (code === 503) refuse(response, 503, 'later', { details: { retryAfterSeconds: 3 } });
    else if (code === 504) {
      refuse(response, 504, 'no', { details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } });
    } else refuse(response, code, `said\nno ${'x'.repeat(1000)}`);
  });
  const api = connected(t, withToken(server.url, ca));
  const expected = {
    400: 'api-invalid',
    403: 'api-forbidden',
    404: 'api-missing',
    409: 'api-conflict',
    410: 'api-gone',
    422: 'api-invalid',
    500: 'api-busy',
  };
  for (const [status, code] of Object.entries(expected)) {
    const { problem } = await fails(t, api.request('GET', `/${status}`), code, /answered \d+$/);
    t.match(problem.detail, /^said no x+…$/);
    t.ok((problem.detail?.length ?? 0) < 350);
  }
  await fails(t, api.request('GET', '/302'), 'api-unreachable', /answered 302$/);
  await fails(t, api.request('GET', '/502'), 'api-busy', /answered 502$/);
  t.match(await fails(t, api.request('GET', '/429'), 'api-busy', /answered 429$/), {
    status: 429,
    retryAfterMs: 7000,
  });
  t.match(await fails(t, api.request('GET', '/503'), 'api-busy', /answered 503$/), { retryAfterMs: 3000 });
  t.match(await fails(t, api.request('GET', '/504'), 'api-busy', /answered 504$/), { tooNew: true });
});

t.test(
  'the message names invalid fields, and quotes nothing that is said of them',
  needsOpenssl,
  async (t) => {
    const causes = [
      'spec.a',
      'overhead.limits[example.com/x]',
      'spec.a',
      'b "quoted"',
      'x'.repeat(200),
      undefined,
    ];
    const server = await serve(t, ({ url }, response) => {
      const details = { causes: causes.map((field) => ({ field, message: 'Invalid value: "secret"' })) };
      refuse(response, Number(url.pathname.slice(1)), 'Invalid value: "secret"', { details });
    });
    const api = connected(t, withToken(server.url, ca));
    const said = /answered 422: it does not accept spec\.a, overhead\.limits\[example\.com\/x\]$/;
    await fails(t, api.request('GET', '/422'), 'api-invalid', said);
    await fails(t, api.request('GET', '/403'), 'api-forbidden', /answered 403$/);
  },
);

t.test('an answer that is no JSON, truncated or late is a failure', needsOpenssl, async (t) => {
  const server = await serve(t, ({ url }, response) => {
    if (url.pathname === '/html') response.end('<html>log in</html>');
    else if (url.pathname === '/cut')
      response.writeHead(200, { 'content-length': 100 }).write('{"kind"', () => response.destroy());
    else if (url.pathname === '/chunk') response.write('{"kind"', () => response.destroy());
    else if (url.pathname === '/stall') response.write('{"kind"');
    else if (url.pathname === '/huge') response.end(Buffer.alloc(40_000_000, ' '));
    else if (url.pathname !== '/silent') json(response, {});
  });
  const api = connected(t, withToken(server.url, ca));
  const ask = (path: string, deadlineMs = 20_000) => api.request('GET', path, { deadlineMs });
  await fails(t, ask('/html'), 'api-unreachable', /no API server/);
  await fails(t, ask('/cut'), 'api-unreachable', /cannot be reached|half-way/);
  await fails(t, ask('/chunk'), 'api-unreachable', /cannot be reached|half-way/);
  await fails(t, ask('/stall', 200), 'api-unreachable', /did not answer within 0.2 s/);
  await fails(t, ask('/silent', 200), 'api-unreachable', /did not answer within 0.2 s/);
  await fails(t, ask('/huge'), 'api-unreachable', /over \d+ bytes/);
  t.same(await ask('/fine'), {}, 'and the next request is none the worse');
});

t.test('an untrusted certificate is named with the reason', needsOpenssl, async (t) => {
  const to = async (
    given: { names?: string; from?: string; to?: string },
    more: Partial<Credentials> = {},
  ) => {
    const { url } = await serve(t, (_, response) => json(response, {}), {
      pair: authority!.sign('/CN=x', given),
    });
    return connected(t, { ...withToken(url, ca), ...more }).request('GET', '/');
  };
  await fails(
    t,
    to({ from: '20200101000000Z', to: '20210101000000Z' }),
    'api-unreachable',
    /has expired: check the clock/,
  );
  await fails(
    t,
    to({ from: '20990101000000Z', to: '20990201000000Z' }),
    'api-unreachable',
    /not yet valid: check the clock, which says 20\d\d-/,
  );
  await fails(t, to({ names: 'DNS:kubernetes.default' }), 'api-unreachable', /for other names/);
  t.same(await to({ names: 'DNS:kubernetes.default' }, { serverName: 'kubernetes.default' }), {});
  const other = makeAuthority(t.testdir({}));
  const message = /not signed by the CA that the kubeconfig names/;
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.teardown(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
  await fails(t, to({}, { ca: other.ca }), 'api-unreachable', message);
  await fails(t, to({}, { ca: 'junk' }), 'api-unreachable', message);
});

t.test('a key of another certificate is no identity', needsOpenssl, async (t) => {
  const [one, other] = [authority!.sign('/CN=a'), authority!.sign('/CN=b')];
  const client = { kind: 'certificate', cert: one.cert, key: other.key } as const;
  const api = connected(t, { server: 'https://127.0.0.1:1', ca, client });
  await fails(t, api.request('GET', '/'), 'no-identity', /cannot be used/);
});

t.test('an unreachable server is named with its address', needsOpenssl, async (t) => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  const api = connected(t, withToken(`https://127.0.0.1:${port}`, ca));
  const message = new RegExp(`https://127.0.0.1:${port} cannot be reached: connect ECONNREFUSED`);
  await fails(t, api.request('GET', '/'), 'api-unreachable', message);
  await fails(t, api.watch('/', { query: {}, idleMs: 1000, onEvent: () => {} }), 'api-unreachable', message);
});

t.test('an error while reading the credentials is that of the request', async (t) => {
  const api = connectApi(async () => {
    throw new Failure({ code: 'no-identity', message: 'none here' });
  }, realClock);
  await fails(t, api.request('GET', '/'), 'no-identity', /none here/);
  const never = connectApi(() => new Promise(() => undefined), realClock);
  await fails(t, never.request('GET', '/', { deadlineMs: 100 }), 'api-unreachable', /within 0.1 s/);
});

t.test('a proxy is used where the kubeconfig names one', needsOpenssl, async (t) => {
  const server = await serve(t, ({ url }, response) => {
    if (url.searchParams.has('watch')) response.end('{"type":"ADDED","object":{}}\n');
    else json(response, { through: true });
  });
  const lines: string[] = [];
  const proxy = createHttpServer().listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.teardown(() => proxy.close());
  proxy.on('connect', (request: http.IncomingMessage, socket) => {
    lines.push(`${request.method} ${request.url}`);
    socket.on('error', () => undefined);
    const on = connect(server.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      on.pipe(socket).pipe(on);
    });
    on.on('error', () => undefined);
    t.teardown(() => on.destroy());
  });
  const { port } = proxy.address() as AddressInfo;
  const api = connected(t, { ...withToken(server.url, ca), proxy: `http://127.0.0.1:${port}` });
  t.same(await api.request('GET', '/'), { through: true });
  const seen: WatchEvent[] = [];
  await api.watch('/', { query: {}, idleMs: 20_000, onEvent: (event) => seen.push(event) });
  t.equal(seen.length, 1);
  t.same(lines, [`CONNECT 127.0.0.1:${server.port}`, `CONNECT 127.0.0.1:${server.port}`]);
});

const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;

t.test('events of a watch are complete, however the network cuts them', needsOpenssl, async (t) => {
  const events = [
    line('ADDED', { name: 'größe 🙂' }),
    line('BOOKMARK', { metadata: { resourceVersion: '7' } }),
    line('NEW-KIND', {}),
    line('MODIFIED', { text: 'x'.repeat(3_000_000) }),
    line('DELETED', { name: 'ü' }),
  ];
  const server = await serve(t, async (_, response) => {
    const bytes = Buffer.from(events.slice(0, 3).join(''));
    for (const byte of bytes) {
      response.write(Buffer.from([byte]));
      if (byte > 127) await new Promise((resolve) => setImmediate(resolve));
    }
    response.end(events.slice(3).join(''));
  });
  const api = connected(t, withToken(server.url, ca));
  const seen: WatchEvent[] = [];
  const state = { opened: 0 };
  const query = { allowWatchBookmarks: 'true' };
  const onOpen = () => void state.opened++;
  await api.watch('/x', { query, idleMs: 20_000, onOpen, onEvent: (event) => seen.push(event) });
  t.same(
    seen.map(({ type }) => type),
    ['ADDED', 'BOOKMARK', 'MODIFIED', 'DELETED'],
    'and what a later version may add is left out',
  );
  t.same(seen[0]?.object, { name: 'größe 🙂' });
  t.equal(state.opened, 1);
  t.equal(server.asked[0]?.url.search, '?allowWatchBookmarks=true&watch=true');
});

t.test('a broken watch has its reason', needsOpenssl, async (t) => {
  const server = await serve(t, ({ url }, response) => {
    const end = {
      '/gone': line('ERROR', { kind: 'Status', code: 410, message: 'too old resource version' }),
      '/error': line('ERROR', { kind: 'Status', code: 500, message: 'etcd' }),
      '/odd': line('ERROR', null),
      '/junk': 'not json\n',
      '/shape': '[]\n',
      '/half': '{"type":"ADD',
    }[url.pathname];
    if (url.pathname === '/status') refuse(response, 410, 'too old');
    else if (url.pathname === '/long') response.end('x'.repeat(9_000_000));
    else if (url.pathname === '/reset') response.write(line('ADDED', {}), () => response.destroy());
    else if (end === undefined) response.write(line('ADDED', {}));
    else response.end(end);
  });
  const api = connected(t, withToken(server.url, ca));
  const watch = (path: string, idleMs = 20_000) => api.watch(path, { query: {}, idleMs, onEvent: () => {} });
  await fails(t, watch('/gone'), 'api-gone', /answered 410$/);
  await fails(t, watch('/status'), 'api-gone', /answered 410$/);
  await fails(t, watch('/error'), 'api-busy', /answered 500$/);
  await fails(t, watch('/odd'), 'api-busy', /500/);
  await fails(t, watch('/junk'), 'api-unreachable', /no event/);
  await fails(t, watch('/shape'), 'api-unreachable', /no event/);
  await fails(t, watch('/half'), 'api-unreachable', /middle of an event/);
  await fails(t, watch('/long'), 'api-unreachable', /event of over/);
  await fails(t, watch('/reset'), 'api-unreachable', /cannot be reached/);
  await fails(t, watch('/silent', 200), 'api-unreachable', /silent for 0.2 s/);
});

t.test('an exception in a listener is not reported as a network failure', needsOpenssl, async (t) => {
  const server = await serve(t, (_, response) => void response.write(line('ADDED', {})));
  const api = connected(t, withToken(server.url, ca));
  const onEvent = () => {
    throw new TypeError('a defect');
  };
  await t.rejects(api.watch('/', { query: {}, idleMs: 20_000, onEvent }), new TypeError('a defect'));
});

t.test(
  'requests and watches end at once when they are aborted, or everything is closed',
  needsOpenssl,
  async (t) => {
    const server = await serve(t, ({ url }, response) => {
      if (url.pathname === '/watch') response.write(line('ADDED', {}));
    });
    const api = connected(t, withToken(server.url, ca));
    const controller = new AbortController();
    const given = { query: {}, idleMs: 60_000, signal: controller.signal };
    const one = api.watch('/watch', { ...given, onEvent: () => controller.abort() });
    await fails(t, one, 'api-unreachable', /given up/);
    const onEvent = () => api.close();
    const [silent, watch] = [
      api.request('GET', '/silent'),
      api.watch('/watch', { ...given, signal: new AbortController().signal, onEvent }),
    ];
    await Promise.all([
      fails(t, silent, 'api-unreachable', /given up/),
      fails(t, watch, 'api-unreachable', /given up/),
    ]);
    await fails(t, api.request('GET', '/'), 'api-unreachable', /given up/);
    t.equal(new ApiFailure('api-busy', 'x').status, undefined);
  },
);

t.test('the time of the server is read from its answers, and runs on from there', needsOpenssl, async (t) => {
  const server = await serve(t, (_, response) => {
    response.setHeader('date', 'Fri, 15 Jan 2027 08:00:00 GMT');
    json(response, {});
  });
  const time = { elapsed: 1000 };
  const api = connectApi(async () => withToken(server.url, ca), {
    ...realClock,
    now: () => 0,
    elapsed: () => time.elapsed,
  });
  t.teardown(api.close);
  t.equal(api.serverTime?.(), undefined);
  await api.request('GET', nodePath);
  time.elapsed += 5000;
  t.equal(api.serverTime?.(), Date.parse('2027-01-15T08:00:05Z'));
});
