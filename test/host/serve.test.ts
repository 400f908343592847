import { connect } from 'node:net';
import t from 'tap';
import { parseListen, servePages } from '../../daemon/host/serve.ts';
import type { Failure } from '../../daemon/model/problem.ts';

const pages = {
  '/healthz': () => ({ status: 200, text: 'ok\n' }),
  '/readyz': () => ({ status: 503, text: 'not yet\n' }),
  '/metrics': () => ({ status: 200, text: 'a 1\n', type: 'text/plain; version=0.0.4' }),
};

/** All that comes over one connection until the server ends it. */
const raw = (port: number, text: string): Promise<string> =>
  new Promise((resolve) => {
    let said = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (piece) => {
      said += piece.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(said));
  });

t.test('pages are shown, and nothing else', async (t) => {
  const served = await servePages('127.0.0.1:0', pages);
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

t.test('who sends what is no request, too much, or too slowly, is cut off', async (t) => {
  const served = await servePages('127.0.0.1:0', pages);
  t.teardown(() => served.close());
  t.notMatch(await raw(served.port, 'nonsense\r\n\r\n'), / 200 /);
  t.notMatch(await raw(served.port, `GET /healthz HTTP/1.1\r\nX: ${'x'.repeat(9000)}\r\n\r\n`), / 200 /);
  t.match(
    await raw(served.port, 'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n'),
    / 405 /,
  );
  t.notMatch(await raw(served.port, 'GET /healthz HTTP/1.1\r\nHost: '), / 200 /, 'after a few seconds');
});

t.test('an address that is none, or that somebody else has, is named', async (t) => {
  const served = await servePages('127.0.0.1:0', pages);
  t.teardown(() => served.close());
  for (const [listen, message] of [
    ['8080', /no address/],
    [`127.0.0.1:${served.port}`, /EADDRINUSE/],
  ] as const) {
    const failure = await servePages(listen, pages).catch((error: unknown) => error);
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
