import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { metricsBudget, parseListen, probeBudget, servePages } from '../../../host/http/serve.ts';
import type { Failure } from '../../../protocol/problem/problem.ts';
import { until } from '../../../testbed/until.ts';

const pages = {
  '/healthz': () => ({ status: 200, text: 'ok\n' }),
  '/readyz': () => ({ status: 503, text: 'not yet\n' }),
  '/metrics': () => ({ status: 200, text: 'a 1\n', type: 'text/plain; version=0.0.4' }),
};

/** All that comes over one connection until the server ends it. */
const raw = (port: number, text: string, from = '127.0.0.1'): Promise<string> =>
  new Promise((resolve) => {
    let said = '';
    const socket = connect({ port, host: '127.0.0.1', localAddress: from }, () => socket.write(text));
    socket.on('data', (piece) => {
      said += piece.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(said));
  });

t.test('only known pages are served', async (t) => {
  const served = await servePages('127.0.0.1:0', pages, probeBudget);
  t.teardown(() => served.close());
  const ask = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${served.port}${path}`, { method });
  const ok = await ask('/healthz?verbose');
  t.equal(ok.status, 200);
  t.equal(await ok.text(), 'ok\n');
  t.equal((await ask('/readyz')).status, 503);
  t.equal((await ask('/metrics')).headers.get('content-type'), 'text/plain; version=0.0.4');
  const head = await ask('/healthz', 'HEAD');
  t.equal(head.status, 200);
  t.equal(await head.text(), '');
  const none = await ask('/toString');
  t.equal(none.status, 404);
  t.match(await none.text(), /\/metrics/);
  const post = await ask('/healthz', 'POST');
  t.equal(post.status, 405);
  t.equal(post.headers.get('allow'), 'GET, HEAD');
});

t.test('a client that sends no request, too much, or too slowly, is disconnected', async (t) => {
  const served = await servePages('127.0.0.1:0', pages, probeBudget);
  t.teardown(() => served.close());
  t.notMatch(await raw(served.port, 'nonsense\r\n\r\n'), / 200 /);
  t.notMatch(await raw(served.port, `GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(9000)}\r\n\r\n`), / 200 /);
  t.match(
    await raw(served.port, 'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n'),
    / 405 /,
  );
  t.notMatch(await raw(served.port, 'GET /healthz HTTP/1.1\r\nHost: '), / 200 /, 'after a few seconds');
});

t.test('an invalid address, or one that is in use, is named', async (t) => {
  const served = await servePages('127.0.0.1:0', pages, probeBudget);
  t.teardown(() => served.close());
  for (const [listen, message] of [
    ['8080', /no address/],
    [`127.0.0.1:${served.port}`, /EADDRINUSE/],
  ] as const) {
    const failure = await servePages(listen, pages, probeBudget).catch((error: unknown) => error);
    t.match((failure as Failure).problem, { code: 'cannot-listen', message });
  }
  t.same([':8080', '[::1]:1', 'localhost:0', '::1:80', ':99999', ''].map(parseListen), [
    { host: undefined, port: 8080 },
    { host: '::1', port: 1 },
    { host: 'localhost', port: 0 },
    undefined,
    undefined,
    undefined,
  ]);
});

/** A client that holds what it can get: connections that say nothing, each opened anew when it ends. */
const flood = async (t: Test, port: number, from: string, count: number, anew = true): Promise<void> => {
  const state = { open: 0, stopped: false };
  const sockets = new Set<Socket>();
  const hold = (): void => {
    if (state.stopped) return;
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    sockets.add(socket);
    socket.on('connect', () => void state.open++);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      // Else this process would do nothing but this.
      if (anew) setTimeout(hold, 500 + 1000 * Math.random()).unref();
    });
  };
  for (let one = 0; one < count; one++) hold();
  t.teardown(() => {
    state.stopped = true;
    for (const socket of sockets) socket.destroy();
  });
  await until(() => state.open >= count);
};

/** As a kubelet asks: a connection of its own for each. */
const probe = async (port: number): Promise<boolean> =>
  / 200 /.test(await raw(port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'));

t.test('clients that hold all connections, on both ports, do not delay a probe', async (t) => {
  const probes = await servePages(
    '127.0.0.1:0',
    { '/healthz': pages['/healthz'] },
    { ...probeBudget, all: 40 },
  );
  const metrics = await servePages('127.0.0.1:0', { '/metrics': pages['/metrics'] }, metricsBudget);
  t.teardown(() => Promise.all([probes.close(), metrics.close()]));
  await Promise.all(
    [probes, metrics].flatMap(({ port }) => [
      // One that has the address of the node, and so of its kubelet; another Pod; and more clients than there are places.
      flood(t, port, '127.0.0.1', 80, false),
      flood(t, port, '127.0.0.2', 80),
      ...Array.from({ length: 8 }, (_, client) => flood(t, port, `127.0.0.${client + 3}`, 8)),
    ]),
  );
  let answered = 0;
  for (let time = 0; time < 15; time++) if (await probe(probes.port)) answered++;
  t.equal(answered, 15);
  const scrape = await raw(metrics.port, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  t.match(scrape, / 200 OK[\s\S]*\na 1\n/, 'nor Prometheus');
});

t.test('a client that asks too often gets 429, and no other one does', async (t) => {
  const served = await servePages('127.0.0.1:0', pages, { ...metricsBudget, requests: 3 });
  t.teardown(() => served.close());
  const ask = (from: string): Promise<string> =>
    raw(served.port, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n', from);
  for (let time = 0; time < 3; time++) t.match(await ask('127.0.0.2'), / 200 /);
  t.match(await ask('127.0.0.2'), / 429 [\s\S]*retry-after: 10/i);
  t.match(await ask('127.0.0.1'), / 200 /);
});

t.test('a connection ends in time, whatever it does', async (t) => {
  const served = await servePages('127.0.0.1:0', pages, { ...probeBudget, lifeMs: 100 });
  t.teardown(() => served.close());
  t.equal(await raw(served.port, 'GET /healthz HTTP/1.1\r\nHost: '), '');
  t.match(await raw(served.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'), /connection: close/i);
});
