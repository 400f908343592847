/**
 * Other programs print the configuration anew, or copy what they find in it: ours is known by what it means. Every stop: many
 * whole ticks.
 */
import { existsSync, readlinkSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'smol-toml';
import t, { type Test } from 'tap';
import { isNote } from '../../../cli/print.ts';
import { loadConfig } from '../../../testbed/simulated/runtimes/containerd.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { ours, treeOf } from '../../../testbed/simulated/tree.ts';

const main = '/etc/containerd/config.toml';
const folder = '/etc/containerd/conf.d';
const dropIn = `${folder}/zz-rcm-node.toml`;
const link = '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2';
const v2 = 'io.containerd.grpc.v1.cri';
const v3 = 'io.containerd.cri.v1.runtime';

const foreignMain = {
  '1.7.24': `# theirs\nversion = 2\n\n[plugins."${v2}"]\n  sandbox_image = "pause:1" # remark\n\n[plugins."${v2}".containerd.runtimes.runc]\n  runtime_type = "io.containerd.runc.v2"\n`,
  '2.1.4': '# theirs\nversion = 3\n',
} as const;
type Version = keyof typeof foreignMain;

const serving = async (t: Test, version: Version, text: string | null = foreignMain[version]) => {
  const node = openNode(makeRoot(t), { version });
  if (text !== null) node.write(main, text);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  writeShim(node, 'wws-v1');
  await node.once();
  node.fake.containerd.jobs.length = 0;
  return node;
};

/** As a program does that parses and prints: no comments, keys in order. */
const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, inner]) => [key, sorted(inner)]),
      )
    : value;
const printAnew = (text = ''): string => `${stringify(sorted(parse(text)) as object)}`;

/** As a program does that writes `containerd config dump` back. */
const dumpOf = (node: Node, version: Version): string => {
  const loaded = loadConfig(node.root, main, version, 'dump');
  if (loaded.kind === 'fatal') throw new Error(loaded.why);
  return loaded.dump;
};

/** Nothing is missing that a start of the runtime would look for. */
const servesStill = (t: Test, node: Node): void => {
  const { containerd } = node.fake;
  const target = readlinkSync(join(node.root, link));
  t.ok(existsSync(join(node.root, target)), 'the link leads to its program');
  containerd.restartByOther();
  t.strictSame([...containerd.served()].sort(), ['runc', 'spin-v2', 'wws-v1']);
};

const resaves: Readonly<Record<string, (node: Node) => string>> = {
  'printed anew': (node) => printAnew(node.read(main)),
  'printed anew, with its tables inline': (node) =>
    `version = 2\n[plugins."${v2}"]\nsandbox_image = "pause:1"\n[plugins."${v2}".containerd.runtimes]\nrunc = { runtime_type = "io.containerd.runc.v2" }\nspin-v2 = { runtime_type = "${link}" }\nwws-v1 = { runtime_type = "${link.replaceAll('spin-v2', 'wws-v1')}" }\n${node.read('/none') ?? ''}`,
  'replaced by a dump of itself': (node) => dumpOf(node, '1.7.24'),
  'stripped of its marks alone': (node) =>
    `${(node.read(main) ?? '').replace('# rcm-node begin\n', '').replace('# rcm-node end\n', '')}`,
};

