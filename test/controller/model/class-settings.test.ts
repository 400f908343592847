import t from 'tap';
import {
  isSettingIn,
  printSettings,
  readSettings,
  settingsOf,
} from '../../../controller/model/class-settings.ts';

const ours = { 'app.kubernetes.io/managed-by': 'rcm-node', 'rcm.spinkube.dev/shim': 'spin' };
const tolerations = [{ key: 'wasm', operator: 'Exists' }];
const overhead = { podFixed: { memory: '64Mi' } };

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

t.test('the record is read back as written, and invalid parts are left out', async (t) => {
  const all = { labels: { team: 'a' }, annotations: { note: 'x' }, overhead, tolerations };
  t.same(readSettings(printSettings(all)), all);
  const odd = JSON.stringify({ labels: { ...ours, n: 3 }, tolerations: 'x', overhead: [] });
  for (const one of [odd, undefined, '', 'null', '"x"', '[]', '{}', '{'])
    t.equal(readSettings(one), undefined);
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
