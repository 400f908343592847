/**
 * What others do to our files while the desired state stays: it is repaired, with as few restarts as possible. Every stop: many
 * whole ticks.
 */
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { keyOf, makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { type Row, rows } from '../../../testbed/simulated/rows.ts';
import { difference, foreign, ours, treeOf } from '../../../testbed/simulated/tree.ts';

const main = '/etc/containerd/config.toml';
const dropIn = '/etc/containerd/conf.d/zz-rcm-node.toml';
const link = '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2';
const minute = 60_000;

const [oldest, newest, crio] = rows as readonly [Row, Row, Row];

const serving = async (t: Test, given: string | Row): Promise<Node> => {
  const row = typeof given === 'string' ? (given.startsWith('1') ? oldest : newest) : given;
  const node = openNode(makeRoot(t), row.meta);
  node.write(row.main, row.text);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  await node.once();
  node.fake.containerd.jobs.length = 0;
  return node;
};

type Drift = readonly [what: string, on: readonly Row[], act: (node: Node, row: Row) => void];

const edit = (node: Node, path: string, from: string | RegExp, to: string): void => {
  const text = node.read(path) ?? '';
  if (text.replace(from, to) === text) throw new Error(`nothing to change in ${path}: ${text}`);
  node.write(path, text.replace(from, to));
};

const linkOf = ({ binary }: Row): string => `/opt/rcm-node/shims/spin-v2/${binary('spin-v2')}`;
const storedOf = ({ binary }: Row): string =>
  `/opt/rcm-node/store/${keyOf('spin-v2', binary('spin-v2'))}/${binary('spin-v2')}`;

const both = ['1.7.24', '2.1.4'];
/** Where our text is a file of its own. */
const withDropIn = [newest, crio];
const drifts: readonly Drift[] = [
  ['our drop-in is changed', withDropIn, (node, { ours, word }) => edit(node, ours, word, 'runtime_typo')],
  ['our drop-in is broken', withDropIn, (node, { ours }) => node.write(ours, '[[[')],
  ['our drop-in is emptied', withDropIn, (node, { ours }) => node.write(ours, '')],
  ['our drop-in is removed', withDropIn, (node, { ours }) => node.remove(ours)],
  ['the whole folder of drop-ins is removed', withDropIn, (node, { ours }) => node.remove(dirname(ours))],
  // CRI-O reads its folder of drop-ins without being told.
  ['the import line is removed', [newest], (node) => edit(node, main, /imports = .*\n/, '')],
  // Only 1.x has it in the file of others.
  [
    'our block is edited',
    [oldest],
    (node) => edit(node, main, 'containerd-shim-spin-v2"', 'containerd-shim-other"'),
  ],
  [
    'our block is removed',
    [oldest],
    (node) => edit(node, main, /# rcm-node begin[\s\S]*# rcm-node end\n/, ''),
  ],
  ['the link is removed', rows, (node, row) => node.remove(linkOf(row))],
  ['the folder of the link is removed', rows, (node) => node.remove('/opt/rcm-node/shims')],
  [
    'the link leads elsewhere',
    rows,
    (node, row) => {
      rmSync(join(node.root, linkOf(row)));
      symlinkSync('/usr/bin/true', join(node.root, linkOf(row)));
    },
  ],
  ['the program is truncated', rows, (node, row) => node.write(storedOf(row), '', 0o755)],
  [
    'the program is changed without its size',
    rows,
    (node, row) => edit(node, storedOf(row), 'spin-v2', 'evil-v2'),
  ],
  ['the program is removed', rows, (node, row) => node.remove(storedOf(row))],
  ['the store is removed', rows, (node) => node.remove('/opt/rcm-node/store')],
  ['everything in /opt is removed', rows, (node) => node.remove('/opt/rcm-node')],
];

for (const [what, on, act] of drifts)
  for (const row of on)
    t.test(`when ${what} it is repaired without a restart (${row.name})`, async (t) => {
      const node = await serving(t, row);
      const before = treeOf(node.root);
      act(node, row);
      const ticked = await node.once();
      t.equal(ticked.outcome.kind, 'converged');
      const { containerd } = node.fake;
      t.strictSame(containerd.jobs, [], 'the daemon has the right thing loaded');
      const after = treeOf(node.root);
      t.strictSame(difference(foreign(before), foreign(after)), {}, 'every byte of the configuration');
      const state = /^\/var\/lib\/rcm-node/;
      t.strictSame(
        Object.keys(difference(ours(before), ours(after))).filter((path) => !state.test(path)),
        [],
        'and of the store',
      );
      t.strictSame((await node.once()).did, []);
      containerd.restartByOther();
      t.ok(containerd.served().includes('spin-v2'));
      await node.uninstall();
      t.equal(node.read(row.main), row.text);
    });

t.test('a foreign edit of the main file is not our change and stays', async (t) => {
  for (const version of both) {
    const node = await serving(t, version);
    const text = `${node.read(main)}\n[metrics]\naddress = "127.0.0.1:1338"\n`;
    node.write(main, text);
    const ticked = await node.once();
    t.equal(ticked.outcome.kind, 'converged');
    t.equal(node.read(main)?.includes('127.0.0.1:1338'), true);
    t.strictSame(node.fake.containerd.jobs, []);
    await node.uninstall();
    t.match(node.read(main), /^# theirs\nversion = \d\n\n\[metrics\]\naddress = "127.0.0.1:1338"\n$/);
  }
});

t.test('after three repairs in an hour it is a write conflict, and the other writer is named', async (t) => {
  const node = await serving(t, '2.1.4');
  const theirs = '# Managed by Puppet\nversion = 3\n';
  for (let round = 1; round <= 3; round++) {
    node.write(main, theirs);
    t.equal((await node.once()).outcome.kind, 'converged', `repair ${round}`);
    node.fake.advance(5 * minute);
  }
  node.write(main, theirs);
  const conflict = await node.once();
  t.match(conflict.outcome, {
    kind: 'degraded',
    problems: [{ code: 'write-conflict', where: { file: main }, message: /Managed by Puppet/ }],
  });
  t.equal(node.read(main), theirs, 'it is left to a person');
  t.strictSame(node.fake.containerd.jobs, []);
  t.match((await node.once()).outcome, { kind: 'degraded' });
  node.fake.advance(61 * minute);
  t.equal((await node.once()).outcome.kind, 'converged', 'an hour later it is tried again');
  t.match(node.read(main), /rcm-node/);
});

t.test('a write conflict over one file does not stop the repair of links', async (t) => {
  const node = await serving(t, '2.1.4');
  for (let round = 1; round <= 4; round++) {
    node.remove(dropIn);
    await node.once();
  }
  t.equal(node.read(dropIn), undefined);
  node.remove(link);
  writeShim(node, 'spin-v2', 'spin-v2-new');
  t.match((await node.once()).outcome, {
    problems: [{ code: 'write-conflict', message: /removed the file again/ }],
  });
});

t.test('a restart by another program is accepted', async (t) => {
  for (const row of rows) {
    const node = await serving(t, row);
    node.fake.containerd.restartByOther();
    t.equal((await node.once()).outcome.kind, 'converged');
    t.strictSame(node.fake.containerd.jobs, []);
    t.strictSame((await node.once()).did, []);
  }
});

t.test(
  'a restart by another program that loaded a changed file of ours is repaired with a restart',
  async (t) => {
    for (const row of withDropIn) {
      const node = await serving(t, row);
      node.remove(row.ours);
      node.fake.containerd.restartByOther();
      t.notOk(node.fake.containerd.served().includes('spin-v2'));
      t.equal((await node.once()).outcome.kind, 'converged');
      t.equal(node.fake.containerd.jobs.length, 1);
      t.ok(node.fake.containerd.served().includes('spin-v2'));
    }
  },
);

t.test('a handler that disappeared from CRI is served again after one restart and its proof', async (t) => {
  for (const row of [oldest, crio]) {
    const node = await serving(t, row);
    const { containerd } = node.fake;
    containerd.forgotten = ['spin-v2'];
    const ticked = await node.once();
    t.strictSame(ticked.did.slice(-2), [`restart ${node.runtime}.service`, 'prove that spin-v2 is served']);
    t.equal(containerd.jobs.length, 1);
    t.equal(ticked.outcome.kind, 'converged');
    t.ok(containerd.served().includes('spin-v2'));
  }
});

t.test('a handler that disappears for good costs one restart and one for the rollback', async (t) => {
  for (const row of withDropIn) {
    const node = await serving(t, row);
    const { containerd } = node.fake;
    const served = containerd.served;
    containerd.served = () => served().filter((name) => name !== 'spin-v2');
    await node.once();
    for (let tick = 0; tick < 20; tick++) {
      node.fake.advance(minute);
      await node.once();
    }
    t.ok(containerd.jobs.length <= 2, `${containerd.jobs.length} restarts in twenty minutes`);
  }
});

t.test(
  'on CRI-O a whole configuration that was printed into a foreign file is recognised by its meaning',
  async (t) => {
    const node = await serving(t, crio);
    const { containerd } = node.fake;
    if (containerd.loaded?.kind !== 'loaded') return t.fail('it is not loaded');
    node.write(crio.main, containerd.loaded.dump);
    t.match(node.read(crio.main), 'container_min_memory = "12MiB"');
    containerd.restartByOther();
    const ticked = await node.once();
    t.equal(ticked.outcome.kind, 'converged');
    t.match(ticked.decision.notes, [{ code: 'copied', handler: 'spin-v2', where: { file: crio.main } }]);
    t.ok(containerd.served().includes('spin-v2'));
    node.write(crio.main, crio.text);
    containerd.restartByOther();
    t.equal((await node.once()).outcome.kind, 'converged');
    t.equal(containerd.jobs.length, 2, 'ours has the monitor that the default handler names, each time');
    t.ok((await node.uninstall()).complete);
    t.equal(node.read(crio.main), crio.text);
  },
);

t.test('on CRI-O, too, three repairs an hour, then it is a write conflict', async (t) => {
  const node = await serving(t, crio);
  for (let round = 1; round <= 3; round++) {
    node.write(crio.ours, '# Managed by Puppet\n');
    t.equal((await node.once()).outcome.kind, 'converged', `repair ${round}`);
    node.fake.advance(5 * minute);
  }
  node.write(crio.ours, '# Managed by Puppet\n');
  t.match((await node.once()).outcome, {
    problems: [{ code: 'write-conflict', where: { file: crio.ours } }],
  });
  t.equal(node.read(crio.ours), '# Managed by Puppet\n', 'it is left to a person');
  t.strictSame(node.fake.containerd.jobs, []);
});

t.test('foreign tables that others removed do not fail our change', async (t) => {
  const node = await serving(t, '2.1.4');
  const theirs = '/etc/containerd/conf.d/nvidia-rcm-node.toml';
  node.write(
    theirs,
    `version = 3\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.nvidia]\nruntime_type = "io.containerd.runc.v2"\n`,
  );
  const { containerd } = node.fake;
  containerd.restartByOther();
  await node.once();
  t.ok(containerd.served().includes('nvidia'));
  node.remove(theirs);
  writeShim(node, 'wws-v1');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(containerd.served(), ['runc', 'spin-v2', 'wws-v1']);
  t.equal(containerd.jobs.length, 1);
});

t.test('a removed drop-in is restored in the same tick in which a handler is removed', async (t) => {
  const node = await serving(t, '2.1.4');
  writeShim(node, 'wws-v1');
  await node.once();
  node.remove(dropIn);
  node.remove('/etc/rcm-node/shims.d/wws-v1.toml');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
});

t.test('when the imports of the main file change, our drop-in moves and leaves nothing behind', async (t) => {
  const lists = {
    none: '',
    site: 'imports = ["/etc/containerd/site/*.toml"]\n',
    both: 'imports = ["/etc/containerd/early/*.toml", "/etc/containerd/site/*.toml"]\n',
    confD: 'imports = ["/etc/containerd/conf.d/*.toml"]\n',
  };
  for (const [from, to] of [
    ['site', 'none'],
    ['none', 'site'],
    ['site', 'both'],
    ['both', 'site'],
    ['none', 'confD'],
    ['confD', 'none'],
  ] as const) {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    node.write(main, `version = 3\n${lists[from]}`);
    node.write('/etc/containerd/site/10-theirs.toml', 'version = 3\n');
    node.write('/etc/containerd/early/10-theirs.toml', 'version = 3\n');
    node.fake.containerd.restartByOther();
    writeShim(node, 'spin-v2');
    await node.once();
    node.write(main, `version = 3\n${lists[to]}`);
    const before = node.fake.containerd.jobs.length;
    t.equal((await node.once()).outcome.kind, 'converged', `${from} to ${to}`);
    t.equal(node.fake.containerd.jobs.length, before);
    const drops = Object.keys(treeOf(node.root)).filter((path) => path.endsWith('/zz-rcm-node.toml'));
    t.equal(drops.length, 1, drops.join(' '));
    t.strictSame((await node.once()).did, []);
    node.fake.containerd.restartByOther();
    t.ok(node.fake.containerd.served().includes('spin-v2'));
    t.ok((await node.uninstall()).complete);
    t.equal(node.read(main), `version = 3\n${lists[to]}`);
    t.strictSame(
      Object.keys(treeOf(node.root)).filter((path) => path.endsWith('/zz-rcm-node.toml')),
      [],
    );
  }
});

t.test('a runtime of another version is checked again, without a restart', async (t) => {
  const node = await serving(t, '2.1.4');
  const tree = treeOf(node.root);
  const upgraded = openNode(node.root, { version: '2.3.1' });
  t.equal((await upgraded.once()).outcome.kind, 'converged');
  t.strictSame(upgraded.fake.containerd.jobs, []);
  t.strictSame(difference(foreign(tree), foreign(treeOf(node.root))), {});
  await upgraded.uninstall();
  t.equal(node.read(main), '# theirs\nversion = 3\n');
});

t.test(
  'an upgrade from 1.7 to 2.1 moves the block to a drop-in, and uninstall still leaves nothing',
  async (t) => {
    const node = await serving(t, '1.7.24');
    const upgraded = openNode(node.root, { version: '2.1.4' });
    t.ok(upgraded.fake.containerd.served().includes('spin-v2'), 'the block is read by 2.x too');
    t.equal((await upgraded.once()).outcome.kind, 'converged');
    t.notMatch(upgraded.read(main), /rcm-node begin/);
    t.match(upgraded.read(dropIn), /spin-v2/);
    t.ok(upgraded.fake.containerd.jobs.length <= 1);
    t.strictSame((await upgraded.once()).did, []);
    await upgraded.uninstall();
    t.equal(node.read(main), '# theirs\nversion = 2\n');
    t.notOk(existsSync(join(node.root, '/etc/containerd/conf.d')));
  },
);

const site = '/etc/site/containerd.toml';
const moves: readonly (readonly [how: string, options: object])[] = [
  ['-c', { execStart: ['/usr/bin/containerd', '-c', site] }],
  [
    'the variable',
    { execStart: ['/usr/bin/containerd', '-c', `\${CONFIG}`], environment: [`CONFIG=${site}`] },
  ],
];

for (const version of both)
  for (const [how, options] of moves)
    for (const found of ['a file', 'nothing'])
      t.test(
        `when ${how} of a ${version} that had ${found} changes, our part moves and the former place is restored`,
        async (t) => {
          const node = openNode(makeRoot(t), { version });
          const theirs = `# theirs\nversion = ${version.startsWith('1') ? 2 : 3}\n`;
          if (found === 'a file') node.write(main, theirs);
          node.write(site, theirs);
          writeShim(node, 'spin-v2');
          const untouched = foreign(treeOf(node.root));
          node.fake.containerd.restartByOther();
          await node.once();
          for (const act of ['a tick', 'uninstall at once'] as const) {
            const moved = openNode(node.root, { version, ...options });
            t.notOk(moved.fake.containerd.served().includes('spin-v2'));
            if (act === 'a tick') {
              t.equal((await moved.once()).outcome.kind, 'converged');
              t.ok(moved.fake.containerd.served().includes('spin-v2'));
              t.equal(moved.fake.containerd.jobs.length, 1);
              t.equal(moved.read(main), found === 'a file' ? theirs : undefined);
              t.equal(moved.read(dropIn), undefined);
              t.notOk(existsSync(join(node.root, '/etc/containerd/conf.d')));
              t.strictSame((await moved.once()).did, []);
              // And back again.
              await openNode(node.root, { version }).once();
              t.equal(moved.read(site), theirs);
              t.notOk(existsSync(join(node.root, '/etc/site/conf.d')));
            } else {
              const gone = await moved.uninstall();
              t.ok(gone.complete);
              t.strictSame(difference(untouched, foreign(treeOf(node.root))), {}, 'every foreign byte');
              t.strictSame(
                gone.left.map(({ path }) => path),
                ['/etc/rcm-node/shims.d'],
              );
            }
          }
        },
      );

t.test('the former place stays unchanged until the new one serves', async (t) => {
  const node = await serving(t, '2.1.4');
  node.write(site, 'version = 3\n');
  const former = [node.read(main), node.read(dropIn)];
  const moved = openNode(node.root, { version: '2.1.4', execStart: ['/usr/bin/containerd', '-c', site] });
  moved.fake.containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'exits' : 'works');
  t.match((await moved.once()).outcome, { kind: 'failed', undone: true });
  await moved.once();
  t.strictSame([node.read(main), node.read(dropIn)], former);
  t.ok((await moved.uninstall()).complete);
  t.equal(node.read(main), '# theirs\nversion = 3\n');
  t.equal(node.read(dropIn), undefined);
});

t.test('foreign changes at the former place stay, and are named', async (t) => {
  const node = await serving(t, '2.1.4');
  node.write(site, 'version = 3\n');
  const moved = openNode(node.root, { version: '2.1.4', execStart: ['/usr/bin/containerd', '-c', site] });
  node.write(dropIn, `${node.read(dropIn)}# and this is mine\n`);
  node.write(main, `${node.read(main)}[[[`);
  const ticked = await moved.once();
  t.equal(ticked.outcome.kind, 'converged');
  t.match(ticked.decision.notes, [
    { code: 'not-ours', where: { file: dropIn } },
    { code: 'not-ours', where: { file: main, line: 4 } },
  ]);
  t.match(node.read(dropIn), /and this is mine/);
  t.strictSame((await moved.once()).did, []);
  const { complete, left } = await moved.uninstall();
  t.ok(complete);
  t.match(left, [{ path: dropIn }, { path: main }, { path: '/etc/rcm-node/shims.d' }]);
  t.match(node.read(dropIn), /and this is mine/);
});
