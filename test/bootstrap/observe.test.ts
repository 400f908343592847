/** What bootstrap reads off a host and out of its own container. */
import { join } from 'node:path';
import t from 'tap';
import { folderOfLink, lastReport, look, readPayload } from '../../bootstrap/observe.ts';
import { places } from '../../bootstrap/state.ts';
import { filesOf, makeNode, unitText } from '../../testbed/simulated/stage.ts';

t.test('a link counts when it leads to a version', async (t) => {
  t.equal(folderOfLink('versions/0.1.0/rcm-node'), '0.1.0');
  t.equal(folderOfLink('/opt/rcm-node/bin/versions/0.1.0/rcm-node'), '0.1.0');
  for (const other of [null, '/usr/bin/rcm-node', 'versions/0.1.0', 'versions/a/b/rcm-node'])
    t.equal(folderOfLink(other), null);
});

t.test('a program without its folder has nothing to place', async (t) => {
  const site = makeNode(t.testdir()).site(join(t.testdirName, 'nothing'));
  await t.rejects(readPayload(site), /there is no .*rcm-node\.service/);
});

t.test("the keys of the ConfigMap's mount are read, as files or as the kubelet's links", async (t) => {
  const node = makeNode(
    t.testdir({
      config: {
        '..2026': { 'config.toml': 'a = 1' },
        '..data': t.fixture('symlink', '..2026'),
        'config.toml': t.fixture('symlink', '..data/config.toml'),
        'spin.toml': 'x',
        'notes.txt': 'not ours',
      },
    }),
  );
  const site = node.site(node.payload('0.1.0'));
  const seen = await look(site, await readPayload(site));
  t.same(seen.settings, { 'config.toml': 'a = 1', 'spin.toml': 'x' });
  t.same(Object.keys(seen.files).sort(), [
    '/etc/rcm-node/config.toml',
    '/etc/rcm-node/namespace',
    '/etc/rcm-node/shims.d/spin.toml',
    '/etc/systemd/system/rcm-node.service',
  ]);
});

t.test('versions on the host that may be ours are read in full, and the units of all', async (t) => {
  const node = makeNode(t.testdir());
  for (const [name, text] of [
    ['rcm-node', '0.1.0 good'],
    ['rcm-node.service', unitText('0.1.0')],
    ['rcm-node-uninstall.service', '[Service]\n'],
  ] as const)
    node.write(`${places.versions}/0.1.0/${name}`, text);
  node.write(`${places.versions}/0.0.9/rcm-node.service`, 'old');
  node.write(`${places.versions}/.incoming-01/rcm-node.service`, 'half');
  const site = node.site(node.payload('0.1.0'));
  const seen = await look(site, await readPayload(site));
  t.same(seen.folders, { '0.1.0': filesOf('0.1.0') });
  t.same(seen.units, { '0.1.0': unitText('0.1.0'), '0.0.9': 'old' });
  t.equal(seen.linked, null);
});

t.test('an unreadable report counts as none', async (t) => {
  const node = makeNode(t.testdir());
  const site = node.site(node.payload('0.1.0'));
  t.equal(await lastReport(site), undefined);
  for (const text of ['', '{"agent": 1}', '[']) {
    node.write('/run/rcm-node/status.json', text);
    t.equal(await lastReport(site), undefined);
  }
  node.write('/run/rcm-node/status.json', '{"agent": "0.1.0", "at": "now", "more": 1}');
  t.same(await lastReport(site), { agent: '0.1.0', at: 'now' });
});
