/** What is under a final name is complete; what is not complete leaves nothing. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readPayload } from '../../bootstrap/observe.ts';
import { mendFile, placeFolder, sweepIncoming } from '../../bootstrap/place.ts';
import { places } from '../../bootstrap/state.ts';
import { makeNode } from '../../testbed/simulated/stage.ts';

const stage = async (t: Test) => {
  const node = makeNode(t.testdir());
  const folder = node.payload('0.1.0');
  const site = node.site(folder);
  const names = (path = ''): readonly string[] => readdirSync(join(node.root, places.versions, path)).sort();
  return { node, folder, site, names, payload: await readPayload(site) };
};

t.test('a folder has all of its files, the program executable', async (t) => {
  const { node, site, names, payload } = await stage(t);
  await placeFolder(site, payload, '0.1.0');
  t.same(names(), ['0.1.0']);
  t.same(names('0.1.0'), ['rcm-node', 'rcm-node-uninstall.service', 'rcm-node.service']);
  const mode = (name: string): number =>
    statSync(join(node.root, places.versions, '0.1.0', name)).mode & 0o777;
  t.equal(mode('rcm-node'), 0o755);
  t.equal(mode('rcm-node.service'), 0o644);
});

t.test('a file whose bytes changed since the decision is not placed', async (t) => {
  const { site, names, payload, folder } = await stage(t);
  writeFileSync(join(folder, 'rcm-node'), 'something else');
  await t.rejects(placeFolder(site, payload, '0.1.0'), /rcm-node changed while it was copied/);
  t.same(names(), []);
});

t.test('one file is replaced by rename: a process that runs the old one keeps it', async (t) => {
  const { node, site, payload } = await stage(t);
  await placeFolder(site, payload, '0.1.0');
  const path = join(node.root, places.versions, '0.1.0', 'rcm-node');
  writeFileSync(path, 'damaged');
  const { ino } = statSync(path);
  await mendFile(site, payload, '0.1.0', 'rcm-node');
  t.equal(readFileSync(path, 'utf8'), '0.1.0 good');
  t.not(statSync(path).ino, ino);
});

t.test('leftovers of a killed run are removed, and nothing else', async (t) => {
  const { node, site, names, payload } = await stage(t);
  await placeFolder(site, payload, '0.1.0');
  mkdirSync(join(node.root, places.versions, '.incoming-0123'));
  writeFileSync(join(node.root, places.versions, '.incoming-4567'), 'half');
  const halves = [
    '/opt/rcm-node/bin/.rcm-node-0123456789ab',
    '/opt/rcm-node/bin/rcm-node.0123456789ab',
    '/etc/systemd/system/.rcm-node-0123456789ab',
    '/etc/rcm-node/.rcm-node-0123456789ab',
    '/etc/rcm-node/shims.d/.rcm-node-0123456789ab',
  ];
  const whole = ['/etc/systemd/system/.rcm-node-notes', '/etc/systemd/system/rcm-node.service'];
  for (const path of [...halves, ...whole]) node.write(path, '');
  await sweepIncoming(site);
  t.same(names(), ['0.1.0']);
  for (const path of halves) t.throws(() => node.read(path), { code: 'ENOENT' }, path);
  for (const path of whole) t.equal(node.read(path), '');
});
