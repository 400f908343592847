import t from 'tap';
import {
  askedSettings,
  isSame,
  printSettings,
  readSettings,
  reservedLabel,
  together,
} from '../../../controller/model/class-settings.ts';

const ours = { 'app.kubernetes.io/managed-by': 'rcm-node', 'rcm.spinkube.dev/shim': 'spin' };
const tolerations = [{ key: 'wasm', operator: 'Exists' }];
const overhead = { podFixed: { memory: '64Mi' } };

t.test('settings of a Shim are read in the form of a RuntimeClass', async (t) => {
  const asked = {
    ...{ name: 'x', handler: 'y', labels: { team: 'a' } },
    overhead: { podFixed: { cpu: 1, memory: '64Mi' } },
    scheduling: { tolerations },
  };
  t.same(askedSettings(asked), {
    ...{ labels: { team: 'a' }, tolerations },
    overhead: { podFixed: { cpu: '1', memory: '64Mi' } },
  });
  for (const none of [
    {},
    { labels: {} },
    { overhead: { podFixed: {} } },
    { scheduling: { tolerations: [] } },
  ])
    t.equal(askedSettings(none), undefined);
});

t.test('settings are compared by value, as the API server may rewrite them', async (t) => {
  const memory = (amount: string) => ({ overhead: { podFixed: { memory: amount } } });
  t.ok(isSame(memory('1024Mi'), memory('1Gi')));
  t.notOk(isSame(memory('1000Mi'), memory('1Gi')));
  t.notOk(isSame(memory('1Gi'), undefined));
  t.notOk(isSame(undefined, { overhead: { podFixed: { undefined: '1' } } }));
  t.ok(isSame(undefined, {}));
  t.ok(isSame({ tolerations }, { tolerations: [{ operator: 'Exists', value: '', key: 'wasm' }] }));
  t.notOk(isSame({ tolerations }, { tolerations: [...tolerations, ...tolerations] }));
  t.ok(isSame({ labels: { a: '1', b: '2' } }, { labels: { b: '2', a: '1' } }));
  t.notOk(isSame({ labels: { a: '1' } }, { labels: { a: '' } }));
});

t.test('of two values for one field the first counts', async (t) => {
  const first = { labels: { a: '1' }, overhead: { podFixed: { cpu: '1' } } };
  const second = {
    labels: { a: '2', b: '2' },
    ...{ annotations: { note: 'x' }, tolerations },
    overhead: { podFixed: { cpu: '2', memory: '2' } },
  };
  t.same(together(first, second), {
    labels: { a: '1', b: '2' },
    ...{ annotations: { note: 'x' }, tolerations },
    overhead: { podFixed: { cpu: '1', memory: '2' } },
  });
  t.same(together(first), first);
  t.same(together(undefined, second), second);
  t.same(together(), {});
});

t.test('labels of rcm-node, of Kubernetes and of tools that prune are reserved', async (t) => {
  for (const key of [
    ...['rcm.spinkube.dev/shim', 'shim.rcm.spinkube.dev/spin', 'app.kubernetes.io/managed-by'],
    ...['kubernetes.io/os', 'spinkube.node-restriction.kubernetes.io/spin', 'x.k8s.io/y'],
    ...['applyset.kubernetes.io/part-of', 'kapp.k14s.io/app', 'objectset.rio.cattle.io/hash'],
  ])
    t.equal(reservedLabel({ labels: { team: 'a', [key]: 'x' } }), key);
  for (const key of ['app.kubernetes.io/part-of', 'team', 'example.com/kubernetes.io', 'notk8s.io/x'])
    t.equal(reservedLabel({ labels: { [key]: 'x' } }), undefined, key);
});

t.test('the record is read back as written, and invalid parts are left out', async (t) => {
  const all = { labels: { team: 'a' }, annotations: { note: 'x' }, overhead, tolerations };
  t.same(readSettings(printSettings(all)), all);
  const odd = JSON.stringify({ labels: { ...ours, n: 3 }, tolerations: 'x', overhead: [] });
  for (const one of [odd, undefined, '', 'null', '"x"', '[]', '{}', '{'])
    t.equal(readSettings(one), undefined);
});
