import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { create } from 'tar';
import t, { type Test } from 'tap';
import { paths } from '../../protocol/host-paths.ts';
import type { Host } from '../../host/host.ts';
import type { Outcome } from '../../daemon/model/outcome.ts';
import { type Problem, problemOf as problemIn } from '../../protocol/problem/problem.ts';
import type { Start } from '../../testbed/simulated/fake/daemon.ts';
import {
  keyOf,
  makeRoot,
  type Node,
  openNode,
  program,
  sha256,
  writeShim,
} from '../../testbed/simulated/node.ts';
import { difference, foreign, treeOf } from '../../testbed/simulated/tree.ts';

const ledger = '/var/lib/rcm-node/ledger.json';
const journal = '/var/lib/rcm-node/journal.json';
const minute = 60_000;

/** A node that serves the shims. */
const serving = async (t: Test, names: readonly string[] = ['spin-v2'], version = '2.1.4'): Promise<Node> => {
  const node = openNode(makeRoot(t), { version });
  for (const name of names) writeShim(node, name);
  await node.once();
  node.fake.containerd.jobs.length = 0;
  return node;
};
const problemsOf = (outcome: Outcome): readonly Problem[] => {
  if (outcome.kind === 'degraded') return outcome.problems;
  if (outcome.kind === 'waiting') return outcome.for;
  return outcome.kind === 'converged' ? [] : [outcome.problem];
};
const refusal = (attempt: Promise<unknown>): Promise<Problem | undefined> =>
  attempt.then(
    () => undefined,
    (error: unknown) => problemIn(error),
  );
const codes = (outcome: Outcome): readonly string[] => problemsOf(outcome).map(({ code }) => code);
const storeOf = (node: Node): readonly string[] =>
  Object.keys(treeOf(node.root))
    .map((path) => /^\/opt\/rcm-node\/store\/([0-9a-f]{64})$/.exec(path)?.[1] ?? '')
    .filter((key) => key !== '');

for (const version of ['1.7.24', '2.1.4'])
  t.test(
    `on ${version} a damaged ledger is set aside, and present files are ours again without a restart`,
    async (t) => {
      const node = await serving(t, ['spin-v2'], version);
      const whole = node.read(ledger) ?? '';
      const before = foreign(treeOf(node.root));
      for (const length of [0, 1, 10, whole.length >> 1, whole.length - 2]) {
        node.write(ledger, whole.slice(0, length), 0o600);
        const first = await node.once();
        t.strictSame(codes(first.outcome), ['state-damaged'], `cut after ${length}: it is told once`);
        const second = await node.once();
        t.equal(second.outcome.kind, 'converged');
        t.strictSame(second.did, []);
        t.strictSame(node.fake.containerd.jobs, [], 'no restart');
        t.strictSame(difference(before, foreign(treeOf(node.root))), {}, 'no byte elsewhere changed');
        const [note] = second.decision.notes;
        t.match(note, { code: 'state-damaged' }, 'and noted until a person removed it');
        t.equal(node.read(note?.where?.file ?? ''), whole.slice(0, length), 'what was found is kept');
        node.remove(note?.where?.file ?? '');
        t.strictSame(Object.keys(JSON.parse(node.read(ledger) ?? '').handlers), ['spin-v2']);
      }
    },
  );

t.test('a damaged journal is set aside, and the plan is made again from the present state', async (t) => {
  const node = await serving(t);
  for (const text of ['', '{', '{"version":1}', '[]', '{"version":1,"at":0,"plan":{"steps":[]}}']) {
    node.write(journal, text, 0o600);
    t.strictSame(codes((await node.once()).outcome), ['state-damaged'], JSON.stringify(text));
    t.equal((await node.once()).outcome.kind, 'converged');
    t.equal(node.read(journal), undefined);
  }
  t.strictSame(node.fake.containerd.jobs, []);
});

t.test('a ledger and a journal that are both damaged still end well', async (t) => {
  const node = await serving(t);
  node.write(ledger, '{"version":1,"handlers":[]}', 0o600);
  node.write(journal, '{"ver', 0o600);
  await node.once();
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.jobs, []);
});

for (const version of ['1.7.24', '2.1.4'])
  t.test(
    `on ${version} a lost state folder costs no restart, and uninstall still finds what is ours`,
    async (t) => {
      const node = openNode(makeRoot(t), { version });
      node.write('/etc/containerd/config.toml', `version = ${version.startsWith('1') ? 2 : 3}\n# theirs`);
      writeShim(node, 'spin-v2');
      node.fake.containerd.restartByOther();
      const before = foreign(treeOf(node.root));
      await node.once();
      node.fake.containerd.jobs.length = 0;
      node.remove('/var/lib/rcm-node');
      const found = await node.once();
      t.equal(found.outcome.kind, 'converged');
      t.strictSame(node.fake.containerd.jobs, []);
      t.strictSame((await node.once()).did, []);
      node.remove('/var/lib/rcm-node');
      const gone = await node.uninstall();
      t.ok(gone.complete);
      const left = difference(before, foreign(treeOf(node.root)));
      // Without the ledger it is not known that the folder is ours; it is empty, and it stays.
      t.strictSame(
        Object.keys(left).filter((path) => path !== '/etc/containerd/conf.d'),
        [],
      );
    },
  );

