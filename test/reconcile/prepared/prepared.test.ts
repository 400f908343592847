/** Prepared handlers: a shim for one is served by its link alone, without a restart. */
import { existsSync, mkdirSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { standInLink } from '../../../daemon/decide/handlers/stand-in.ts';
import { writeShim } from '../../../testbed/simulated/node.ts';
import { rows } from '../../../testbed/simulated/rows.ts';
import { foreign, timeless, treeOf } from '../../../testbed/simulated/tree.ts';
import {
  crio,
  isLinked,
  newest,
  nodeOf,
  oldest,
  prepared,
  prepares,
  remove,
  restarts,
  settings,
  statesOf,
} from './setup.ts';

for (const row of rows) {
  /** Of another table than the prepared one, and what tells it. */
  const [other, sign] =
    row === crio
      ? ['podAnnotations = ["run.oci.*"]', /allowed_annotations/]
      : ['[containerdRuntimeOptions]\nMemory = "1Gi"', /1Gi/];

  t.test(`${row.name} is not restarted for what is only prepared, while Pods run`, async (t) => {
    const node = nodeOf(t, row);
    prepares(node, 'spin', 'slot-1');
    const ticked = await node.once();
    t.strictSame(statesOf(ticked), { spin: 'pending', 'slot-1': 'pending' });
    t.strictSame(ticked.did, []);
    t.equal(ticked.outcome.kind, 'converged', 'nothing has to be done');
    t.match(ticked.decision.notes, [{ code: 'not-prepared', message: /: spin, slot-1$/ }]);
    t.equal(restarts(node), 0);

    writeShim(node, 'first');
    const next = await node.once();
    t.strictSame(statesOf(next), { first: 'served', spin: 'prepared', 'slot-1': 'prepared' });
    t.equal(restarts(node), 1, 'the first change takes it along');
    t.match(next.did.join('; '), /prove that first is served, and slot-1, spin are prepared/);
    t.strictSame(next.decision.notes, []);
    t.strictSame((await node.once()).did, []);
  });

  t.test(`${row.name} is restarted for it where no Pod runs`, async (t) => {
    const node = nodeOf(t, row);
    node.fake.containerd.sandboxes = [];
    prepares(node, 'spin');
    t.strictSame(statesOf(await node.once()), { spin: 'prepared' });
    t.equal(restarts(node), 1);
    t.strictSame((await node.once()).did, []);
  });

  t.test(
    `a shim for a prepared handler of ${row.name} is served without a restart, and removed`,
    async (t) => {
      const node = await prepared(t, row, 'spin', 'slot-1');
      const before = treeOf(node.root);
      writeShim(node, 'spin');
      const ticked = await node.once();
      t.strictSame(statesOf(ticked), { first: 'served', spin: 'served', 'slot-1': 'prepared' });
      t.match(
        ticked.did.join('; '),
        /placed spin .*; point spin to [0-9a-f]{12}; prove that a sandbox with spin starts$/,
      );
      t.match(
        ticked.decision.handlers.find(({ name }) => name === 'spin'),
        { start: { kind: 'started' } },
      );
      t.strictSame((await node.once()).did, []);

      node.fake.containerd.sandboxes = [{ id: 'wasm', handler: 'spin' }];
      remove(node, 'spin');
      t.match((await node.once()).outcome, { kind: 'waiting', for: [{ code: 'handler-in-use' }] });
      node.fake.containerd.sandboxes = [{ id: 'pod', handler: row.usual }];
      const gone = await node.once();
      t.strictSame(statesOf(gone), { first: 'served', spin: 'prepared', 'slot-1': 'prepared' });
      t.notOk(isLinked(node, 'spin'));
      t.match(gone.did.join('; '), /(remove the link|point spin to) .*discard [0-9a-f]{12}/);
      t.equal(restarts(node), 0);
      const after = treeOf(node.root);
      for (const path of [row.ours, row.main])
        t.same(after[path], before[path], `${path} was not written, not even as it was`);
    },
  );

  t.test(`a shim of any name is served by the slot of ${row.name} that it names`, async (t) => {
    const node = await prepared(t, row, 'slot-1');
    const text = node.read(row.ours);
    writeShim(node, 'wasmtime', 'wasmtime', '[runtimeClass]\nhandler = "slot-1"\n');
    t.match(statesOf(await node.once()), { 'slot-1': 'served' });
    prepares(node);
    t.strictSame((await node.once()).did, [], 'what serves a shim stays as it is');
    remove(node, 'wasmtime');
    t.match(statesOf(await node.once()), { 'slot-1': 'prepared' }, 'until the next restart');
    t.equal(node.read(row.ours), text);
    t.equal(restarts(node), 0);
    writeShim(node, 'second');
    t.strictSame(statesOf(await node.once()), { first: 'served', second: 'served' });
    t.equal(restarts(node), 1);
    t.notMatch(node.read(row.ours), /slot-1/);
  });

  t.test(
    `a shim with which no sandbox of ${row.name} starts loses its link, without a restart`,
    async (t) => {
      const node = await prepared(t, row, 'spin');
      node.fake.containerd.starts = (name) => (name === 'spin' ? 'refused' : 'works');
      writeShim(node, 'spin');
      t.match((await node.once()).outcome, { kind: 'failed', undone: true, problem: { handler: 'spin' } });
      t.notOk(isLinked(node, 'spin'));
      t.match(statesOf(await node.once()), { first: 'served', spin: 'failed' });
      node.fake.containerd.starts = () => 'works';
      writeShim(node, 'spin', 'spin-new');
      t.match(statesOf(await node.once()), { spin: 'served' });
      t.equal(restarts(node), 0);
    },
  );

  t.test(`a shim with another table than the prepared one of ${row.name} needs a restart`, async (t) => {
    const node = await prepared(t, row, 'spin');
    writeShim(node, 'spin', 'spin', `${other}\n`);
    t.match(statesOf(await node.once()), { spin: 'served' });
    t.equal(restarts(node), 1);
    remove(node, 'spin');
    t.match(statesOf(await node.once()), { spin: 'prepared' });
    t.equal(restarts(node), 1, 'its table stays until the next restart');
    t.match(node.read(row.ours), sign);
    writeShim(node, 'second');
    await node.once();
    t.notMatch(node.read(row.ours), sign);
    t.equal(restarts(node), 2);
  });

  t.test(
    `others cannot take a prepared handler of ${row.name} away, and an uninstall leaves nothing`,
    async (t) => {
      const node = nodeOf(t, row);
      const before = timeless(foreign(treeOf(node.root)));
      prepares(node, 'spin');
      writeShim(node, 'first');
      await node.once();
      const text = node.read(row.ours);
      node.write(row.ours, (text ?? '').replaceAll('/shims/spin/', '/shims/spun/'));
      await node.once();
      t.equal(node.read(row.ours), text, 'it is repaired');
      t.equal(restarts(node), 1);
      const { complete } = await node.uninstall();
      t.ok(complete);
      t.equal(restarts(node), 2);
      for (const path of [settings, '/etc/rcm-node/shims.d/first.toml', '/srv/artifacts/first'])
        node.remove(path);
      const left = timeless(foreign(treeOf(node.root)));
      for (const [path, what] of Object.entries(before)) t.same(left[path], what, path);
      t.strictSame([...node.fake.containerd.served()], [row.usual]);
    },
  );

  t.test(`a lost ledger of ${row.name} is derived from the configuration, without a restart`, async (t) => {
    const node = await prepared(t, row, 'spin', 'slot-1');
    writeShim(node, 'spin');
    await node.once();
    node.remove('/var/lib/rcm-node/ledger.json');
    t.match(statesOf(await node.once()), { first: 'served', spin: 'served', 'slot-1': 'prepared' });
    t.equal(restarts(node), 0);
  });
}

t.test('what is prepared is in the configuration of an image', async (t) => {
  const node = nodeOf(t, newest);
  prepares(node, 'spin');
  t.strictSame(statesOf(await node.once({ activate: false })), { spin: 'written' });
  t.match(node.read(newest.ours), /runtimes\.spin\]/);
  node.fake.containerd.restartByOther();
  t.strictSame(statesOf(await node.once()), { spin: 'prepared' });
  t.equal(restarts(node), 0);
});

