/** What becomes of a node, whatever the image, the service and bad luck do. */
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { install } from '../../bootstrap/install.ts';
import { places } from '../../bootstrap/state.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import { epoch, makeNode, type Node, plainly, unitText } from '../../testbed/simulated/stage.ts';

const linked = (node: Node): string => readlinkSync(join(node.root, places.link));
const versions = (node: Node): readonly string[] => readdirSync(join(node.root, places.versions)).sort();
const unit = '/etc/systemd/system/rcm-node.service';
const state = (node: Node) => JSON.parse(node.read(places.state));
const hour = 3_600_000;

t.test('on a fresh node everything is placed, enabled, started, and waited for', async (t) => {
  const node = makeNode(t.testdir());
  const site = node.site(node.payload('0.1.0'));
  t.same(await install(site, plainly), { kind: 'up' });
  t.equal(linked(node), 'versions/0.1.0/rcm-node');
  t.equal(node.read(unit), unitText('0.1.0'));
  t.equal(node.runs(), '0.1.0 good');
  t.same(node.calls, ['enable rcm-node.service', 'reload', 'start rcm-node.service']);
  t.match(node.said.at(-1), 'rcm-node.service is up: rcm-node 0.1.0');

  await t.test('a second run changes nothing', async (t) => {
    const before = node.read(places.state);
    t.same(await install(site, plainly), { kind: 'up' });
    t.equal(node.calls.length, 3);
    t.equal(node.read(places.state), before);
    t.match(node.said.at(-1), 'nothing to do');
  });

  await t.test('a stopped service is started', async (t) => {
    node.unit = { ...node.unit, active: 'inactive' };
    t.same(await install(site, plainly), { kind: 'up' });
    t.equal(node.calls.at(-1), 'start rcm-node.service');
  });

  await t.test('a damaged executable is replaced, and the service restarted', async (t) => {
    node.write(`${places.versions}/0.1.0/rcm-node`, '0.1.0 go');
    t.same(await install(site, plainly), { kind: 'up' });
    t.equal(node.runs(), '0.1.0 good');
    t.equal(node.read(`${places.versions}/0.1.0/rcm-node`), '0.1.0 good');
    t.same(versions(node), ['0.1.0']);
  });
});

t.test('a newer image takes over, and the two last versions stay', async (t) => {
  const node = makeNode(t.testdir());
  for (const version of ['0.1.0', '0.2.0', '0.3.0']) {
    t.same(await install(node.site(node.payload(version)), plainly), { kind: 'up' });
    t.equal(node.runs(), `${version} good`);
    t.equal(node.read(unit), unitText(version));
  }
  t.same(versions(node), ['0.2.0', '0.3.0']);
  t.equal(node.starts(), 3);
  t.match(state(node), { good: '0.3.0', former: '0.2.0', trying: null });

  await t.test('an older image changes nothing, and the message has the way out', async (t) => {
    const result = await install(node.site(node.payload('0.1.0')), plainly);
    t.match(result, {
      kind: 'refused',
      problem: { message: /has rcm-node 0\.3\.0, and this image is 0\.1\.0/ },
    });
    t.match(result, { problem: { hint: /--downgrade/ } });
    t.equal(node.runs(), '0.3.0 good');
  });

  await t.test('an older image is installed on request', async (t) => {
    const asked = { downgrade: true, force: false };
    t.same(await install(node.site(node.payload('0.1.0')), asked), { kind: 'up' });
    t.equal(node.runs(), '0.1.0 good');
  });
});