const cases = Object.entries(resaves).flatMap(([what, resave]) =>
  [false, true].map((loads) => ({ what, resave, loads })),
);
for (const { what, resave, loads } of cases)
  t.test(
    `our part in a main file that was ${what}${loads ? ', and loaded,' : ''} is marked again, and served`,
    async (t) => {
      const node = await serving(t, '1.7.24');
      node.write(main, resave(node));
      if (loads) node.fake.containerd.restartByOther();
      const ticked = await node.once();
      t.equal(ticked.outcome.kind, 'converged', JSON.stringify(ticked.outcome));
      t.strictSame(node.fake.containerd.jobs, [], 'what is loaded is right');
      t.match(node.read(main), /# rcm-node begin\n[^#]*spin-v2[^#]*wws-v1[^#]*# rcm-node end\n/);
      t.equal(node.read(main)?.split(link).length, 2, 'once');
      servesStill(t, node);
      t.strictSame((await node.once()).did, []);
      const { complete, left } = await node.uninstall();
      t.ok(complete);
      t.strictSame(
        left.map(({ path }) => path),
        ['/etc/rcm-node/shims.d'],
      );
      t.notMatch(node.read(main), 'rcm-node');
      t.match(parse(node.read(main) ?? ''), { version: 2, plugins: { [v2]: { sandbox_image: 'pause:1' } } });
      t.strictSame(Object.keys(ours(treeOf(node.root))), []);
      node.fake.containerd.restartByOther();
      t.strictSame(node.fake.containerd.served(), ['runc']);
    },
  );

t.test('an uninstall finds a rewritten file, with the ledger or without it', async (t) => {
  for (const forget of [false, true]) {
    const node = await serving(t, '1.7.24');
    node.write(main, printAnew(node.read(main)));
    if (forget) node.remove('/var/lib/rcm-node');
    const { complete } = await node.uninstall();
    t.ok(complete);
    t.notMatch(node.read(main), 'rcm-node');
    t.strictSame(Object.keys(ours(treeOf(node.root))), []);
    t.strictSame(node.fake.containerd.served(), ['runc']);
  }
});

t.test('a file that exists only because of us is removed, however it was rewritten', async (t) => {
  for (const version of ['1.7.24', '2.1.4'] as const) {
    const node = await serving(t, version, null);
    node.write(main, printAnew(node.read(main)));
    if (version === '2.1.4') node.write(dropIn, printAnew(node.read(dropIn)));
    t.equal((await node.once()).outcome.kind, 'converged');
    t.ok((await node.uninstall()).complete);
    t.equal(node.read(main), undefined);
    t.equal(existsSync(join(node.root, folder)), false);
  }
});

t.test('a rewritten drop-in is ours, also where the ledger is lost', async (t) => {
  const node = await serving(t, '2.1.4');
  const text = node.read(dropIn);
  node.write(dropIn, printAnew(text));
  node.remove('/var/lib/rcm-node');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(node.read(dropIn), text);
  node.write(dropIn, `${printAnew(text)}\n[debug]\nlevel = "debug"\n`);
  node.remove('/var/lib/rcm-node');
  t.match((await node.once()).outcome, { kind: 'refused', problem: { code: 'not-ours' } });
  servesStill(t, node);
});

t.test('a file that is printed again and again is no write conflict as long as ours is in it', async (t) => {
  const node = await serving(t, '1.7.24');
  for (let round = 1; round <= 6; round++) {
    node.write(main, printAnew(node.read(main)));
    t.equal((await node.once()).outcome.kind, 'converged', `round ${round}`);
    t.strictSame((await node.once()).did, []);
  }
  t.strictSame(node.fake.containerd.jobs, []);
  servesStill(t, node);
  node.write(main, foreignMain['1.7.24']);
  t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ code: 'write-conflict' }] });
  t.ok((await node.uninstall()).complete);
});

t.test('a form that cannot be marked stays served as it is, and is named', async (t) => {
  const node = await serving(t, '1.7.24');
  const text = `version = 2\nplugins = { "${v2}" = { containerd = { runtimes = { runc = { runtime_type = "io.containerd.runc.v2" }, spin-v2 = { runtime_type = "${link}" }, wws-v1 = { runtime_type = "${link.replaceAll('spin-v2', 'wws-v1')}" } } } } }\n`;
  node.write(main, text);
  t.match((await node.once()).outcome, {
    kind: 'refused',
    problem: { code: 'cannot-splice', where: { file: main, line: 2 } },
  });
  t.equal(node.read(main), text);
  servesStill(t, node);
  t.ok((await node.uninstall()).complete, 'and taken out all the same');
  t.match(node.read(main), /runtimes = \{ runc = \{ [^}]* \} \}/);
});

const handlerTables = (id: string, names: readonly string[], more = ''): string =>
  names
    .map(
      (name) =>
        `[plugins."${id}".containerd.runtimes.${name}]\n${
          name === 'runc'
            ? 'runtime_type = "io.containerd.runc.v2"\n'
            : `runtime_type = "/opt/rcm-node/shims/${name}/containerd-shim-${name}"\n${more}`
        }`,
    )
    .join('');
