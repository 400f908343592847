/**
 * What happens on hosts of distributions that make the main file themselves, after the installation: others change our text, the
 * distribution is upgraded, and nothing is lost, changed by half, or restarted for nothing.
 */
import { existsSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { standIn } from '../../../testbed/simulated/runtimes/rendering.ts';
import { metaOf, type Node, openCase, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { withWatched } from '../../../daemon/reconcile/proof/watched.ts';
import { difference, foreign, treeOf } from '../../../testbed/simulated/tree.ts';

const etc = '/var/lib/rancher/k3s/agent/etc/containerd';
const v3 = `${etc}/config-v3.toml.tmpl`;
const v2 = `${etc}/config.toml.tmpl`;
const folder = `${etc}/config-v3.toml.d`;
const drop = `${folder}/zz-rcm-node.toml`;

const installed = async (t: Test, name: string): Promise<Node> => {
  const node = openCase(t, name);
  const { outcome } = await node.once();
  t.equal(outcome.kind, 'converged');
  node.fake.containerd.jobs.length = 0;
  node.fake.advance(60_000);
  return node;
};

const edit = (node: Node, path: string, from: string | RegExp, to: string): void => {
  const text = node.read(path) ?? '';
  if (text.replace(from, to) === text) throw new Error(`nothing to change in ${path}: ${text}`);
  node.write(path, text.replace(from, to));
};

/** Served, and nothing to do. */
const isSettled = async (t: Test, node: Node, restarts: number): Promise<void> => {
  const { containerd } = node.fake;
  const { outcome } = await node.once();
  t.equal(outcome.kind, 'converged');
  t.ok(containerd.served().includes('spin-v2'), 'it is served');
  t.equal(containerd.jobs.length, restarts, `${restarts} restarts`);
  const settled = treeOf(node.root);
  t.strictSame((await node.once()).did, [], 'and nothing is left to do');
  t.strictSame(treeOf(node.root), settled);
  t.equal(containerd.jobs.length, restarts);
};

const k0s = '/etc/k0s/containerd.d/zz-rcm-node.toml';
const block = /# rcm-node begin[\s\S]*# rcm-node end\n/;

const drifts: readonly (readonly [what: string, on: string, act: (node: Node) => void])[] = [
  ['our drop-in is removed', 'k3s-folder', (node) => node.remove(drop)],
  ['the folder of drop-ins is removed', 'k3s-folder', (node) => node.remove(folder)],
  ['our drop-in is changed', 'k3s-folder', (node) => edit(node, drop, 'runtime_type', 'runtime_typo')],
  ['our block is removed', 'k3s-template-v3', (node) => edit(node, v3, block, '')],
  ['our block is edited', 'k3s-template-v3', (node) => edit(node, v3, 'containerd-shim-spin-v2"', 'other"')],
  ['our template is removed', 'k3s-template-new', (node) => node.remove(v3)],
  [
    'our block is removed',
    'microk8s-classic',
    (node) => edit(node, '/var/snap/microk8s/current/args/containerd-template.toml', block, ''),
  ],
  [
    'our copy is changed',
    'flatcar-1.7',
    (node) => edit(node, '/etc/containerd/config.toml', 'spin-v2"', 'x"'),
  ],
  ['our main file is removed', 'flatcar-2.1', (node) => node.remove('/etc/containerd/config.toml')],
  [
    'the drop-in of the unit is removed',
    'flatcar-2.1',
    (node) => node.remove('/etc/systemd/system/containerd.service.d/50-rcm-node.conf'),
  ],
];

for (const [what, on, act] of drifts)
  t.test(`${on}: ${what}, and is repaired without a restart`, async (t) => {
    const node = await installed(t, on);
    const before = treeOf(node.root);
    act(node);
    await node.fake.host.systemd?.daemonReload();
    await isSettled(t, node, 0);
    t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {});
  });

for (const on of ['k0s-merged', 'k0s-imports'])
  for (const [what, act] of [
    ['removed', (node: Node) => node.remove(k0s)],
    ['changed', (node: Node) => edit(node, k0s, 'spin-v2"', 'x"')],
    ['rewritten with the same meaning', (node: Node) => edit(node, k0s, /^# .*/, '# mine')],
  ] as const) {
    t.test(`${on}: our drop-in is ${what}, and one start of containerd repairs it`, async (t) => {
      const node = await installed(t, on);
      const before = treeOf(node.root);
      act(node);
      await isSettled(t, node, 1);
      t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {});
    });
    t.test(`${on}: our drop-in is ${what}, and k0s has read that`, async (t) => {
      const node = await installed(t, on);
      const before = treeOf(node.root);
      act(node);
      node.fake.advance(1);
      node.fake.advance(10_000);
      await isSettled(t, node, 2);
      t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {});
    });
  }

t.test('k0s: a start of k0s, and a foreign drop-in, cause no restart of ours', async (t) => {
  for (const on of ['k0s-merged', 'k0s-imports']) {
    const node = await installed(t, on);
    node.fake.containerd.restartByOther();
    await isSettled(t, node, 0);
    node.write('/etc/k0s/containerd.d/a.toml', 'version = 3\n[debug]\nlevel = "info"\n');
    await isSettled(t, node, 0);
    node.fake.advance(10_000);
    await isSettled(t, node, 1);
  }
});

t.test(
  'k0s: a repair that has to wait is not written, since the write alone restarts containerd',
  async (t) => {
    const node = await installed(t, 'k0s-merged');
    const { containerd } = node.fake;
    node.write('/etc/rcm-node/config.toml', 'restartsPerHour = 1\n');
    node.remove(k0s);
    await isSettled(t, node, 1);
    node.remove(k0s);
    const { outcome } = await node.once();
    t.equal(outcome.kind, 'waiting');
    t.equal(node.read(k0s), undefined);
    t.ok(containerd.served().includes('spin-v2'), 'it is served as before');
  },
);

t.test('k0s: when nothing restarts containerd, the change is rolled back, and not tried again', async (t) => {
  const { root } = openCase(t, 'k0s-merged');
  const { watches: _, ...meta } = metaOf('k0s-merged');
  const node = openNode(root, meta);
  const { host } = node.fake;
  const state = { text: node.read(k0s), at: 0 };
  // The fake has no changes of a folder that nothing watches.
  const statFolder: typeof host.files.statFolder = async (path) => {
    if (node.read(k0s) !== state.text) Object.assign(state, { text: node.read(k0s), at: host.clock.now() });
    const facts = await host.files.statFolder(path);
    return facts && { ...facts, modified: state.at };
  };
  const unwatched = withWatched({ ...host, files: { ...host.files, statFolder } });
  const before = treeOf(root);
  node.fake.advance(60_000);
  t.match((await node.once({}, unwatched)).outcome, {
    kind: 'failed',
    undone: true,
    problem: { code: 'activation-failed' },
  });
  t.strictSame(difference(foreign(before), foreign(treeOf(root))), {});
  const from = host.clock.elapsed();
  const { outcome, did } = await node.once({}, unwatched);
  t.match(outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }] });
  t.strictSame(did, []);
  t.equal(host.clock.elapsed(), from, 'no tick waits for it again');
  t.strictSame(node.fake.containerd.jobs, []);
});