t.test('CRI-O has to know which program a prepared handler will be', async (t) => {
  const node = nodeOf(t, crio);
  node.write(settings, '[runtime]\nprepare = ["slot-1"]\n');
  writeShim(node, 'first');
  const ticked = await node.once();
  t.strictSame(statesOf(ticked), { first: 'served', 'slot-1': 'refused' });
  t.match(ticked.outcome, {
    kind: 'degraded',
    problems: [
      {
        code: 'unsupported-handler',
        handler: 'slot-1',
        where: { file: settings },
        hint: /\{ handler = "slot-1", runtime = \{ type = "oci", binary = "crun" \} \}, with the name of the program/,
      },
    ],
  });
  t.notMatch(node.read(crio.ours), /slot-1/);
});

t.test('variants of one shim are handlers of their own, each served without a restart', async (t) => {
  const node = nodeOf(t, newest);
  const systemd = '{ handler = "spin-systemd", containerdRuntimeOptions = { SystemdCgroup = true } }';
  node.write(settings, `[runtime]\nprepare = ["spin", ${systemd}]\n`);
  writeShim(node, 'first');
  await node.once();
  t.equal(restarts(node), 1);
  writeShim(node, 'spin');
  // As a Shim writes it, whose options are all text.
  writeShim(node, 'spin-systemd', 'spin-systemd', '[containerdRuntimeOptions]\nSystemdCgroup = "true"\n');
  t.match(statesOf(await node.once()), { spin: 'served', 'spin-systemd': 'served' });
  t.equal(restarts(node), 1);
  // On the entry without the option it is another table.
  writeShim(node, 'spin', 'spin', '[containerdRuntimeOptions]\nSystemdCgroup = true\n');
  await node.once();
  t.equal(restarts(node), 2);
});

