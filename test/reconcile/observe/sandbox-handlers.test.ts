import t from 'tap';
import { withHandlers } from '../../../daemon/reconcile/observe/sandbox-handlers.ts';
import { crio } from '../../../daemon/runtimes/crio/row.ts';
import { containerd } from '../../../daemon/runtimes/containerd/row.ts';
import type { Cri, Sandbox } from '../../../host/cri/cri.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const sandbox = (id: string, handler = ''): Sandbox => ({
  ...{ id, handler, ready: true, namespace: 'default', name: id, labels: {}, annotations: {} },
});
const many = (count: number): readonly Sandbox[] =>
  Array.from({ length: count }, (_one, at) => sandbox(`sandbox-${at}`));

const scripted = (tell: (id: string) => unknown = () => 'spin') => {
  const asked: string[] = [];
  const seen = { most: 0, now: 0 };
  const sandboxInfo = async (id: string): Promise<unknown> => {
    asked.push(id);
    seen.now += 1;
    seen.most = Math.max(seen.most, seen.now);
    await new Promise((done) => setImmediate(done));
    seen.now -= 1;
    const name = tell(id);
    if (name === undefined) throw new Error('gone');
    return { runtimeSpec: { annotations: { 'io.kubernetes.cri-o.RuntimeHandler': name } } };
  };
  return { cri: { sandboxInfo } as unknown as Cri, asked, seen };
};

t.test('each sandbox is requested once, and a few at a time', async (t) => {
  const { host } = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3' }).fake;
  const { cri, asked, seen } = scripted();
  const facts = await withHandlers(host, cri, crio, many(500));
  t.equal(facts.length, 500);
  t.ok(facts.every(({ handler }) => handler === 'spin'));
  t.equal(asked.length, 500);
  t.ok(seen.most <= 8, `${seen.most} at a time`);
  t.strictSame(await withHandlers(host, cri, crio, many(500)), facts);
  t.equal(asked.length, 500);
  await withHandlers(host, cri, crio, [...many(2), sandbox('new')]);
  t.strictSame(asked.slice(500), ['new']);
  await withHandlers(host, cri, crio, many(3));
  t.strictSame(asked.slice(501), ['sandbox-2'], 'those that ended are forgotten');
});

t.test('a sandbox without an answer may use any handler, and is requested again', async (t) => {
  const { host } = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3' }).fake;
  const { cri, asked } = scripted(() => undefined);
  for (let look = 0; look < 2; look++)
    t.strictSame(await withHandlers(host, cri, crio, many(1)), [{ id: 'sandbox-0', handler: undefined }]);
  t.equal(asked.length, 2);
});

t.test('a slow runtime does not delay the tick', async (t) => {
  const node = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3' });
  const { cri, asked } = scripted(() => {
    node.fake.advance(6_000);
    return 'spin';
  });
  const facts = await withHandlers(node.fake.host, cri, crio, many(100));
  t.ok(asked.length < 20, `${asked.length} asked`);
  t.ok(facts.some(({ handler }) => handler === undefined));
});

t.test('the list of containerd has the handlers, and nothing else is requested', async (t) => {
  const { host } = openNode(makeRoot(t), { version: '2.1.4' }).fake;
  const { cri, asked } = scripted();
  t.strictSame(await withHandlers(host, cri, containerd, [sandbox('a', 'wws'), sandbox('b')]), [
    { id: 'a', handler: 'wws' },
    { id: 'b', handler: '' },
  ]);
  t.strictSame(asked, []);
});
