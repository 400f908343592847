/** A run of bootstrap that is killed at any of its effects is finished by the next one. Every stop: it takes a minute. */
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { install } from '../../bootstrap/install.ts';
import { remove } from '../../bootstrap/remove.ts';
import { places } from '../../bootstrap/state.ts';
import { makeNode, mortal, type Node, plainly, unitText } from '../../testbed/simulated/stage.ts';

const linked = (node: Node): string => readlinkSync(join(node.root, places.link));
const versions = (node: Node): readonly string[] => readdirSync(join(node.root, places.versions)).sort();
const unit = '/etc/systemd/system/rcm-node.service';
const state = (node: Node) => JSON.parse(node.read(places.state));
const filesOf = (node: Node): readonly string[] =>
  readdirSync(node.root, { recursive: true, withFileTypes: true })
    .filter((one) => !one.isDirectory())
    .map((one) => join(one.parentPath, one.name).slice(node.root.length))
    .filter((path) => !path.startsWith('/run/'))
    .sort();

/** Kills a run at every effect, lets the next one finish, and looks at what it comes to. */
const survive = async (
  t: Test,
  prepare: (node: Node) => Promise<unknown>,
  image: (node: Node) => string,
  check: (node: Node, how: string) => void,
): Promise<void> => {
  for (const moment of ['before', 'after'] as const)
    for (let at = 1; ; at += 1) {
      const node = makeNode(join(t.testdirName, `${moment}-${at}`));
      await prepare(node);
      const site = node.site(image(node));
      const run = mortal(site, at, moment);
      await install(run.site, plainly).catch(() => undefined);
      if (run.effects() < at) break;
      await install(site, plainly).catch(() => undefined);
      check(node, `${moment} ${at}`);
    }
};

t.test('killed anywhere, a first installation is finished by the next run', async (t) => {
  t.testdir({});
  await survive(
    t,
    async () => undefined,
    (node) => node.payload('0.1.0'),
    (node, how) => {
      t.equal(node.runs(), '0.1.0 good', how);
      t.same(versions(node), ['0.1.0'], how);
      t.match(state(node), { good: '0.1.0', trying: null }, how);
      t.equal(node.starts(), 1, how);
    },
  );
});

t.test('killed anywhere, an upgrade is finished by the next run, with one restart', async (t) => {
  t.testdir({});
  await survive(
    t,
    (node) => install(node.site(node.payload('0.1.0')), plainly),
    (node) => node.payload('0.2.0'),
    (node, how) => {
      t.equal(node.runs(), '0.2.0 good', how);
      t.equal(node.read(unit), unitText('0.2.0'), how);
      t.match(state(node), { good: '0.2.0', former: '0.1.0', trying: null }, how);
      t.equal(node.starts(), 2, how);
    },
  );
});

t.test('killed anywhere, a broken upgrade ends with the former version', async (t) => {
  t.testdir({});
  await survive(
    t,
    (node) => install(node.site(node.payload('0.1.0')), plainly),
    (node) => node.payload('0.2.0', 'dies'),
    (node, how) => {
      t.equal(node.runs(), '0.1.0 good', how);
      t.equal(linked(node), 'versions/0.1.0/rcm-node', how);
      t.equal(node.read(unit), unitText('0.1.0'), how);
      t.match(state(node), { good: '0.1.0', trying: null }, how);
      t.ok(node.starts() <= 5, `${how}: ${node.starts()} starts`);
    },
  );
});

t.test('killed anywhere, a removal is finished by the next run', async (t) => {
  t.testdir({});
  for (const moment of ['before', 'after'] as const)
    for (let at = 1; ; at += 1) {
      const node = makeNode(join(t.testdirName, `${moment}-${at}`));
      const site = node.site(node.payload('0.1.0'));
      await install(site, plainly);
      await install(node.site(node.payload('0.2.0')), plainly);
      const run = mortal(site, at, moment);
      await remove(run.site).catch(() => undefined);
      if (run.effects() < at) break;
      await remove(site);
      t.same(filesOf(node), [], `killed ${moment} effect ${at}`);
      t.notOk(existsSync(join(node.root, places.versions)), `killed ${moment} effect ${at}`);
    }
});
