import { createServer, request } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { addWire, countWire, questionOf } from '../../bench/cluster/wire.ts';

t.test('a request is called as an audit log calls it', async (t) => {
  t.equal(questionOf('GET', '/api/v1/nodes?watch=true&resourceVersion=0'), 'WATCH nodes');
  t.equal(questionOf('GET', '/api/v1/nodes?fieldSelector=metadata.name%3Da'), 'LIST nodes');
  t.equal(questionOf('GET', '/api/v1/nodes/a'), 'GET nodes');
  t.equal(questionOf('PATCH', '/apis/runtime.spinkube.dev/v1alpha1/shims/a/status'), 'PATCH shims/status');
  t.equal(questionOf('POST', '/api/v1/namespaces/default/events'), 'CREATE events');
  t.equal(questionOf('PUT', '/apis/coordination.k8s.io/v1/namespaces/rcm-node/leases/one'), 'UPDATE leases');
  t.equal(
    questionOf('GET', '/apis/runtime.spinkube.dev/v1alpha1'),
    'GET /apis/runtime.spinkube.dev/v1alpha1',
  );
});

t.test('bytes are counted for the request that they are of, also over one connection', async (t) => {
  const server = createServer((asked, answer) => {
    asked.resume();
    asked.on('end', () => answer.end('x'.repeat(asked.method === 'GET' ? 100_000 : 10)));
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const counted = countWire();
  const ask = async (method: string, path: string, body: string, headers = {}): Promise<void> => {
    const sent = request({ port, host: '127.0.0.1', method, path, headers });
    sent.end(body);
    const [answer] = await once(sent, 'response');
    answer.resume();
    await once(answer, 'end');
  };
  await ask('PATCH', '/api/v1/nodes/a', 'y'.repeat(50_000));
  await ask('GET', '/api/v1/nodes', '', { connection: 'close' });
  const total = counted.total();
  t.equal(total['PATCH nodes']?.requests, 1);
  t.ok((total['PATCH nodes']?.sent ?? 0) >= 50_000);
  t.ok((total['PATCH nodes']?.received ?? 0) < 1_000);
  t.ok((total['LIST nodes']?.received ?? 0) >= 100_000);
  t.ok((total['LIST nodes']?.sent ?? 0) < 1_000);
  t.same(counted.watches(), [], 'none of these is a watch');
});

t.test('an open watch is reported and counted up to now', async (t) => {
  const server = createServer((_asked, answer) => {
    answer.write('z'.repeat(5_000));
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const counted = countWire();
  const sent = request({ port, host: '127.0.0.1', path: '/api/v1/nodes?watch=true' });
  sent.end();
  const [answer] = await once(sent, 'response');
  await once(answer, 'data');
  t.ok((counted.total()['WATCH nodes']?.received ?? 0) >= 5_000);
  const [watch] = counted.watches();
  answer.on('error', () => undefined);
  watch?.destroy();
  t.same(counted.watches(), []);
});

t.test('counts are added, and taken from each other', async (t) => {
  const one = { a: { requests: 1, sent: 2, received: 3 } };
  const other = { a: { requests: 4, sent: 5, received: 6 }, b: { requests: 1, sent: 1, received: 1 } };
  t.same(addWire([one, other]).a, { requests: 5, sent: 7, received: 9 });
  t.same(addWire([other, one], -1), {
    a: { requests: 3, sent: 3, received: 3 },
    b: { requests: 1, sent: 1, received: 1 },
  });
});