t.test('state of a newer version stops every change, and is not modified', async (t) => {
  for (const path of [ledger, journal]) {
    const node = await serving(t);
    node.write(path, '{"version": 2, "new": true}', 0o600);
    writeShim(node, 'wws-v1');
    const before = treeOf(node.root);
    t.match(await refusal(node.once()), { code: 'state-newer', where: { file: path } });
    t.strictSame(treeOf(node.root), before);
    t.strictSame(node.fake.containerd.jobs, []);
    t.equal(node.fake.locked, false, 'and the lock is free');
  }
});

t.test(
  'state that a newer release wrote, with what this one does not know, is no damaged state',
  async (t) => {
    const edits: readonly (readonly [path: string, edit: (text: string) => string])[] = [
      [ledger, (text) => text.replace('"file:///srv', '"ipfs:///srv')],
      [ledger, (text) => text.replace('"type": "shim"', '"type": "component"')],
      [ledger, (text) => text.replace(/"kind": "(created|edited)"/, '"kind": "rendered"')],
    ];
    for (const [path, edit] of edits) {
      const node = await serving(t);
      const former = node.read(path) ?? '';
      const newer = edit(former.replace(/"agent": "[^"]*"/, '"agent": "99.2.0"'));
      node.write(path, newer, 0o600);
      writeShim(node, 'wws-v1');
      const before = treeOf(node.root);
      t.match(await refusal(node.once()), { code: 'state-newer', message: /^rcm-node 99\.2\.0 / });
      t.match(await refusal(node.uninstall()), { code: 'state-newer' });
      t.strictSame(difference(before, treeOf(node.root)), {}, 'nothing is written, set aside or restarted');
      t.strictSame(node.fake.containerd.jobs, []);
      t.ok(node.fake.containerd.served().includes('spin-v2'));
      node.write(path, former, 0o600);
      t.equal((await node.once()).outcome.kind, 'converged', 'the newer release goes on');
    }
  },
);

t.test('a second run on the same host is refused while the first holds the lock', async (t) => {
  const node = await serving(t);
  node.fake.locked = true;
  t.match(await refusal(node.once()), { code: 'locked' });
});

t.test('several changes are one restart', async (t) => {
  const node = await serving(t, ['spin-v2', 'wws-v1']);
  node.remove('/etc/rcm-node/shims.d/wws-v1.toml');
  writeShim(node, 'slight-v1');
  writeShim(node, 'spin-v2', 'spin-v2', 'podAnnotations = ["a/*"]\n');
  await node.once();
  t.equal(node.fake.containerd.jobs.length, 1);
  t.strictSame(node.fake.containerd.served(), ['runc', 'slight-v1', 'spin-v2']);
});

t.test('a new version of a shim moves the link and restarts nothing', async (t) => {
  const node = await serving(t);
  const config = node.read('/etc/containerd/conf.d/zz-rcm-node.toml');
  writeShim(node, 'spin-v2', 'spin-v2-new');
  const ticked = await node.once();
  t.equal(ticked.outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.jobs, []);
  t.equal(node.read('/etc/containerd/conf.d/zz-rcm-node.toml'), config);
  t.equal(
    node.read(`/opt/rcm-node/store/${keyOf('spin-v2-new')}/containerd-shim-spin-v2`),
    program('spin-v2-new'),
  );
  t.strictSame(storeOf(node), [keyOf('spin-v2-new')], 'what is unused is removed in the same tick');
});

t.test('the former version stays as long as a sandbox from before the switch exists', async (t) => {
  const node = await serving(t);
  const { containerd } = node.fake;
  containerd.sandboxes = [
    { id: 'old', handler: 'spin-v2' },
    { id: 'other', handler: '' },
  ];
  writeShim(node, 'spin-v2', 'spin-v2-new');
  await node.once();
  const both = [keyOf('spin-v2'), keyOf('spin-v2-new')].sort();
  t.strictSame(storeOf(node), both);
  containerd.sandboxes = [...containerd.sandboxes, { id: 'new', handler: 'spin-v2' }];
  await node.once();
  t.strictSame(storeOf(node), both, 'the old one still lives');
  containerd.sandboxes = containerd.sandboxes.filter(({ id }) => id !== 'old');
  await node.once();
  t.strictSame(storeOf(node), [keyOf('spin-v2-new')], 'a sandbox that came after the switch is no reason');
  t.equal(storeOf(node)[0], keyOf('spin-v2-new'));
});

t.test('the former version stays as long as a process has it mapped, or cannot be read', async (t) => {
  const node = await serving(t);
  const old = `/opt/rcm-node/store/${keyOf('spin-v2')}`;
  node.fake.mapped = [`${old}/containerd-shim-spin-v2`];
  writeShim(node, 'spin-v2', 'spin-v2-new');
  await node.once();
  t.equal(storeOf(node).length, 2);
  node.fake.mapped = [];
  node.fake.mappedComplete = false;
  await node.once();
  t.equal(storeOf(node).length, 2, 'not to know is not to be free');
  node.fake.mappedComplete = true;
  const ticked = await node.once();
  t.strictSame(storeOf(node), [keyOf('spin-v2-new')]);
  t.match(ticked.did, [/^discard /]);
});

t.test('a handler in use is not removed until its last sandbox is gone, unless forced', async (t) => {
  for (const force of [false, true]) {
    const node = await serving(t, ['spin-v2', 'wws-v1']);
    const { containerd } = node.fake;
    containerd.sandboxes = [{ id: 'a', handler: 'spin-v2' }];
    node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
    const ticked = await node.once();
    t.equal(ticked.outcome.kind, 'waiting');
    t.match(problemsOf(ticked.outcome), [
      { code: 'handler-in-use', handler: 'spin-v2', message: /1 sandbox$/ },
    ]);
    t.strictSame(containerd.jobs, []);
    t.ok(containerd.served().includes('spin-v2'));
    if (force) await node.once({ force: true });
    else {
      containerd.sandboxes = [];
      t.equal((await node.once()).outcome.kind, 'converged');
    }
    t.strictSame(containerd.served(), ['runc', 'wws-v1']);
    t.equal(containerd.jobs.length, 1);
  }
});

t.test('a missing or unreadable shims.d removes nothing', async (t) => {
  const node = await serving(t, ['spin-v2', 'wws-v1']);
  node.remove('/etc/rcm-node/shims.d');
  t.match(problemsOf((await node.once()).outcome), [
    { code: 'unreadable-source', where: { file: '/etc/rcm-node/shims.d' } },
  ]);
  node.write('/etc/rcm-node/shims.d', 'a file where the folder was');
  t.strictSame(codes((await node.once()).outcome), ['unreadable-source']);
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2', 'wws-v1']);
  t.strictSame(node.fake.containerd.jobs, []);
  node.remove('/etc/rcm-node/shims.d');
  node.write('/etc/rcm-node/shims.d/empty.txt', '');
  await node.once();
  t.strictSame(node.fake.containerd.served(), ['runc'], 'an empty folder does');
});

t.test('a file that no longer parses keeps its handler, and the other files are applied', async (t) => {
  const node = await serving(t, ['spin-v2', 'wws-v1']);
  node.write('/etc/rcm-node/shims.d/spin-v2.toml', 'name = ');
  node.remove('/etc/rcm-node/shims.d/wws-v1.toml');
  writeShim(node, 'slight-v1');
  const ticked = await node.once();
  t.strictSame(codes(ticked.outcome), ['bad-toml']);
  t.strictSame(node.fake.containerd.served(), ['runc', 'slight-v1', 'spin-v2']);
});

t.test('of two claims on a handler the served one keeps it, whatever the age of the files', async (t) => {
  const node = await serving(t);
  node.write('/srv/artifacts/mine', program('mine'));
  node.write(
    '/etc/rcm-node/shims.d/a-newcomer.toml',
    `name = "x"\nruntimeClass = { handler = "spin-v2" }\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/artifacts/mine"\nsha256 = "${sha256(program('mine'))}"\n`,
  );
  const ticked = await node.once();
  t.match(problemsOf(ticked.outcome), [
    { code: 'handler-claimed', where: { file: '/etc/rcm-node/shims.d/a-newcomer.toml' } },
  ]);
  t.strictSame(storeOf(node), [keyOf('spin-v2')]);
  node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(
    storeOf(node),
    [keyOf('mine', 'containerd-shim-x')],
    'and the other gets it when the first is gone',
  );
});

t.test('after three restarts within an hour the next ones wait, longer each time', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { containerd } = node.fake;
  const names = ['a-v1', 'b-v1', 'c-v1', 'd-v1', 'e-v1'];
  for (const name of names.slice(0, 3)) {
    writeShim(node, name);
    t.equal((await node.once()).outcome.kind, 'converged');
  }
  for (const [index, wait] of [1, 2].entries()) {
    const name = names[3 + index] ?? '';
    writeShim(node, name);
    const before = containerd.jobs.length;
    const held = await node.once();
    t.match(problemsOf(held.outcome), [{ code: 'restart-budget' }], `${name} waits`);
    t.equal(held.outcome.kind, 'waiting');
    t.notOk(containerd.served().includes(name));
    node.fake.advance((wait - 0.5) * minute);
    await node.once();
    t.equal(containerd.jobs.length, before, 'not yet');
    node.fake.advance(0.5 * minute);
    t.equal((await node.once()).outcome.kind, 'converged');
    t.equal(containerd.jobs.length, before + 1);
  }
  writeShim(node, 'f-v1');
  await node.once({ force: true });
  t.ok(containerd.served().includes('f-v1'), 'a person may force it');
});