const all = ['runc', 'spin-v2', 'wws-v1'];

type Copy = {
  readonly version: Version;
  readonly main?: string;
  readonly path: string;
  readonly text: (node: Node) => string;
};

const copies: Readonly<Record<string, Copy>> = {
  'a main file that is a dump of everything': {
    version: '2.1.4',
    path: main,
    text: (node) => dumpOf(node, '2.1.4'),
  },
  'a drop-in of another installer, read before ours': {
    version: '2.1.4',
    main: `version = 3\nimports = ["${folder}/*.toml"]\n`,
    path: `${folder}/99-nvidia.toml`,
    text: () => `version = 3\n${handlerTables(v3, all)}`,
  },
  'a drop-in of another installer that replaces the whole table': {
    version: '1.7.24',
    main: `imports = ["${folder}/*.toml"]\n${foreignMain['1.7.24']}`,
    path: `${folder}/99-nvidia.toml`,
    text: () => `version = 2\n${handlerTables(v2, all)}`,
  },
};

for (const [what, copy] of Object.entries(copies))
  t.test(`our table in ${what} is a copy: named, served, and kept working by an uninstall`, async (t) => {
    const node = await serving(t, copy.version, copy.main ?? foreignMain[copy.version]);
    const { containerd } = node.fake;
    const text = copy.text(node);
    node.write(copy.path, text);
    const ticked = await node.once();
    t.equal(ticked.outcome.kind, 'converged', JSON.stringify(ticked.outcome));
    t.strictSame(
      ticked.decision.handlers.map(({ name, state }) => [name, state]),
      [
        ['spin-v2', 'served'],
        ['wws-v1', 'served'],
      ],
    );
    const line = text.split('\n').findIndex((one) => /runtimes\.spin-v2\]/.test(one)) + 1;
    t.match(
      ticked.decision.notes.find((one) => one.handler === 'spin-v2'),
      { code: 'copied', where: { file: copy.path }, message: /leads to our program/ },
    );
    t.ok(ticked.decision.notes.every(isNote), 'no fault, and said');
    t.strictSame(containerd.jobs, []);
    servesStill(t, node);
    t.strictSame((await node.once()).did, []);

    node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
    await node.once();
    t.match(await node.once(), { outcome: { kind: 'converged' }, did: [] });
    servesStill(t, node);

    const gone = await node.uninstall();
    t.ok(gone.complete);
    const named = gone.left.find(({ path }) => path.startsWith(`${copy.path}:`));
    t.match(named, { why: /leads to our program/ });
    if (copy.path !== main) t.match(gone.left, [{ path: new RegExp(`:${line}:1$`) }]);
    servesStill(t, node);

    node.write(copy.path, stringify(without(parse(node.read(copy.path) ?? ''), all.slice(1)) as object));
    const early = await node.uninstall();
    t.ok(early.complete);
    servesStillLoaded(t, node);
    containerd.restartByOther();
    t.ok((await node.uninstall()).complete);
    t.strictSame(containerd.served(), ['runc']);
    t.strictSame(Object.keys(ours(treeOf(node.root))), []);
  });

/** The document with no table of these names. */
const without = (value: unknown, names: readonly string[]): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .filter(([key]) => !names.includes(key))
          .map(([key, inner]) => [key, without(inner, names)]),
      )
    : value;

const servesStillLoaded = (t: Test, node: Node): void => {
  const target = readlinkSync(join(node.root, link));
  t.ok(existsSync(join(node.root, target)), 'what is loaded keeps its program until a restart');
};

t.test('a link stays while the runtime may have loaded a table that names it', async (t) => {
  const node = await serving(t, '2.1.4');
  const { containerd } = node.fake;
  node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
  t.equal((await node.once({ activate: false })).outcome.kind, 'converged');
  t.notMatch(node.read(dropIn), 'spin-v2');
  servesStillLoaded(t, node);
  t.strictSame((await node.once({ activate: false })).did, []);
  containerd.restartByOther();
  await node.once();
  t.notOk(existsSync(join(node.root, `/opt/rcm-node/shims/spin-v2`)));
  t.match((await node.once()).decision.plan, { kind: 'settled' });
});