t.test('a link that others put where a prepared handler has none is removed', async (t) => {
  for (const row of [oldest, newest]) {
    const node = await prepared(t, row, 'spin');
    const link = '/opt/rcm-node/shims/spin/containerd-shim-spin';
    mkdirSync(join(node.root, '/opt/rcm-node/shims/spin'), { recursive: true });
    symlinkSync('/bin/sh', join(node.root, link));
    const ticked = await node.once();
    t.match(ticked.did.join('; '), /^remove the link .*\/shims\/spin\/containerd-shim-spin/);
    t.match(statesOf(ticked), { spin: 'prepared' });
    t.notOk(existsSync(join(node.root, link)));
    t.strictSame((await node.once()).did, []);
    t.equal(restarts(node), 0);
  }
});

t.test('a program that says why no Pod starts is put back where its link was taken away', async (t) => {
  const node = await prepared(t, crio, 'spin');
  const link = '/opt/rcm-node/shims/spin/crun';
  node.remove(link);
  await node.once();
  t.equal(readlinkSync(join(node.root, link)), standInLink);
  t.equal(restarts(node), 0);
});

t.test('and it is written anew where it was damaged or taken away, and goes with the last one', async (t) => {
  const node = await prepared(t, crio, 'spin');
  const text = node.read(standInLink);
  t.match(text, /is prepared, and no shim is there/);
  for (const harm of [() => node.write(standInLink, '#!/bin/sh\nexit 0\n'), () => node.remove(standInLink)]) {
    harm();
    await node.once();
    t.equal(node.read(standInLink), text);
    t.strictSame((await node.once()).did, []);
  }
  t.equal(restarts(node), 0);
  prepares(node);
  writeShim(node, 'second');
  await node.once();
  t.equal(node.read(standInLink), undefined);
});

t.test('a handler of others is not prepared', async (t) => {
  const node = nodeOf(t, newest);
  const table = 'plugins."io.containerd.cri.v1.runtime".containerd.runtimes.spin';
  node.write(newest.main, `${newest.text}\n[${table}]\nruntime_type = "io.containerd.spin.v2"\n`);
  node.fake.containerd.restartByOther();
  prepares(node, 'spin');
  writeShim(node, 'first');
  const ticked = await node.once();
  t.strictSame(statesOf(ticked), { first: 'served', spin: 'refused' });
  t.match(ticked.outcome, { kind: 'degraded', problems: [{ code: 'owned-by-another', handler: 'spin' }] });
});

t.test('an entry that changed restarts nothing under Pods, also where the ledger is lost', async (t) => {
  const node = await prepared(t, newest, 'slot-1');
  const text = node.read(newest.ours);
  node.write(
    settings,
    '[runtime]\nprepare = [{ handler = "slot-1", containerdRuntimeOptions = { Memory = "1Gi" } }]\n',
  );
  for (const lost of [false, true]) {
    if (lost) node.remove('/var/lib/rcm-node/ledger.json');
    await node.once();
    await node.once();
    t.equal(restarts(node), 0);
    t.equal(node.read(newest.ours), text);
  }
  writeShim(node, 'second');
  t.match(statesOf(await node.once()), { 'slot-1': 'prepared', second: 'served' });
  t.match(node.read(newest.ours), /1Gi/);
  t.equal(restarts(node), 1);
});