t.test(
  'an artifact that cannot be downloaded delays no other handler, and is tried again after a pause',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    writeShim(node, 'spin-v2');
    writeShim(node, 'wws-v1');
    node.remove('/srv/artifacts/wws-v1');
    const ticked = await node.once();
    t.match(problemsOf(ticked.outcome), [{ handler: 'wws-v1' }]);
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
    node.write('/srv/artifacts/wws-v1', program('wws-v1'));
    await node.once();
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2'], 'it is not hammered');
    await node.once({ now: true });
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2', 'wws-v1'], 'a person may hurry it');
  },
);

t.test('two shims of one archive have a program each', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const names = ['slight-v1', 'spin-v2'];
  for (const name of names) node.write(`/srv/both/containerd-shim-${name}`, program(name), 0o755);
  const archive = join(node.root, 'srv/artifacts/both.tar');
  create({ file: archive, cwd: join(node.root, 'srv/both'), sync: true }, ['.']);
  const digest = createHash('sha256').update(readFileSync(archive)).digest('hex');
  for (const name of names)
    node.write(
      `/etc/rcm-node/shims.d/${name}.toml`,
      `name = "${name}"\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/artifacts/both.tar"\nsha256 = "${digest}"\n`,
    );
  const ticked = await node.once();
  t.equal(ticked.outcome.kind, 'converged');
  for (const name of names) {
    const { target } = await node.fake.host.files.linkAt(ticked.ledger.handlers[name]?.path ?? '');
    t.equal(node.read(target ?? ''), program(name));
  }
  t.strictSame((await node.once()).did, []);
});

