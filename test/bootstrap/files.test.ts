/** Which files bootstrap writes, keeps and takes away: only what it can prove to have written. */
import t from 'tap';
import { fileChanges } from '../../bootstrap/files.ts';
import { emptyState } from '../../bootstrap/state.ts';
import type { FileFact } from '../../host/facts.ts';
import { sha } from '../../testbed/simulated/stage.ts';

const unitPath = '/etc/systemd/system/rcm-node.service';
const config = '/etc/rcm-node/config.toml';
const shimPath = '/etc/rcm-node/shims.d/spin.toml';

const regular = (text: string): FileFact => ({
  kind: 'regular',
  real: '',
  text,
  digest: sha(text),
  mode: 0o644,
  uid: 0,
  gid: 0,
});

const given = (more: {
  settings?: Record<string, string>;
  namespace?: string;
  wrote?: Record<string, readonly string[]>;
  files?: Record<string, FileFact>;
  units?: Record<string, string>;
}) =>
  fileChanges(
    {
      payload: { unit: 'unit' },
      settings: more.settings ?? {},
      namespace: more.namespace,
      state: { ...emptyState, wrote: more.wrote ?? {} },
      units: more.units ?? {},
      files: { [unitPath]: regular('unit'), ...more.files },
    },
    unitPath,
  );

t.test('a missing file is written, and recorded', async (t) => {
  const { changes, wrote } = given({ settings: { 'config.toml': 'a = 1', 'spin.toml': 'name = "spin"' } });
  t.match(changes, [
    { path: config, after: 'a = 1', mode: 0o600 },
    { path: shimPath, after: 'name = "spin"', mode: 0o644 },
  ]);
  t.same(wrote[config], [sha('a = 1')]);
});

t.test('a file with the wanted content is ours, whichever program wrote it', async (t) => {
  const { changes, wrote } = given({ settings: { 'config.toml': 'a' }, files: { [config]: regular('a') } });
  t.same(changes, []);
  t.same(Object.keys(wrote).sort(), [config, unitPath].sort());
});

t.test('a file of ours is updated; both texts are ours until the update is done', async (t) => {
  const { changes, wrote } = given({
    settings: { 'config.toml': 'b' },
    files: { [config]: regular('a') },
    wrote: { [config]: [sha('a')] },
  });
  t.match(changes, [{ path: config, after: 'b' }]);
  t.same(wrote[config], [sha('a'), sha('b')]);
});

t.test('a foreign or changed file stays, and is named', async (t) => {
  for (const wrote of [{}, { [config]: [sha('a')] }]) {
    const { changes, notes } = given({
      settings: { 'config.toml': 'b' },
      files: { [config]: regular('mine') },
      wrote,
    });
    t.same(changes, []);
    t.match(notes, [/config\.toml was written by another program.*it is kept/]);
  }
  t.match(given({ files: { [unitPath]: regular('mine') } }).notes, [/systemctl edit/]);
});

t.test('the unit of a version that is on the node is replaced', async (t) => {
  const { changes } = given({ files: { [unitPath]: regular('old') }, units: { '0.0.9': 'old' } });
  t.match(changes, [{ path: unitPath, after: 'unit' }]);
});

t.test('a file that left the ConfigMap is removed if it is unchanged', async (t) => {
  const wrote = { [shimPath]: [sha('a')], [unitPath]: [sha('unit')] };
  const settings = { 'config.toml': 'x' };
  t.match(given({ settings, wrote, files: { [shimPath]: regular('a') } }).changes, [
    {},
    { path: shimPath, after: null },
  ]);
  const changed = given({ settings, wrote, files: { [shimPath]: regular('mine') } });
  t.equal(changed.changes.length, 1);
  t.match(changed.notes, [/no longer in the ConfigMap, and was changed/]);
});

t.test('without a ConfigMap nothing is removed', async (t) => {
  const wrote = { [shimPath]: [sha('a')] };
  const { changes, wrote: after } = given({ wrote, files: { [shimPath]: regular('a') } });
  t.same(changes, []);
  t.same(after[shimPath], [sha('a')]);
});

t.test('the namespace is written as it is now, and stays when it is not given', async (t) => {
  const at = '/etc/rcm-node/namespace';
  const { changes, wrote } = given({ namespace: 'other' });
  t.match(changes, [{ path: at, after: 'other\n', mode: 0o644 }]);
  t.same(wrote[at], [sha('other\n')]);
  const known = { wrote: { [at]: [sha('other\n')] }, files: { [at]: regular('other\n') } };
  t.match(given({ namespace: 'third', ...known }).changes, [{ path: at, after: 'third\n' }]);
  t.same(
    given({ settings: { 'config.toml': 'x' }, ...known }).changes.map(({ path }) => path),
    [config],
  );
  const foreign = given({ namespace: 'third', files: { [at]: regular('mine\n') } });
  t.same(foreign.changes, []);
  t.match(foreign.notes, [/namespace was written by another program.*Remove it to use .* third/]);
});
