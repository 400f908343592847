/** Others changed or removed the text of prepared handlers, and made the runtime read it: it is not restarted for that under Pods. */
import t, { type Test } from 'tap';
import { type Node, writeShim } from '../../../testbed/simulated/node.ts';
import { type Row, rows } from '../../../testbed/simulated/rows.ts';
import { busy, crio, isLinked, newest, prepares, restarts, statesOf } from './setup.ts';

type Harm = (node: Node, row: Row) => void;

const textOf = (node: Node, { ours }: Row): string => node.read(ours) ?? '';
/** With the tables in it. */
const first = /^\[[^\]\n]*runtimes\.slot-1[^\]\n]*\]\n(?:\w.*\n)+\n?/gm;

const harms: Readonly<Record<string, Harm>> = {
  'removed the table': (node, row) => node.write(row.ours, textOf(node, row).replace(first, '')),
  'changed the table': (node, row) =>
    node.write(row.ours, textOf(node, row).replace('/shims/slot-1/', '/shims/slip/')),
  'removed all tables': (node, row) =>
    row.ours === row.main ? node.write(row.main, row.text) : node.remove(row.ours),
};

const readings: Readonly<Record<string, (node: Node) => void>> = {
  restarted: (node) => node.fake.containerd.restartByOther(),
  reloaded: (node) => node.fake.containerd.reloadByOther(),
};

const staysQuiet = async (t: Test, node: Node, states: Readonly<Record<string, string>>): Promise<void> => {
  for (const _ of [1, 2, 3]) {
    const { outcome, decision } = await node.once();
    t.strictSame(statesOf({ decision }), states);
    const pending = Object.keys(states).filter((name) => states[name] === 'pending');
    t.match(
      decision.notes.map(({ code, message }) => `${code}: ${message.replace(/.*: /, '')}`),
      pending.length === 0 ? [] : [`not-prepared: ${pending.join(', ')}`],
    );
    t.equal(outcome.kind, 'converged');
  }
  t.strictSame((await node.once()).did, []);
  t.equal(restarts(node), 0);
};

const goesAlong = async (t: Test, node: Node, row: Row, prepared: readonly string[]): Promise<void> => {
  writeShim(node, 'other');
  const states = Object.fromEntries(prepared.map((name) => [name, 'prepared']));
  t.strictSame(statesOf(await node.once()), { other: 'served', ...states });
  t.equal(restarts(node), 1);
  t.equal(/slot-1/.test(textOf(node, row)), prepared.includes('slot-1'));
  t.notMatch(textOf(node, row), /slip/);
  t.strictSame((await node.once()).did, []);
};

for (const row of rows)
  for (const [how, read] of Object.entries(readings)) {
    if (how === 'reloaded' && row !== crio) continue;
    for (const [what, harm] of Object.entries(harms)) {
      // Of the entries that the settings still have. A single table leaves the other one as it is.
      const rest = what === 'removed all tables' ? 'pending' : 'prepared';

      t.test(`others ${what} of a prepared handler, and ${how} ${row.name}`, async (t) => {
        const node = await busy(t, row, 'slot-1', 'slot-2');
        harm(node, row);
        read(node);
        await staysQuiet(t, node, { 'slot-1': 'pending', 'slot-2': rest });
        await goesAlong(t, node, row, ['slot-1', 'slot-2']);
      });

      t.test(`others ${what} of an entry that was taken out, and ${how} ${row.name}`, async (t) => {
        const node = await busy(t, row, 'slot-1', 'slot-2');
        prepares(node, 'slot-2');
        harm(node, row);
        read(node);
        await staysQuiet(t, node, { 'slot-2': rest });
        await goesAlong(t, node, row, ['slot-2']);
      });

      t.test(`an uninstall after others ${what}, and ${how} ${row.name}`, async (t) => {
        const node = await busy(t, row, 'slot-1');
        harm(node, row);
        read(node);
        await node.once();
        const isLoaded = node.fake.containerd.served().includes('slot-1');
        t.ok((await node.uninstall()).complete);
        t.equal(restarts(node), isLoaded ? 1 : 0);
        t.strictSame(node.fake.containerd.served(), [row.usual]);
      });

      t.test(`a shim asks for it after others ${what} and ${how} ${row.name}`, async (t) => {
        const node = await busy(t, row, 'slot-1', 'slot-2');
        harm(node, row);
        read(node);
        await node.once();
        writeShim(node, 'slot-1');
        t.strictSame(statesOf(await node.once()), { 'slot-1': 'served', 'slot-2': 'prepared' });
        t.ok(isLinked(node, 'slot-1'));
        t.equal(restarts(node), 1, 'its table was not loaded');
        t.notMatch(textOf(node, row), /slip/);
      });
    }

    t.test(`others put a table back after they ${how} ${row.name} without it`, async (t) => {
      const node = await busy(t, row, 'slot-1', 'slot-2');
      const text = textOf(node, row);
      harms['removed the table']?.(node, row);
      read(node);
      await staysQuiet(t, node, { 'slot-1': 'pending', 'slot-2': 'prepared' });
      node.write(row.ours, text);
      await staysQuiet(t, node, { 'slot-1': 'pending', 'slot-2': 'prepared' });
      read(node);
      // What CRI-O lists after a SIGHUP is no proof that a Pod starts with it.
      const state = how === 'reloaded' ? 'pending' : 'prepared';
      await staysQuiet(t, node, { 'slot-1': state, 'slot-2': 'prepared' });
    });
  }