t.test('the only shim of an archive is served with any name, and several are refused', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const archive = join(node.root, 'srv/artifacts/one.tar');
  const pack = () => {
    create({ file: archive, cwd: join(node.root, 'srv/one'), sync: true }, ['.']);
    const digest = createHash('sha256').update(readFileSync(archive)).digest('hex');
    node.write(
      '/etc/rcm-node/shims.d/spin-v2.toml',
      `name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/artifacts/one.tar"\nsha256 = "${digest}"\n`,
    );
  };
  node.write('/srv/one/containerd-shim-spin-v9', program('spin-v9'), 0o755);
  pack();
  const ticked = await node.once();
  t.equal(ticked.outcome.kind, 'converged');
  const { target } = await node.fake.host.files.linkAt(ticked.ledger.handlers['spin-v2']?.path ?? '');
  t.match(target, /\/containerd-shim-spin-v2$/, 'it has the name that is asked for');
  t.equal(node.read(target ?? ''), program('spin-v9'));
  t.strictSame((await node.once()).did, []);

  node.write('/srv/one/containerd-shim-spin-v8', program('spin-v8'), 0o755);
  pack();
  t.match(problemsOf((await node.once()).outcome), [
    {
      code: 'bad-archive',
      message:
        /several shims: .*containerd-shim-spin-v8.*containerd-shim-spin-v9|several shims: .*spin-v9.*spin-v8/,
    },
  ]);
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2'], 'the version in service stays');
});

/** A node whose next restart has to wait, with a shim that needs one. */
const overBudget = async (t: Test): Promise<Node> => {
  const node = await serving(t, ['spin-v2']);
  for (const name of ['a', 'b', 'c']) {
    writeShim(node, name);
    await node.once();
  }
  node.fake.containerd.jobs.length = 0;
  writeShim(node, 'd');
  t.strictSame(codes((await node.once()).outcome), ['restart-budget']);
  return node;
};
const drop = '/etc/containerd/conf.d/zz-rcm-node.toml';

t.test('a version in service stays while the restart that replaces it has to wait', async (t) => {
  const node = await overBudget(t);
  writeShim(node, 'spin-v2', 'spin-v2-new', 'podAnnotations = ["x/*"]\n');
  t.strictSame(codes((await node.once()).outcome), ['restart-budget']);
  t.ok(storeOf(node).includes(keyOf('spin-v2')), 'its link is the one that containerd follows');
  node.fake.advance(30 * minute);
  t.equal((await node.once()).outcome.kind, 'converged');
  t.notOk(storeOf(node).includes(keyOf('spin-v2')));
});

t.test('a new version needs no restart, so it does not wait for one', async (t) => {
  const node = await overBudget(t);
  writeShim(node, 'spin-v2', 'spin-v2-new');
  const ticked = await node.once();
  t.strictSame(codes(ticked.outcome), ['restart-budget']);
  t.match(ticked.did.join('\n'), /point spin-v2 to/);
  t.strictSame(node.fake.containerd.jobs, []);
  t.notOk(node.fake.containerd.served().includes('d'));
});