t.test('a handler with another name for our program keeps it', async (t) => {
  const node = await serving(t, '2.1.4', `version = 3\nimports = ["${folder}/*.toml"]\n`);
  node.write(
    `${folder}/50-alias.toml`,
    `version = 3\n${handlerTables(v3, all).replace('runtimes.spin-v2', 'runtimes.spin')}`,
  );
  node.fake.containerd.restartByOther();
  node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
  const ticked = await node.once();
  t.match(ticked.decision.notes, [
    { code: 'copied', handler: 'spin' },
    { code: 'copied', handler: 'wws-v1' },
  ]);
  await node.once();
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin', 'wws-v1']);
  servesStillLoaded(t, node);
});

t.test(
  'an older copy that would take precedence is a conflict: it is named, and what is served stays',
  async (t) => {
    const node = await serving(t, '1.7.24', `imports = ["${folder}/*.toml"]\n${foreignMain['1.7.24']}`);
    node.write(`${folder}/99-nvidia.toml`, `version = 2\n${handlerTables(v2, all)}`);
    writeShim(node, 'spin-v2', 'spin-v2', '[containerdRuntimeOptions]\nSystemdCgroup = true\n');
    t.match((await node.once()).outcome, {
      kind: 'refused',
      problem: { code: 'shadowed', handler: 'spin-v2', where: { file: `${folder}/99-nvidia.toml` } },
    });
    servesStill(t, node);
  },
);

t.test('an uninstall leaves no foreign import of our drop-in by its name', async (t) => {
  const node = await serving(t, '2.1.4', `version = 3\nimports = ["${folder}/*.toml"]\n`);
  const text = node.read(main);
  node.write(main, `version = 3\nimports = ["${folder}/*.toml", "conf.d/zz-rcm-node.toml"]\n`);
  t.equal((await node.once()).outcome.kind, 'converged');
  const other = `${folder}/10-other.toml`;
  node.write(other, `version = 3\nimports = ["${dropIn}"]\n`);
  t.match((await node.uninstall()).ticked.outcome, {
    kind: 'refused',
    problem: { code: 'dangling-import', where: { file: other, line: 2 } },
  });
  servesStill(t, node);
  node.remove(other);
  t.ok((await node.uninstall()).complete);
  t.equal(node.read(main), text);
  node.fake.containerd.restartByOther();
  t.strictSame(node.fake.containerd.served(), ['runc']);
});

t.test('a second drop-in of ours that others import by its name stays, as a copy', async (t) => {
  const node = await serving(t, '2.1.4', 'version = 3\nimports = ["/etc/containerd/other.d/*.toml"]\n');
  const copy = '/etc/containerd/extra/zz-rcm-node.toml';
  node.write(copy, node.read('/etc/containerd/other.d/zz-rcm-node.toml') ?? '');
  node.write('/etc/containerd/other.d/10-other.toml', `version = 3\nimports = ["${copy}"]\n`);
  node.fake.containerd.restartByOther();
  const ticked = await node.once();
  t.equal(ticked.outcome.kind, 'converged', JSON.stringify(ticked.outcome));
  t.match(ticked.decision.notes, [{ code: 'copied', where: { file: copy } }, {}]);
  t.strictSame(node.fake.containerd.jobs, [], 'and nothing is restarted without it');
  servesStill(t, node);
});

t.test('a foreign file with the name of our drop-in in another folder stays imported', async (t) => {
  const other = '/srv/other/zz-rcm-node.toml';
  const text = `version = 3\nimports = ["${other}"]\n`;
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(other, 'version = 3\n[debug]\nlevel = "debug"\n');
  node.write(main, text);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.match(node.read(main), `"${other}", `);
  t.ok((await node.uninstall()).complete);
  t.equal(node.read(main), text);
});

