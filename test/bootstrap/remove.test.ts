/** How a node is left. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { install } from '../../bootstrap/install.ts';
import { remove } from '../../bootstrap/remove.ts';
import { makeNode, type Node, plainly } from '../../testbed/simulated/stage.ts';

const files = (node: Node): readonly string[] =>
  readdirSync(node.root, { recursive: true, withFileTypes: true })
    .filter((one) => !one.isDirectory())
    .map((one) => join(one.parentPath, one.name).slice(node.root.length))
    .filter((path) => !path.startsWith('/run/'))
    .sort();

t.test('everything that was placed is removed, and nothing else', async (t) => {
  const node = makeNode(t.testdir({ config: { 'config.toml': 'a = 1', 'spin.toml': 'x', '..data': 'y' } }));
  node.write('/etc/systemd/system/other.service', 'theirs');
  node.write('/etc/rcm-node/shims.d/mine.toml', 'a shim');
  const site = node.site(node.payload('0.1.0'));
  await install(site, plainly);
  t.equal(node.read('/etc/rcm-node/config.toml'), 'a = 1');
  t.equal(node.read('/etc/rcm-node/shims.d/spin.toml'), 'x');
  await remove(site);
  t.same(files(node), ['/etc/rcm-node/shims.d/mine.toml', '/etc/systemd/system/other.service']);
  t.match(node.said.at(-1), 'this node is clean');
  t.match(node.said.join('\n'), /shims\.d is kept/);
  await remove(site);
  t.same(files(node), ['/etc/rcm-node/shims.d/mine.toml', '/etc/systemd/system/other.service'], 'and again');
});

t.test('files that were changed since stay, and are named', async (t) => {
  const node = makeNode(t.testdir({ config: { 'config.toml': 'a = 1' } }));
  const site = node.site(node.payload('0.1.0'));
  await install(site, plainly);
  node.write('/etc/rcm-node/config.toml', 'a = 2');
  await remove(site);
  t.same(files(node), ['/etc/rcm-node/config.toml']);
  t.match(node.said.join('\n'), /config\.toml is kept: it was changed/);
});

t.test('removal waits for Pods that use a handler, and retries what fails', async (t) => {
  const node = makeNode(t.testdir());
  const site = node.site(node.payload('0.1.0'));
  await install(site, plainly);
  node.uninstalls.push('waits', 'fails', 'waits');
  await remove(site);
  t.same(node.uninstalls, []);
  t.same(files(node), []);
  const said = node.said.join('\n');
  t.match(said, /not yet: a Pod uses it/);
  t.match(said, /not yet: the job ended as "failed".*journalctl -u rcm-node-uninstall/);
});

t.test('a service that never started properly is stopped, and not asked to uninstall', async (t) => {
  const node = makeNode(t.testdir());
  const site = node.site(node.payload('0.1.0', 'refuses'));
  await install(site, plainly).catch(() => undefined);
  await remove(site);
  t.notOk(node.calls.includes('start rcm-node-uninstall.service'));
  t.same(files(node), []);
});

t.test('a service that cannot be stopped keeps its files: it would write them again', async (t) => {
  const node = makeNode(t.testdir());
  const site = node.site(node.payload('0.1.0', 'refuses'));
  await install(site, plainly).catch(() => undefined);
  node.unit = { ...node.unit, load: 'loaded', active: 'failed' };
  const before = files(node);
  const stuck = { ...site, systemd: { ...site.systemd, stop: async () => 'deadline' as const } };
  const error = await remove(stuck).catch((thrown: unknown) => thrown);
  t.match(error, { problem: { code: 'activation-failed', message: /"deadline"/ } });
  t.same(files(node), before);
});