t.test('files and links are repaired while a restart has to wait', async (t) => {
  const node = await overBudget(t);
  const whole = node.read(drop) ?? '';
  const link = '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2';
  for (const damage of [
    () => node.remove(drop),
    () => node.write(drop, whole.replace('runtime_type', 'snapshotter = "native"\nruntime_type')),
    () => node.remove(link),
  ]) {
    damage();
    const ticked = await node.once();
    t.strictSame(codes(ticked.outcome), ['restart-budget']);
    t.equal(node.read(drop), whole, 'as it is loaded, without the one that waits');
    t.ok(treeOf(node.root)[link]);
    t.strictSame(node.fake.containerd.jobs, []);
  }
  node.fake.advance(minute);
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(node.fake.containerd.jobs.length, 1);
  t.ok(node.fake.containerd.served().includes('d'));
});

t.test(
  'a foreign change that was loaded is corrected in the files, and loaded again when a restart is allowed',
  async (t) => {
    const node = await overBudget(t);
    const whole = node.read(drop) ?? '';
    node.remove('/etc/rcm-node/shims.d/d.toml');
    node.write(drop, whole.replace('runtime_type', 'snapshotter = "native"\nruntime_type'));
    node.fake.containerd.restartByOther();
    t.strictSame(codes((await node.once()).outcome), ['restart-budget']);
    t.equal(node.read(drop), whole);
    t.strictSame(
      codes((await node.once()).outcome),
      ['restart-budget'],
      'the runtime still runs with theirs',
    );
    t.strictSame(node.fake.containerd.jobs, []);
    node.fake.advance(minute);
    t.equal((await node.once()).outcome.kind, 'converged');
    t.equal(node.fake.containerd.jobs.length, 1);
  },
);

t.test('a failed revision delays no repair, and stays recorded', async (t) => {
  const node = await serving(t, ['spin-v2']);
  node.fake.containerd.behaves = (handlers) => (handlers.includes('d') ? 'exits' : 'works');
  writeShim(node, 'd');
  t.match((await node.once()).outcome, { kind: 'failed', undone: true });
  const whole = node.read(drop) ?? '';
  node.fake.containerd.jobs.length = 0;
  node.remove(drop);
  t.strictSame(codes((await node.once()).outcome), ['known-bad', 'known-bad']);
  t.equal(node.read(drop), whole);
  const again = await node.once();
  t.strictSame(codes(again.outcome), ['known-bad', 'known-bad']);
  t.strictSame(again.did, []);
  t.strictSame(node.fake.containerd.jobs, []);
});

t.test('the number of immediate restarts is a setting', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write('/etc/rcm-node/config.toml', 'restartsPerHour = 1\n');
  writeShim(node, 'a');
  t.equal((await node.once()).outcome.kind, 'converged');
  writeShim(node, 'b');
  t.strictSame(codes((await node.once()).outcome), ['restart-budget']);
  node.write('/etc/rcm-node/config.toml', 'restartsPerHour = 60\n');
  t.equal((await node.once()).outcome.kind, 'converged');
});

t.test('a change of the host during a long download is seen before the restart', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const main = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n';
  const kata = `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.kata]\nruntime_type = "io.containerd.kata.v2"\n`;
  node.write('/etc/containerd/config.toml', main + kata);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  const { host } = node.fake;
  const slow: Host = {
    ...host,
    download: async (...given) => {
      node.write('/etc/containerd/config.toml', main);
      node.fake.containerd.restartByOther();
      return host.download(...given);
    },
  };
  const ticked = await node.once({}, slow);
  t.equal(ticked.outcome.kind, 'converged', 'a handler that its owner removed meanwhile was not lost by us');
  t.equal(node.fake.containerd.jobs.length, 1);
});

t.test('a program that does not run here is never named in the configuration', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const text = '#!/bin/sh\n# broken\n';
  writeShim(node, 'spin-v2');
  node.write('/srv/artifacts/spin-v2', text);
  node.write(
    '/etc/rcm-node/shims.d/spin-v2.toml',
    (node.read('/etc/rcm-node/shims.d/spin-v2.toml') ?? '').replace(sha256(program('spin-v2')), sha256(text)),
  );
  const ticked = await node.once();
  t.match(problemsOf(ticked.outcome), [{ code: 'will-not-run', handler: 'spin-v2' }]);
  t.strictSame(node.fake.containerd.jobs, []);
  t.strictSame(storeOf(node), []);
  t.equal(node.read('/etc/containerd/config.toml'), undefined);
});