t.test('no link to our drop-in, and no link in its place, is left broken', async (t) => {
  for (const down of [false, true])
    for (const [path, target, message] of [
      [`${folder}/00-other.toml`, 'zz-rcm-node.toml', /is a link to/],
      [dropIn, '/srv/other.toml', /a symbolic link to \/srv\/other\.toml/],
    ] as const) {
      const node = await serving(t, '2.1.4', `version = 3\nimports = ["${folder}/*.toml"]\n`);
      const text = node.read(dropIn);
      node.write('/srv/other.toml', text ?? '');
      node.remove(path);
      symlinkSync(target, join(node.root, path));
      t.equal((await node.once()).outcome.kind, 'converged');
      if (down) node.fake.containerd.unit = { ...node.fake.containerd.unit, active: 'inactive', mainPid: 0 };
      t.match((await node.uninstall()).ticked.outcome, {
        kind: 'refused',
        problem: { message, where: { file: path } },
      });
      t.strictSame(node.fake.containerd.jobs, []);
      t.equal(node.read('/srv/other.toml'), text);
      servesStill(t, node);
      node.remove(path);
      t.ok((await node.uninstall()).complete);
    }
});

t.test('a handler that names our program through foreign links keeps it', async (t) => {
  const words = {
    'io.containerd.other.v1': ['/usr/local/bin/containerd-shim-other-v1', link],
    '/srv/other': ['/srv/other', `../opt/rcm-node/shims/../shims/spin-v2/${link.split('/').at(-1)}`],
    '/srv/way/shims/spin-v2/containerd-shim-spin-v2': ['/srv/way', '/opt/rcm-node'],
    '/var/home/rcm-node/shims/spin-v2/containerd-shim-spin-v2': ['/var/home', '/opt'],
  } as const;
  for (const [word, [path, target]] of Object.entries(words))
    for (const gone of [false, true]) {
      const node = await serving(t, '2.1.4', `version = 3\nimports = ["${folder}/*.toml"]\n`);
      const table = `version = 3\n[plugins."${v3}".containerd.runtimes.other]\nruntime_type = "${word}"\n`;
      node.write(`${folder}/50-other.toml`, table);
      node.write(`${path}/../.keep`, '');
      node.remove(path);
      symlinkSync(target, join(node.root, path));
      node.fake.containerd.restartByOther();
      t.match((await node.once()).decision.notes, [{ code: 'copied', handler: 'other' }], word);
      if (gone)
        node.fake.containerd.unit = { ...node.fake.containerd.unit, load: 'not-found', active: 'inactive' };
      const { left } = await node.uninstall();
      t.match(
        left.find((one) => one.open === 'wrong'),
        { path: `${folder}/50-other.toml:2:1` },
        word,
      );
      t.ok(existsSync(join(node.root, readlinkSync(join(node.root, link)))), word);
    }
});

t.test('a table with settings of a person stays unchanged, and so does its program', async (t) => {
  const node = await serving(t, '1.7.24');
  const theirs = `# my own\n[plugins."${v2}".containerd.runtimes.spin-v2]\n  runtime_type = "${link}" # mine\n  base_runtime_spec = "/etc/mine.json"\n`;
  node.write(main, `${foreignMain['1.7.24']}${theirs}`);
  const ticked = await node.once();
  t.match(
    ticked.decision.handlers.find(({ name }) => name === 'spin-v2'),
    { state: 'refused', problem: { code: 'owned-by-another', where: { file: main, line: 10 } } },
  );
  t.match(node.read(main), theirs);
  servesStill(t, node);
  const { complete, left } = await node.uninstall();
  t.ok(complete);
  t.match(
    left.find(({ open }) => open === 'wrong'),
    { path: `${main}:10:1` },
  );
  t.equal(node.read(main), `${foreignMain['1.7.24']}${theirs}`);
  node.fake.containerd.restartByOther();
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
});

t.test('comments of a person on lines of ours stay', async (t) => {
  const node = await serving(t, '1.7.24');
  const text = node.read(main) ?? '';
  node.write(
    main,
    text
      .replace('# rcm-node begin\n', '')
      .replace('# rcm-node end\n', '')
      .replace(`"${link}"\n`, `"${link}" # of ours\n`)
      .replace('runtimes.wws-v1]\n', 'runtimes.wws-v1] # of mine\n'),
  );
  t.equal((await node.once()).outcome.kind, 'converged');
  servesStill(t, node);
  t.ok((await node.uninstall()).complete);
  t.match(node.read(main), /# of ours\n[\s\S]*# of mine\n/u);
  t.notMatch(node.read(main), 'rcm-node');
});
