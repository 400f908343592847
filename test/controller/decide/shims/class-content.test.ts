import t from 'tap';
import {
  isOurs,
  isRemembered,
  isRight,
  leadsRight,
  overwriterOf,
  replacedOn,
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

const asked = { labels: { tier: 'x' }, overhead: { podFixed: { memory: '1024Mi' } } };
const asking = aShim('spin', { classSettings: asked });

t.test('a RuntimeClass is correct with exactly the settings of its Shim', async (t) => {
  t.ok(isRight(aClass(asking), asking));
  t.ok(isRight(aClass(asking, { applied: { ...asked, overhead: { podFixed: { memory: '1Gi' } } } }), asking));
  t.notOk(isRight(aClass(spin), asking));
  t.notOk(isRight(aClass(asking), spin), 'it was taken out of the Shim');
  t.notOk(isRight(aClass(asking, { holdsSettings: true }), asking));
});

t.test("the record of others' settings has none of the Shim", async (t) => {
  const made = { ...asked, labels: { tier: 'x', team: 'a' } };
  const fresh = aClass(asking, { holdsSettings: true, settings: made });
  t.same(settingsFor(asking, fresh, []), { labels: { team: 'a' } });
  t.same(settingsFor(asking, undefined, [{ ...fresh, name: 'before' }]), { labels: { team: 'a' } });
  const later = aClass(asking, { settings: made });
  t.same(settingsFor(asking, later, []), made, 'but not what another manager set later');
});

const setBy = [
  { name: 'flux', held: { labels: ['team'], amounts: [], tolerations: true } },
  { name: 'kubectl-edit', held: { labels: [], amounts: ['memory'], tolerations: false } },
];

t.test('the manager that reverts fields of the Shim is named, and no other', async (t) => {
  t.equal(overwriterOf(aClass(asking, { setBy }), asking), 'kubectl-edit');
  t.equal(overwriterOf(aClass(asking, { setBy }), spin), undefined);
  t.equal(overwriterOf(aClass(asking, { setBy, overwrittenBy: 'argocd' }), asking), 'argocd');
});

t.test('fields taken over from others are named', async (t) => {
  const theirs = (memory: string) => ({
    labels: { team: 'a' },
    overhead: { podFixed: { memory, cpu: '1' } },
  });
  t.same(replacedOn(aClass(asking, { setBy, settings: theirs('1Mi') }), asking), {
    fields: ['overhead.podFixed.memory'],
    who: ['kubectl-edit'],
  });
  for (const [one, shim] of [
    [aClass(asking, { setBy, settings: theirs('1Gi') }), asking],
    [aClass(asking, { setBy, settings: theirs('1Mi') }), spin],
    [aClass(asking, { settings: theirs('1Mi'), holdsSettings: true }), asking],
    [aClass(asking), asking],
  ] as const)
    t.equal(replacedOn(one, shim), undefined);
});