for (const on of ['k3s-folder', 'k3s-template-v3', 'k3s-template-v2', 'k3s-template-new', 'rke2-folder'])
  t.test(`${on}: an upgrade that changes the base causes no restart of ours`, async (t) => {
    const node = await installed(t, on);
    for (const version of [3, 2]) {
      const path = `${standIn}/base-v${version}.toml`;
      if (existsSync(join(node.root, path)))
        node.write(path, `${node.read(path)}\n[metrics]\n  address = "127.0.0.1:1338"\n`);
    }
    node.fake.containerd.restartByOther();
    t.match(node.read(`${etc.replace('k3s', on.slice(0, 4).replace('k3s-', 'k3s'))}/config.toml`), '1338');
    await isSettled(t, node, 0);
  });

for (const on of [
  'k3s-folder',
  'k3s-template-v3',
  'k3s-template-new',
  'k0s-merged',
  'microk8s-classic',
  'flatcar-1.7',
  'flatcar-2.1',
])
  t.test(`${on}: a change with which containerd does not start is rolled back`, async (t) => {
    const node = openCase(t, on);
    const before = treeOf(node.root);
    const { containerd } = node.fake;
    containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'exits' : 'works');
    const { outcome } = await node.once();
    t.match(outcome, { kind: 'failed', undone: true });
    t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {}, 'the host is as before');
    t.equal(containerd.unit.active, 'active');
    t.strictSame(containerd.served(), ['runc']);
  });

t.test('a template that is read still is used after an upgrade to a k3s with a folder', async (t) => {
  const node = await installed(t, 'k3s-template-new');
  edit(node, `${standIn}/base-v3.toml`, 'version = 3\n', `version = 3\nimports = ["${folder}/*.toml"]\n`);
  const { containerd } = node.fake;
  containerd.rendering = 'merged';
  containerd.restartByOther();
  await isSettled(t, node, 0);
  writeShim(node, 'wasmedge');
  await isSettled(t, node, 1);
  t.ok(containerd.served().includes('wasmedge'));
  t.match(node.read(v3), /wasmedge/);
  const gone = await node.uninstall();
  t.ok(gone.complete);
  t.equal(node.read(v3), undefined);
  t.notMatch(node.read(`${etc}/config.toml`), 'rcm-node');
  t.strictSame(containerd.served(), ['runc']);
});

t.test('a template changed by others is not written before it was rendered', async (t) => {
  const node = openCase(t, 'k3s-template-v3');
  const { containerd } = node.fake;
  node.fake.advance(60_000);
  await new Promise((resolve) => setTimeout(resolve, 20));
  edit(node, v3, 'info', 'debug');
  const text = node.read(v3);
  t.match((await node.once()).decision.plan, { kind: 'refused', problem: { code: 'unrendered-template' } });
  t.equal(node.read(v3), text);
  t.equal(containerd.jobs.length, 0);
  containerd.restartByOther();
  await isSettled(t, node, 1);
});

