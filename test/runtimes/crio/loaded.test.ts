import t from 'tap';
import { crio } from '../../../daemon/runtimes/crio/row.ts';

t.test('an annotation of a Pod does not hide which handler its sandbox uses', async (t) => {
  const annotations = {
    'io.kubernetes.cri-o.RUNTIMEHANDLER': 'other',
    'io.kubernetes.cri-o.RuntimeHandler': 'wasmedge',
    'io.kubernetes.cri-o.runtimehandler': 'other',
  };
  t.equal(crio.handlerOfSandbox?.({ runtimeSpec: { annotations } }), 'wasmedge');
  t.same(crio.bundlesOf([]).handlersIn(JSON.stringify({ annotations })), ['wasmedge']);
});

t.test('a sandbox of which nothing is told may use any handler', async (t) => {
  for (const info of [null, [], 'text', {}, { runtimeSpec: { annotations: null } }])
    t.equal(crio.handlerOfSandbox?.(info), undefined);
});