t.test(
  'a digest trusted on first use is recorded, and another file at that address is refused',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    node.write('/etc/rcm-node/config.toml', 'allowUnpinned = true\n');
    node.write('/srv/artifacts/spin-v2', program('spin-v2'));
    node.write(
      '/etc/rcm-node/shims.d/spin-v2.toml',
      'name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "file:///srv/artifacts/spin-v2"\n',
    );
    const ticked = await node.once();
    t.equal(ticked.outcome.kind, 'converged');
    t.equal(ticked.ledger.trusted['file:///srv/artifacts/spin-v2'], sha256(program('spin-v2')));
    t.equal(node.fake.containerd.jobs.length, 1);
    node.write('/srv/artifacts/spin-v2', program('evil'));
    node.remove(`/opt/rcm-node/store/${keyOf('spin-v2')}`);
    await node.once();
    t.notOk(storeOf(node).includes(keyOf('evil')));
  },
);

t.test('without activation everything is prepared for the first start', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  t.equal((await node.once({ activate: false })).outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.jobs, []);
  node.fake.containerd.restartByOther();
  t.ok(node.fake.containerd.served().includes('spin-v2'));
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.jobs, [], 'and its first start is taken as it is');
});

t.test('a restart waits for containers that are being created, but not for ever', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { containerd } = node.fake;
  containerd.containers = [{ id: 'c', sandbox: 's', state: 'created' }];
  writeShim(node, 'spin-v2');
  await node.once();
  const at = Number(containerd.jobs[0]?.split(' ')[1]);
  t.ok(at >= 30_000 && at < 32_000, `restarted after ${at} ms`);
  t.ok(
    node.fake.lines.some((line) =>
      /^warn: restarting after .* without a quiet moment: containers are being created/.test(line),
    ),
  );
});

t.test('`rcm-node plan` during a tick does not disturb the tick', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  const { host } = node.fake;
  const looked: string[] = [];
  const beside: Host = {
    ...host,
    tools: {
      run: async (argv, options) => {
        if (argv.includes('dump') && looked.length === 0) {
          looked.push('begins');
          const { decision } = await node.plan();
          looked.push(decision.plan.kind);
        }
        return host.tools.run(argv, options);
      },
    },
  };
  node.write('/etc/containerd/config.toml', 'version = 3\n');
  t.equal((await node.once({}, beside)).outcome.kind, 'converged');
  t.strictSame(looked, ['begins', 'steps']);
  t.strictSame(await host.files.names(paths.trials), [], 'and neither leaves anything behind');
});

t.test('a trial of a killed plan is removed an hour later, one in progress is not', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const now = node.fake.host.clock.now();
  for (const at of [now - 3_600_000, now - 60_000, now + 7_200_000])
    node.write(`${paths.trials}/${at}-0123456789ab/after/config.toml`, 'secret = "x"\n');
  node.write(`${paths.trials}/0123456789abcdef/after/config.toml`, '');
  await node.once();
  t.strictSame(await node.fake.host.files.names(paths.trials), [`${now - 60_000}-0123456789ab`]);
});

t.test(
  'an artifact that is redirected past allowedHosts is denied by name, and allowed by a setting',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    const serve = async (answer: RequestListener): Promise<number> => {
      const server = createServer(answer).listen(0, '127.0.0.1');
      t.teardown(() => server.close());
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    };
    const end = await serve((_, response) => response.end(program('spin-v2')));
    const start = await serve((_, response) => {
      response.writeHead(302, { location: `http://localhost:${end}/x` }).end();
    });
    node.write(
      '/etc/rcm-node/shims.d/spin-v2.toml',
      `name = "spin-v2"\n[fetchStrategy.anonHttp]\nlocation = "http://127.0.0.1:${start}/x"\nsha256 = "${sha256(program('spin-v2'))}"\n`,
    );
    node.write('/etc/rcm-node/config.toml', 'allowedHosts = ["127.0.0.1"]\n');
    t.match(problemsOf((await node.once()).outcome), [
      { code: 'policy-denied', handler: 'spin-v2', message: /redirects to the host "localhost"/ },
    ]);
    node.write('/etc/rcm-node/config.toml', 'allowedHosts = ["127.0.0.1", "localhost"]\n');
    node.fake.advance(1000);
    t.equal((await node.once({ now: true })).outcome.kind, 'converged');
  },
);

/** A node that serves two shims, with a third on its way for as long as the test wants. */
const fetching = async (t: Test) => {
  const node = await serving(t, ['spin-v2', 'wws-v1']);
  writeShim(node, 'slight-v1');
  const hold = Promise.withResolvers<void>();
  const { host } = node.fake;
  const slow: Host = {
    ...host,
    download: async (...given) => {
      await hold.promise;
      return host.download(...given);
    },
    clock: {
      ...host.clock,
      within: async (work, ms) => {
        const over = await host.clock.within(work, ms);
        if (node.fake.slow === 0) hold.resolve();
        return over;
      },
    },
  };
  return { node, slow };
};

