import t from 'tap';
import {
  isOurs,
  isRemembered,
  isRight,
  leadsRight,
  selectorOf,
  settingsFor,
} from '../../../../controller/decide/shims/class-content.ts';
import { printSettings } from '../../../../controller/model/class-settings.ts';
import { aClass, aShim } from '../../../../testbed/controller/facts.ts';

const spin = aShim('spin');
const proof = { 'spinkube.node-restriction.kubernetes.io/spin': 'served' };

t.test('a RuntimeClass selects proven nodes of its Shim, and the proof is always required', async (t) => {
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

t.test('a RuntimeClass is ours by its owner, or by the label of a person', async (t) => {
  t.ok(isOurs(aClass(spin, { labels: {} }), spin));
  t.ok(isOurs(aClass(spin, { owners: [] }), spin));
  t.notOk(isOurs(aClass(spin, { owners: [], labels: {} }), spin));
  t.ok(isRight(aClass(spin), spin));
  for (const over of [{ labels: {} }, { owners: [] }, { nodeSelector: {} }])
    t.notOk(isRight(aClass(spin, over), spin));
});

t.test('settings of others are those that are there, or those that were there last', async (t) => {
  const settings = { labels: { team: 'a' } };
  const status = {
    observedGeneration: 1,
    nodes: 0,
    nodesReady: 0,
    nodesUpdated: 0,
    nodesFailed: 0,
    conditions: [],
  };
  const knows = aShim('spin', { status: { ...status, runtimeClass: printSettings(settings) } });
  t.same(settingsFor(knows, undefined, []), settings);
  t.equal(settingsFor(knows, aClass(spin), []), undefined);
  const foreign = aClass(spin, { owners: [], labels: {}, settings: { labels: { theirs: 'x' } } });
  t.same(settingsFor(knows, foreign, []), settings, 'and not what a class of others has');
  t.same(settingsFor(spin, undefined, [aClass(spin, { name: 'before', settings })]), settings);
  t.ok(isRemembered(aClass(spin), spin));
  t.ok(isRemembered(aClass(spin, { settings }), knows));
  t.notOk(isRemembered(aClass(spin, { settings }), spin));
});
