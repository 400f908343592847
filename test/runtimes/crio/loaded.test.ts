import t from 'tap';
import { crio } from '../../../daemon/runtimes/crio/row.ts';

const none = { labels: {}, annotations: {} };

t.test('an annotation of a Pod does not hide which handler its sandbox uses', async (t) => {
  const annotations = {
    'io.kubernetes.cri-o.RUNTIMEHANDLER': 'other',
    'io.kubernetes.cri-o.RuntimeHandler': 'wasmedge',
    'io.kubernetes.cri-o.runtimehandler': 'other',
  };
  t.equal(crio.handlerOfSandbox?.({ runtimeSpec: { annotations } }, none), 'wasmedge');
  t.same(crio.bundlesOf([]).handlersIn(JSON.stringify({ annotations })), ['wasmedge']);
});

t.test(
  'where the Pod has the same annotation, its author chose the value: any handler may be used',
  async (t) => {
    const chosen = { 'io.kubernetes.cri-o.RuntimeHandler': 'crun' };
    const info = { runtimeSpec: { annotations: chosen } };
    for (const byPod of [
      { ...none, labels: chosen },
      { ...none, annotations: chosen },
    ])
      t.equal(crio.handlerOfSandbox?.(info, byPod), undefined);
  },
);

t.test('a sandbox without information may use any handler', async (t) => {
  for (const info of [null, [], 'text', {}, { runtimeSpec: { annotations: null } }])
    t.equal(crio.handlerOfSandbox?.(info, none), undefined);
});