t.test('drift during a download is repaired without waiting for it', async (t) => {
  const { node, slow } = await fetching(t);
  const link = '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2';
  const seen: boolean[] = [];
  node.remove('/opt/rcm-node/shims/spin-v2');
  node.fake.slow = 3;
  const ticked = await node.once(
    {},
    {
      ...slow,
      download: async (...given) => {
        const result = await slow.download(...given);
        seen.push((await node.fake.host.files.linkAt(link)).target !== null);
        return result;
      },
    },
  );
  t.strictSame(seen, [true]);
  t.equal(ticked.outcome.kind, 'converged');
  t.equal(node.fake.containerd.jobs.length, 1);
  t.strictSame(node.fake.containerd.served(), ['runc', 'slight-v1', 'spin-v2', 'wws-v1']);
});

t.test('a removal shares its restart with a short download, and does not wait for a long one', async (t) => {
  for (const [looks, restarts] of [
    [5, 1],
    [30, 2],
  ] as const) {
    const { node, slow } = await fetching(t);
    const { containerd } = node.fake;
    node.remove('/etc/rcm-node/shims.d/wws-v1.toml');
    node.fake.slow = looks;
    const begun = node.fake.host.clock.elapsed();
    const ticked = await node.once({}, slow);
    t.equal(ticked.outcome.kind, 'converged');
    t.strictSame(containerd.served(), ['runc', 'slight-v1', 'spin-v2']);
    t.equal(containerd.jobs.length, restarts, `${looks * 10} s`);
    if (restarts === 2) t.ok(Number(containerd.jobs[0]?.split(' ')[1]) - begun < 100_000);
    t.strictSame((await node.once()).did, []);
  }
});

t.test('a shim file added and one removed during a download are both applied', async (t) => {
  const { node, slow } = await fetching(t);
  node.fake.slow = 12;
  const { within } = slow.clock;
  const moments: string[] = [];
  const host: Host = {
    ...slow,
    clock: {
      ...slow.clock,
      within: async (work, ms) => {
        if (node.fake.slow === 11) node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
        // The proof of the new one waits, too.
        if (node.fake.slow > 0) moments.push(node.fake.containerd.served().join());
        return within(work, ms);
      },
    },
  };
  t.equal((await node.once({}, host)).outcome.kind, 'converged');
  t.equal(moments.at(-1), 'runc,wws-v1', 'gone before the download was over');
  t.strictSame(node.fake.containerd.served(), ['runc', 'slight-v1', 'wws-v1']);
});

t.test('a failed download beside other work keeps its count', async (t) => {
  const { node, slow } = await fetching(t);
  node.remove('/srv/artifacts/slight-v1');
  for (const count of [1, 2]) {
    node.remove('/opt/rcm-node/shims/spin-v2');
    node.fake.slow = 2;
    const ticked = await node.once({}, slow);
    t.match(problemsOf(ticked.outcome), [
      { handler: 'slight-v1', message: count > 1 ? /\(failed 2 times\)$/ : /(?<!times\))$/ },
    ]);
    node.fake.advance(minute);
  }
});

/** A node that boots from an image into which a shim was put. */
const booted = async (t: Test, version: string, how: Start, without: Start = 'works'): Promise<Node> => {
  const node = openNode(makeRoot(t), { version });
  node.write('/etc/containerd/config.toml', `version = ${version.startsWith('1') ? 2 : 3}\n# theirs\n`);
  writeShim(node, 'spin-v2');
  await node.once({ activate: false });
  node.fake.containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? how : without);
  node.fake.containerd.restartByOther();
  return node;
};
const configuration = (node: Node): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(treeOf(node.root)).filter(([path]) => path.startsWith('/etc/containerd')),
  );

for (const version of ['1.7.24', '2.1.4'])
  for (const how of ['exits', 'fails', 'no-cri', 'not-ready'] as const)
    t.test(`an image whose ${version} does not start with our part (${how}) starts without it`, async (t) => {
      const bare = openNode(makeRoot(t), { version });
      bare.write('/etc/containerd/config.toml', `version = ${version.startsWith('1') ? 2 : 3}\n# theirs\n`);
      const node = await booted(t, version, how);
      // What systemd tries again has been tried once by the next observation.
      node.fake.advance(6000);
      const ticked = await node.once();
      t.match(ticked.outcome, { kind: 'failed', undone: true });
      t.strictSame(node.fake.containerd.served(), ['runc']);
      t.equal(node.fake.containerd.jobs.length, 1, 'one restart, without ours');
      t.strictSame(Object.keys(configuration(node)), Object.keys(configuration(bare)));
      t.equal(node.read('/etc/containerd/config.toml'), bare.read('/etc/containerd/config.toml'));
      t.strictSame(codes((await node.once()).outcome), ['known-bad', 'known-bad'], 'and it is left alone');
      t.equal(node.fake.containerd.jobs.length, 1);
      node.fake.containerd.behaves = () => 'works';
      writeShim(node, 'spin-v2', 'spin-v2', 'podAnnotations = ["fixed/*"]\n');
      t.equal((await node.once()).outcome.kind, 'converged', 'until it changes');
      t.ok((await node.uninstall()).complete);
      t.strictSame(Object.keys(configuration(node)), Object.keys(configuration(bare)));
    });

