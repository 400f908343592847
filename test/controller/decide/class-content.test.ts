import t from 'tap';
import { isOurs, isRight, leadsRight, selectorOf } from '../../../controller/decide/class-content.ts';
import { aClass, aShim } from './facts.ts';

const spin = aShim('spin');
const proof = { 'spinkube.node-restriction.kubernetes.io/spin': 'served' };

t.test('a class leads to proven nodes that its Shim selects, and the proof is never given up', async (t) => {
  const pool = aShim('spin', { nodeSelector: { pool: 'wasm' } });
  t.same(selectorOf(pool), { pool: 'wasm', ...proof });
  const leads = (nodeSelector: Readonly<Record<string, string>>) =>
    leadsRight(aClass(pool, { nodeSelector }), pool);
  t.ok(leads({ pool: 'wasm', ...proof }));
  t.notOk(leads(proof), 'as a former version made it');
  t.notOk(leads({ pool: 'other', ...proof }));
  t.notOk(leads({ ...proof, pool: 'wasm', zone: 'a' }), 'with an entry of another');
  t.notOk(leadsRight(aClass(pool), spin), 'when its Shim selects less');
  const odd = aShim('spin', { nodeSelector: { [Object.keys(proof)[0] as string]: 'no' } });
  t.same(selectorOf(odd), proof);
});

t.test('a class is ours by its owner, or by the label of a person', async (t) => {
  t.ok(isOurs(aClass(spin, { labels: {} }), spin));
  t.ok(isOurs(aClass(spin, { owners: [] }), spin));
  t.notOk(isOurs(aClass(spin, { owners: [], labels: {} }), spin));
  t.ok(isRight(aClass(spin), spin));
  for (const over of [{ labels: {} }, { owners: [] }, { nodeSelector: {} }])
    t.notOk(isRight(aClass(spin, over), spin));
});