t.test('an import that leads to nothing any more goes, without a restart', async (t) => {
  const node = await busy(t, newest, 'slot-1');
  t.match(node.read(newest.main), /imports/);
  node.remove(newest.ours);
  node.fake.containerd.restartByOther();
  await staysQuiet(t, node, { 'slot-1': 'pending' });
  t.equal(node.read(newest.main), newest.text);
  await goesAlong(t, node, newest, ['slot-1']);
});

t.test('options of the default handler, which prepared ones follow, restart nothing for these', async (t) => {
  for (const isRestarted of [false, true]) {
    const node = await busy(t, newest, 'slot-1');
    const text = node.read(newest.ours);
    const place = 'plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc';
    const options = `[${place}]\nruntime_type = "io.containerd.runc.v2"\n[${place}.options]\nSystemdCgroup = true\n`;
    node.write(newest.main, `${node.read(newest.main)}\n${options}`);
    if (isRestarted) node.fake.containerd.restartByOther();
    await staysQuiet(t, node, statesOf(await node.once()));
    t.equal(node.read(newest.ours), text);
  }
});

t.test('CRI-O without Pods is restarted for entries of the settings, and for nothing else', async (t) => {
  for (const [asked, count] of [
    [['slot-1', 'slot-2'], 1],
    [['slot-2'], 0],
  ] as const) {
    const node = await busy(t, crio, 'slot-1', 'slot-2');
    prepares(node, ...asked);
    harms['removed the table']?.(node, crio);
    node.fake.containerd.reloadByOther();
    node.fake.containerd.sandboxes = [];
    t.strictSame(statesOf(await node.once()), Object.fromEntries(asked.map((name) => [name, 'prepared'])));
    t.strictSame((await node.once()).did, []);
    t.equal(restarts(node), count);
  }
});

t.test('what others wrote in its place goes where no Pod runs', async (t) => {
  for (const asked of [['slot-1'], []]) {
    const node = await busy(t, newest, 'slot-1');
    prepares(node, ...asked);
    harms['changed the table']?.(node, newest);
    node.fake.containerd.restartByOther();
    await node.once();
    t.equal(restarts(node), 0);
    node.fake.containerd.sandboxes = [];
    t.strictSame(statesOf(await node.once()), Object.fromEntries(asked.map((name) => [name, 'prepared'])));
    t.equal(restarts(node), 1);
    t.strictSame(node.fake.containerd.served(), ['runc', ...asked]);
    t.strictSame((await node.once()).did, []);
  }
});

t.test(
  'what others wrote in its place, and removed again, stays loaded until the next restart',
  async (t) => {
    for (const end of ['change', 'uninstall']) {
      const node = await busy(t, newest, 'slot-1');
      harms['changed the table']?.(node, newest);
      node.fake.containerd.restartByOther();
      await node.once();
      harms['removed the table']?.(node, newest);
      await staysQuiet(t, node, { 'slot-1': 'pending' });
      if (end === 'change') await goesAlong(t, node, newest, ['slot-1']);
      else t.ok((await node.uninstall()).complete);
      t.equal(restarts(node), 1);
      t.equal(node.fake.containerd.served().includes('slot-1'), end === 'change');
    }
  },
);

t.test('CRI-O is restarted where others took away the table of a shim, too', async (t) => {
  const node = await busy(t, crio, 'slot-1');
  writeShim(node, 'slot-1');
  await node.once();
  t.equal(restarts(node), 0);
  node.remove(crio.ours);
  node.fake.containerd.reloadByOther();
  t.strictSame(statesOf(await node.once()), { 'slot-1': 'served' });
  t.equal(restarts(node), 1);
  node.remove(crio.ours);
  node.fake.containerd.reloadByOther();
  t.ok((await node.uninstall()).complete);
  t.equal(restarts(node), 2, 'it has the handler until then');
});
