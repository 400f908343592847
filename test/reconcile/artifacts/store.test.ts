import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { manifestName, observeStore, parseManifest } from '../../../daemon/reconcile/artifacts/store.ts';
import { digestOf } from '../../../protocol/digest.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';

const key = 'a'.repeat(64);
const manifest = {
  version: 1,
  url: 'https://example.com/a',
  sha256: key,
  binary: 'crun',
  files: { crun: { sha256: digestOf('crun'), bytes: 4 }, 'lib/x.so': { sha256: digestOf('xx'), bytes: 2 } },
};

const setUp = (t: Test, text = JSON.stringify(manifest)) => {
  const root = t.testdir({
    opt: { 'rcm-node': { store: { [key]: { [manifestName]: text, crun: 'crun', lib: { 'x.so': 'xx' } } } } },
  });
  return { host: bareRoot(root).host, folder: join(root, 'opt/rcm-node/store', key) };
};

t.test('a folder whose files match its manifest is complete', async (t) => {
  const { host } = setUp(t);
  for (const deep of [false, true])
    t.same(await observeStore(host, deep), {
      [key]: { kind: 'whole', sha256: key, url: 'https://example.com/a', binary: 'crun' },
    });
});

t.test('a missing store is empty, and names that are no digest are not ours', async (t) => {
  t.same(await observeStore(bareRoot(t.testdir({})).host, true), {});
  const { host, folder } = setUp(t);
  for (const name of ['.incoming', 'notes.txt', 'A'.repeat(64)]) writeFileSync(join(folder, '..', name), 'x');
  t.same(Object.keys(await observeStore(host, true)), [key]);
});

t.test('damage is noticed: by size at once, by every byte in a full check', async (t) => {
  const { host, folder } = setUp(t);
  writeFileSync(join(folder, 'crun'), 'evil');
  t.match(await observeStore(host, false), { [key]: { kind: 'whole' } });
  t.match(await observeStore(host, true), { [key]: { kind: 'damaged', why: 'crun has another digest' } });
  writeFileSync(join(folder, 'crun'), 'cru');
  t.match(await observeStore(host, false), {
    [key]: { kind: 'damaged', why: 'crun has 3 bytes instead of 4' },
  });
  rmSync(join(folder, 'crun'));
  t.match(await observeStore(host, false), { [key]: { kind: 'damaged', why: 'crun is gone' } });
  symlinkSync('/none', join(folder, 'crun'));
  t.match(await observeStore(host, false), { [key]: { kind: 'damaged', why: 'crun is gone' } });
});

t.test('a manifest that could not be read once is read at the next look', async (t) => {
  const { host } = setUp(t);
  const state = { fails: true };
  const files: typeof host.files = {
    ...host.files,
    look: async (path) =>
      state.fails ? { kind: 'unreadable', why: 'EMFILE', errno: 'EMFILE' } : host.files.look(path),
  };
  // Later than what was written just now, which is read each time.
  const clock: typeof host.clock = { ...host.clock, now: () => Date.now() + 3_600_000 };
  const limited = { ...host, files, clock };
  t.match(await observeStore(limited, false), { [key]: { kind: 'damaged' } });
  state.fails = false;
  t.match(await observeStore(limited, false), { [key]: { kind: 'whole' } });
});

t.test('without a valid manifest the folder is damaged, and nothing throws', async (t) => {
  const broken = [
    '',
    '{',
    'null',
    '[]',
    '{}',
    JSON.stringify({ ...manifest, version: 2 }),
    JSON.stringify({ ...manifest, files: null }),
    JSON.stringify({ ...manifest, files: [] }),
    JSON.stringify({ ...manifest, files: {} }),
    JSON.stringify({ ...manifest, files: { crun: null } }),
    JSON.stringify({ ...manifest, binary: 'other' }),
    JSON.stringify({ ...manifest, binary: 'constructor' }),
    JSON.stringify({ ...manifest, sha256: 5 }),
    JSON.stringify({ ...manifest, url: undefined }),
  ];
  for (const text of broken) t.equal(parseManifest(text), undefined, text);
  t.same(parseManifest(JSON.stringify(manifest)), manifest);
  const { host, folder } = setUp(t, '{"version":1,"binary":"crun","files":null}');
  const why = 'its manifest is missing or damaged';
  t.match(await observeStore(host, true), { [key]: { kind: 'damaged', why } });
  rmSync(join(folder, manifestName));
  t.match(await observeStore(host, true), { [key]: { kind: 'damaged', why } });
});
