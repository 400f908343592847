import t from 'tap';
import {
  heldBy,
  heldIn,
  isSettingIn,
  partOf,
  sharedOf,
  whoseOf,
} from '../../../controller/model/class-holders.ts';
import { readSettings } from '../../../controller/model/class-settings.ts';
import type { Fields } from '../../../protocol/json.ts';

const ours = { 'app.kubernetes.io/managed-by': 'rcm-node', 'rcm.spinkube.dev/shim': 'spin' };
const tolerations = [{ key: 'wasm', operator: 'Exists' }];
const overhead = { podFixed: { memory: '64Mi' } };
const settingsOf = (metadata: Fields, spec: Fields) => whoseOf(metadata, spec, heldBy()).others;

t.test('the settings of others on a class are all but the controller’s own', async (t) => {
  const scheduling = { nodeSelector: { a: 'b' }, tolerations };
  const metadata = { labels: { ...ours, team: 'a' }, annotations: { note: 'x' } };
  t.same(settingsOf(metadata, { handler: 'spin', scheduling, overhead }), {
    ...{ labels: { team: 'a' }, annotations: { note: 'x' } },
    ...{ overhead, tolerations },
  });
  t.equal(settingsOf({ labels: ours }, { scheduling: { nodeSelector: {} } }), undefined);
  const long = { labels: { team: 'a' }, annotations: { note: 'x'.repeat(20_000) } };
  t.same(settingsOf(long, {}), { labels: { team: 'a' } }, 'an annotation may be as long as 256 kB');
  const many = Array.from({ length: 1000 }, (_, index) => ({ key: `a-taint-${index}` }));
  t.equal(settingsOf({}, { scheduling: { tolerations: many } }), undefined);
});

t.test('labels by which tools prune objects are not set again on a new RuntimeClass', async (t) => {
  const metadata = {
    labels: { team: 'a', 'applyset.kubernetes.io/part-of': 'x', 'objectset.rio.cattle.io/hash': 'y' },
    annotations: { note: 'x', 'objectset.rio.cattle.io/applied': 'z', 'kapp.k14s.io/identity': 'w' },
  };
  const kept = { labels: { team: 'a' }, annotations: { note: 'x' } };
  t.same(settingsOf(metadata, {}), kept);
  t.same(readSettings(JSON.stringify(metadata)), kept, 'also from before');
});

t.test('fields of our own manager are no settings of others', async (t) => {
  const labels = { '.': {}, 'f:rcm.spinkube.dev/shim': {}, 'f:app.kubernetes.io/managed-by': {} };
  t.notOk(isSettingIn({ 'f:metadata': { 'f:labels': labels }, 'f:scheduling': { 'f:nodeSelector': {} } }));
  for (const one of [
    { 'f:overhead': {} },
    { 'f:scheduling': { 'f:tolerations': {} } },
    { 'f:metadata': { 'f:annotations': {} } },
    { 'f:metadata': { 'f:labels': { ...labels, 'f:team': {} } } },
  ])
    t.ok(isSettingIn(one));
});

const asked = { labels: { tier: 'x' }, overhead: { podFixed: { cpu: '1' } }, tolerations };
const applied = {
  'f:metadata': { 'f:labels': { 'f:tier': {}, 'f:rcm.spinkube.dev/shim': {} } },
  'f:overhead': { 'f:podFixed': { '.': {}, 'f:cpu': {} } },
  'f:scheduling': { 'f:nodeSelector': {}, 'f:tolerations': {} },
};

t.test('managed fields are read by key, and lists as a whole', async (t) => {
  t.same(heldIn(applied), { labels: ['tier'], amounts: ['cpu'], tolerations: true });
  t.same(heldIn(applied), heldBy(asked));
  t.same(heldIn(undefined), heldBy());
  t.same(sharedOf(heldIn(applied), heldBy(asked)), [
    'label tier',
    'overhead.podFixed.cpu',
    'scheduling.tolerations',
  ]);
  t.same(sharedOf(heldIn(applied), heldBy({ labels: { team: 'a' }, overhead })), []);
});

t.test('a RuntimeClass is divided into our settings and those of others', async (t) => {
  const metadata = { labels: { ...ours, tier: 'x', team: 'a' }, annotations: { note: 'y' } };
  const whole = {
    overhead: { podFixed: { cpu: '1', memory: '64Mi' }, later: 1 },
    scheduling: { tolerations },
  };
  t.same(whoseOf(metadata, whole, heldIn(applied)), {
    ours: asked,
    others: { labels: { team: 'a' }, annotations: { note: 'y' }, overhead: { ...overhead, later: 1 } },
  });
  t.same(whoseOf(metadata, { scheduling: { tolerations } }, { ...heldBy(), tolerations: true }).ours, {
    tolerations,
  });
  t.equal(partOf(asked, heldBy(asked), 'rest'), undefined);
  t.equal(partOf(asked, heldBy(), 'held'), undefined);
  const long = { labels: { tier: 'x' }, annotations: { note: 'x'.repeat(20_000) } };
  t.same(whoseOf(long, {}, heldIn(applied)), { ours: { labels: { tier: 'x' } }, others: undefined });
});