for (const [manner, what] of [
  ['dies', 'dies after its start'],
  ['refuses', 'does not start'],
  ['mute', 'never reports'],
] as const)
  t.test(`a version that ${what} is rolled back, and not tried again for a while`, async (t) => {
    const node = makeNode(t.testdir());
    await install(node.site(node.payload('0.1.0')), plainly);
    const bad = node.site(node.payload('0.2.0', manner));
    const problem = problemOf(await install(bad, plainly).catch((error) => error));
    t.match(problem, {
      code: 'activation-failed',
      message: /^rcm-node 0\.2\.0 did not start: .*; rolled back to the previous version, which runs$/,
    });
    t.equal(node.runs(), '0.1.0 good');
    t.equal(linked(node), 'versions/0.1.0/rcm-node');
    t.equal(node.read(unit), unitText('0.1.0'));
    t.equal(node.starts(), 3);

    await t.test('tried again at once, nothing happens to the service', async (t) => {
      const result = await install(bad, plainly);
      t.match(result, {
        kind: 'refused',
        problem: { code: 'known-bad', message: /did not start on this node \(attempt 1\)/ },
      });
      t.match(result, { problem: { hint: /retried in 5 min/ } });
      t.equal(node.starts(), 3);
    });

    await t.test('after a while it is tried again, with a longer pause afterwards', async (t) => {
      await bad.clock.sleep(hour);
      await install(bad, plainly).catch(() => undefined);
      t.equal(node.starts(), 5);
      t.equal(node.runs(), '0.1.0 good');
      t.match(await install(bad, plainly), { problem: { message: /attempt 2/, hint: /10 min/ } });
    });

    await t.test('the image from before is settled', async (t) => {
      t.same(await install(node.site(node.payload('0.1.0')), plainly), { kind: 'up' });
      t.equal(node.starts(), 5);
    });

    await t.test('a repaired build of the same version replaces it', async (t) => {
      t.same(await install(node.site(node.payload('0.2.0')), plainly), { kind: 'up' });
      t.equal(node.runs(), '0.2.0 good');
      t.equal(node.starts(), 6);
      t.same(versions(node).length, 2, 'what never came up is gone');
    });
  });

t.test('a first version that does not start leaves a stopped service', async (t) => {
  const node = makeNode(t.testdir());
  const bad = node.site(node.payload('0.1.0', 'refuses'));
  const problem = problemOf(await install(bad, plainly).catch((error) => error));
  t.match(problem.message, /glibc 2\.28 or later and libstdc\+\+.*the service is stopped/);
  t.same(node.calls.slice(-2), ['disable rcm-node.service', 'stop rcm-node.service']);
  t.match(await install(bad, plainly), { kind: 'refused' });
  await bad.clock.sleep(hour);
  await install(bad, plainly).catch(() => undefined);
  t.equal(node.starts(), 2);
  t.same(await install(node.site(node.payload('0.1.0')), plainly), { kind: 'up' });
  t.equal(node.runs(), '0.1.0 good');
});

t.test('a first tick that takes minutes is no failure', async (t) => {
  const node = makeNode(t.testdir());
  t.same(await install(node.site(node.payload('0.1.0', 'busy')), plainly), { kind: 'up' });
  t.match(node.said.at(-1), /its first tick is not over/);
});

t.test('an installation by hand is taken over, and a failed version is rolled back to it', async (t) => {
  const node = makeNode(t.testdir());
  const site = node.site(node.payload('0.2.0', 'dies'));
  node.write(`${places.versions}/0.1.0/rcm-node`, '0.1.0 good');
  await site.host.point(places.link, 'versions/0.1.0/rcm-node');
  node.write(unit, unitText('by hand'));
  await site.systemd.daemonReload();
  await site.systemd.start('rcm-node.service', 0);
  await install(site, plainly).catch(() => undefined);
  t.equal(node.runs(), '0.1.0 good');
  t.equal(node.read(unit), unitText('by hand'), 'a unit that others wrote stays');
  t.match(node.said.join('\n'), /rcm-node\.service was written by another program/);
});

t.test('a masked service is left alone', async (t) => {
  const node = makeNode(t.testdir());
  node.unit = { ...node.unit, load: 'masked' };
  t.match(await install(node.site(node.payload('0.1.0')), plainly), {
    kind: 'refused',
    problem: { code: 'unit-masked' },
  });
  t.notOk(existsSync(join(node.root, places.versions)));
});

t.test('a damaged record costs one restart at most', async (t) => {
  const node = makeNode(t.testdir());
  const site = node.site(node.payload('0.1.0'));
  await install(site, plainly);
  node.write(places.state, '{"version": 1, "good"');
  t.same(await install(site, plainly), { kind: 'up' });
  t.ok(node.starts() <= 2);
  t.match(state(node), { good: '0.1.0' });
});

t.test('times are those of the node', async (t) => {
  const node = makeNode(t.testdir());
  await install(node.site(node.payload('0.1.0', 'refuses')), plainly).catch(() => undefined);
  const [failure] = Object.values(state(node).failed) as { at: number }[];
  t.ok((failure?.at ?? 0) >= epoch);
});