t.test('a slow first start, or one that was proven before, is not disturbed', async (t) => {
  const slow = await booted(t, '2.1.4', { slow: 40_000 });
  t.match((await slow.once()).outcome, { kind: 'refused', problem: { message: /activating/ } });
  slow.fake.advance(40_000);
  t.equal((await slow.once()).outcome.kind, 'converged');
  t.strictSame(slow.fake.containerd.jobs, []);

  const late = await booted(t, '2.1.4', 'no-cri');
  const { host, containerd } = late.fake;
  const patient: Host = {
    ...host,
    clock: {
      ...host.clock,
      sleep: async (ms) => {
        await host.clock.sleep(ms);
        if (host.clock.elapsed() > 20_000 && containerd.loaded?.kind === 'loaded')
          containerd.loaded = { ...containerd.loaded, criFault: undefined };
      },
    },
  };
  t.equal((await late.once({}, patient)).outcome.kind, 'converged', 'CRI that comes late is waited for');
  t.strictSame(containerd.jobs, []);
  t.ok(containerd.served().includes('spin-v2'));

  const proven = await serving(t);
  proven.fake.containerd.behaves = () => 'no-cri';
  proven.fake.containerd.restartByOther();
  t.match((await proven.once()).outcome, { kind: 'refused', problem: { code: 'runtime-unreachable' } });
  t.strictSame(proven.fake.containerd.jobs, []);
});

t.test('a shim added after the image was made is served once the first start is proven', async (t) => {
  const node = await booted(t, '2.1.4', 'no-cri');
  writeShim(node, 'wws-v1');
  const { host, containerd } = node.fake;
  const patient: Host = {
    ...host,
    clock: {
      ...host.clock,
      sleep: async (ms) => {
        await host.clock.sleep(ms);
        if (containerd.jobs.length === 0 && containerd.loaded?.kind === 'loaded')
          containerd.loaded = { ...containerd.loaded, criFault: undefined };
        containerd.behaves = () => 'works';
      },
    },
  };
  t.equal((await node.once({}, patient)).outcome.kind, 'converged');
  t.strictSame(containerd.served(), ['runc', 'spin-v2', 'wws-v1']);
  t.equal(containerd.jobs.length, 1);
});

t.test('observations during a download do not read the whole store again', async (t) => {
  const reads: number[] = [];
  for (const looks of [1, 4]) {
    const { node, slow } = await fetching(t);
    const count = { reads: 0 };
    node.fake.slow = looks;
    const { digest } = slow.files;
    const counting = (path: string) => {
      count.reads += 1;
      return digest(path);
    };
    await node.once({ deep: true }, { ...slow, files: { ...slow.files, digest: counting } });
    reads.push(count.reads);
  }
  t.ok((reads[0] ?? 0) > 0);
  t.equal(reads[0], reads[1]);
});

t.test('Shims of the cluster are served, unless the settings say that there is no cluster', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const location = 'https://example.com/spin';
  const spec = { fetchStrategy: { anonHttp: { location, sha256: 'ab'.repeat(32) } } };
  const shims = [{ metadata: { name: 'spin' }, spec }];
  node.write('/var/lib/rcm-node/cluster.json', JSON.stringify({ version: 1, node: 'n', shims }));
  t.match((await node.plan()).desired.handlers, [{ name: 'spin' }]);
  node.write('/etc/rcm-node/config.toml', '[cluster]\nidentity = "none"\n');
  t.same((await node.plan()).desired.handlers, []);
});

t.test('nothing is done in folders of ours that others can write, and served handlers stay', async (t) => {
  const node = await serving(t);
  writeShim(node, 'wws');
  for (const path of ['/opt', '/opt/rcm-node', '/var/lib/rcm-node', '/run/rcm-node']) {
    chmodSync(join(node.root, path), 0o777);
    t.match(await node.once().catch(problemIn), { code: 'untrusted', message: /has mode 0777/ }, path);
    chmodSync(join(node.root, path), 0o755);
  }
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  await node.once();
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2', 'wws']);
});

t.test('the journal has the Pods that a restart may end, before the restart', async (t) => {
  const node = await serving(t);
  node.fake.containerd.sandboxes = [{ id: 'a', handler: 'spin-v2' }];
  writeShim(node, 'wasmtime');
  const from = node.fake.lines.length;
  await node.once();
  const lines = node.fake.lines.slice(from).join('\n');
  t.match(
    lines,
    /plan: .*restart(.|\n)*warn: the restart of containerd.service may end running Pods \(spin-v2: 1\)/,
  );
  t.notMatch(lines, /may end running Pods(.|\n)*may end running Pods/, 'once');
});
