import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { paths } from '../../../protocol/host-paths.ts';
import type { Host } from '../../../host/host.ts';
import type { Outcome } from '../../../daemon/model/outcome.ts';
import { makeRoot, type Node, openNode, program, sha256 } from '../../../testbed/simulated/node.ts';
import { treeOf } from '../../../testbed/simulated/tree.ts';

const five = ['a', 'b', 'c', 'd', 'e'];
const text = program('many');

/** Serves `/good…` and counts what is asked for. */
const serve = async (t: Test) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url?.startsWith('/good')) response.end(text);
    else response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { asked, at: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

const shim = (
  node: Node,
  name: string,
  location: string,
  digest: string | undefined = sha256(text),
  more = '',
) =>
  node.write(
    `/etc/rcm-node/shims.d/${name}.toml`,
    `name = "${name}"\n${more}[fetchStrategy.anonHttp]\nlocation = "${location}"\n${digest ? `sha256 = "${digest}"\n` : ''}`,
  );

const counting = (node: Node) => {
  const picks: unknown[] = [];
  const { host } = node.fake;
  const pick: Host['pick'] = async (...given) => {
    picks.push(given[1]);
    return host.pick(...given);
  };
  return { host: { ...host, pick }, picks };
};

const failedOf = (outcome: Outcome) =>
  outcome.kind === 'degraded' ? outcome.problems.map(({ handler, code }) => [handler, code]) : outcome.kind;

t.test('an artifact that five handlers use is downloaded once', async (t) => {
  const { asked, at } = await serve(t);
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  for (const name of five) shim(node, name, `${at}/good`);
  const { host, picks } = counting(node);
  const { outcome, did } = await node.once({}, host);
  t.equal(outcome.kind, 'converged');
  t.strictSame(asked, ['/good']);
  t.equal(picks.length, 5, 'each takes its own program out of it');
  t.equal(did.filter((one) => one.startsWith('placed ')).length, 5);
  t.strictSame(node.fake.containerd.served(), ['runc', ...five]);
  t.strictSame(
    Object.keys(treeOf(node.root)).filter((path) => path.startsWith(`${paths.incoming}/`)),
    [],
  );
});

t.test('equal files for two handlers are placed once', async (t) => {
  const { asked, at } = await serve(t);
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const oci = '[runtime]\ntype = "oci"\nbinary = "crun"\n';
  for (const name of ['a', 'b']) shim(node, name, `${at}/good`, sha256(text), oci);
  const { host, picks } = counting(node);
  t.equal((await node.once({}, host)).outcome.kind, 'converged');
  t.strictSame([asked.length, picks.length], [1, 1]);
});

t.test(
  'the same digest at another address is the same artifact, and one address that has it is enough',
  async (t) => {
    const { asked, at } = await serve(t);
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    shim(node, 'a', `${at}/gone`);
    shim(node, 'b', `${at}/good-b`);
    shim(node, 'c', `${at}/good-c`);
    t.equal((await node.once()).outcome.kind, 'converged');
    t.strictSame(asked, ['/gone', '/good-b']);
  },
);

t.test('a failed download fails each handler, each with its own address', async (t) => {
  const { asked, at } = await serve(t);
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  for (const name of ['a', 'b']) shim(node, name, `${at}/gone`);
  shim(node, 'c', `${at}/lost`);
  const { outcome } = await node.once();
  t.strictSame(failedOf(outcome), [
    ['a', 'download-refused'],
    ['b', 'download-refused'],
    ['c', 'download-refused'],
  ]);
  t.strictSame(asked, ['/gone', '/lost']);
  const messages =
    outcome.kind === 'degraded'
      ? outcome.problems.map(({ message }) => /\/(gone|lost)/.exec(message)?.[1])
      : [];
  t.strictSame(messages, ['gone', 'gone', 'lost']);
});

t.test('a handler whose file is missing in it does not fail the others', async (t) => {
  const { asked, at } = await serve(t);
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  shim(
    node,
    'a',
    `${at}/good`,
    sha256(text),
    '[runtime]\ntype = "oci"\nbinary = "crun"\nlibraries = ["libx.so"]\n',
  );
  shim(node, 'b', `${at}/good`);
  const { outcome } = await node.once();
  t.strictSame(failedOf(outcome), [['a', 'bad-archive']]);
  t.strictSame(asked, ['/good']);
  t.strictSame(node.fake.containerd.served(), ['runc', 'b']);
});