/** The clock of the file system goes by some milliseconds. */
const passed = () => new Promise((resolve) => setTimeout(resolve, 20));
const own = '{{ template "base" . }}\n[debug]\nlevel = "debug"\n';

t.test('a changed template is not loaded by a restart of ours', async (t) => {
  for (const [on, what, act] of [
    ['k3s-folder', 'a template beside the folder of drop-ins', (node: Node) => node.write(v3, own)],
    ['k3s-folder', 'a template of the other version', (node: Node) => node.write(v2, own)],
    [
      'k3s-template-v3',
      'a file of an earlier time that was moved there',
      (node: Node) => {
        const path = join(node.root, v3);
        node.write(`${v3}.new`, own);
        utimesSync(`${path}.new`, 100, 100);
        renameSync(`${path}.new`, path);
      },
    ],
  ] as const) {
    const node = openCase(t, on);
    node.fake.advance(60_000);
    await passed();
    act(node);
    const { plan } = (await node.once()).decision;
    t.match(plan, { kind: 'refused', problem: { code: 'unrendered-template' } }, `${on}: ${what}`);
    t.equal(node.fake.containerd.jobs.length, 0);
    node.fake.containerd.restartByOther();
    await isSettled(t, node, 1);
  }
});

t.test('a template that replaces the one with our block is waited for', async (t) => {
  const node = openCase(t, 'k3s-template-new');
  const { containerd } = node.fake;
  node.write(v2, own);
  containerd.restartByOther();
  await isSettled(t, node, 1);
  t.match(node.read(v2), 'rcm-node');
  containerd.jobs.length = 0;
  node.fake.advance(60_000);
  await passed();
  node.write(v3, own);
  writeShim(node, 'wasmedge');
  const problem = { code: 'unrendered-template', where: { file: v3 } };
  t.match((await node.once()).decision.plan, { kind: 'refused', problem });
  t.equal(containerd.jobs.length, 0);
  containerd.restartByOther();
  await isSettled(t, node, 1);
  t.ok(containerd.served().includes('wasmedge'));
  t.notMatch(node.read(v2), 'rcm-node');
});

t.test(
  'a handler that the distribution defines too, and that breaks its rendering, is removed',
  async (t) => {
    const node = await installed(t, 'k3s-template-v2');
    const { containerd } = node.fake;
    const base = `${standIn}/base-v2.toml`;
    node.write(
      base,
      `${node.read(base)}\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."spin-v2"]\n  runtime_type = "io.containerd.spin.v2"\n`,
    );
    containerd.restartByOther();
    t.not(containerd.unit.active, 'active', 'containerd does not start with it');
    node.fake.advance(6_000);
    const { decision } = await node.once();
    t.equal(containerd.unit.active, 'active');
    t.equal(containerd.jobs.length, 1);
    t.match(decision.handlers, [
      { name: 'spin-v2', state: 'refused', problem: { code: 'owned-by-another' } },
    ]);
    t.notMatch(node.read(`${etc}/config.toml.tmpl`), 'rcm-node begin');
  },
);

t.test('Flatcar: an update of the system is read through the import, and a copy follows it', async (t) => {
  for (const [on, restarts] of [
    ['flatcar-2.1', 0],
    ['flatcar-1.7', 1],
  ] as const) {
    const node = await installed(t, on);
    edit(node, '/usr/share/containerd/config.toml', '-999', '-998');
    node.fake.containerd.restartByOther();
    await isSettled(t, node, restarts);
    if (restarts > 0) t.match(node.read('/etc/containerd/config.toml'), 'oom_score = -998');
    t.ok((await node.uninstall()).complete);
    t.equal(node.read('/etc/containerd/config.toml'), undefined);
  }
});

t.test('Flatcar: the vendor’s file may change while containerd runs, without a restart', async (t) => {
  const node = await installed(t, 'flatcar-1.7');
  edit(node, '/usr/share/containerd/config.toml', '-999', '-998');
  await isSettled(t, node, 0);
  t.match(node.read('/etc/containerd/config.toml'), 'oom_score = -998');
});

t.test('MicroK8s: a refresh without our block gets it back', async (t) => {
  const node = await installed(t, 'microk8s-classic');
  const { containerd } = node.fake;
  const args = '/var/snap/microk8s/current/args';
  edit(node, `${args}/containerd-template.toml`, block, '');
  containerd.restartByOther();
  t.notOk(containerd.served().includes('spin-v2'));
  await isSettled(t, node, 1);
  rmSync(join(node.root, '/var/snap/microk8s/current'));
  symlinkSync('8000', join(node.root, '/var/snap/microk8s/current'));
  await isSettled(t, node, 1);
});
