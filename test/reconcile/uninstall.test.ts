import { existsSync, linkSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { paths } from '../../protocol/host-paths.ts';
import { exitCodeOfUninstall, uninstall } from '../../daemon/reconcile/uninstall.ts';
import { problemOf } from '../../protocol/problem/problem.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import type { Host } from '../../host/host.ts';
import type { Systemd } from '../../host/systemd/systemd.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { startServer } from '../../testbed/simulated/cluster-server.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../testbed/simulated/node.ts';
import { difference, foreign, ours, treeOf } from '../../testbed/simulated/tree.ts';

const main = '/etc/containerd/config.toml';
const dropIn = '/etc/containerd/conf.d/zz-rcm-node.toml';

const serving = async (t: Test, version = '2.1.4'): Promise<Node> => {
  const node = openNode(makeRoot(t), { version });
  node.write(main, `version = ${version.startsWith('1') ? 2 : 3}\n`, 0o640);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  writeShim(node, 'wws-v1');
  await node.once();
  node.fake.containerd.jobs.length = 0;
  return node;
};

t.test('what is left is named with the reason; shims.d and the settings stay', async (t) => {
  const node = await serving(t);
  node.write('/etc/rcm-node/config.toml', 'interval = 30\n');
  node.write('/opt/rcm-node/bin/rcm-node', 'the program\n');
  const { complete, left } = await node.uninstall();
  t.ok(complete);
  t.strictSame(
    left.map(({ path }) => path),
    [paths.settings, paths.shims, '/opt/rcm-node/bin'],
  );
  t.strictSame(Object.keys(ours(treeOf(node.root))), [
    '/opt/rcm-node',
    '/opt/rcm-node/bin',
    '/opt/rcm-node/bin/rcm-node',
  ]);
});

t.test('a configuration that got a hard link meanwhile stays until one of the two is removed', async (t) => {
  for (const version of ['1.7.24', '2.1.4']) {
    const node = await serving(t, version);
    const other = join(node.root, 'etc/backup.toml');
    linkSync(join(node.root, main), other);
    const before = treeOf(node.root);
    const refused = await node.uninstall();
    t.match(refused, {
      complete: false,
      ticked: {
        outcome: { kind: 'refused', problem: { code: 'hard-linked', where: { file: main }, hint: /cp -a/ } },
      },
    });
    t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {});
    t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2', 'wws-v1'], 'what is served stays served');
    t.strictSame(node.fake.containerd.jobs, []);
    rmSync(other);
    t.ok((await node.uninstall()).complete);
    t.equal(node.read(main), `version = ${version.startsWith('1') ? 2 : 3}\n`);
  }
});

t.test('a second uninstall finds nothing and restarts nothing', async (t) => {
  const node = await serving(t);
  await node.uninstall();
  t.equal(node.fake.containerd.jobs.length, 1);
  const tree = treeOf(node.root);
  const again = await node.uninstall();
  t.ok(again.complete);
  t.strictSame(again.ticked.did, []);
  t.equal(node.fake.containerd.jobs.length, 1);
  t.strictSame(foreign(treeOf(node.root)), foreign(tree));
});

t.test('an uninstall where nothing was ever installed touches nothing', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(main, 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"] # my own\n');
  node.fake.containerd.restartByOther();
  const before = foreign(treeOf(node.root));
  t.ok((await node.uninstall()).complete);
  t.strictSame(foreign(treeOf(node.root)), before);
  t.strictSame(node.fake.containerd.jobs, []);
});

t.test('while a handler is in use everything stays, until it is free or it is forced', async (t) => {
  for (const version of ['1.7.24', '2.1.4']) {
    const node = await serving(t, version);
    const { containerd } = node.fake;
    containerd.sandboxes = [{ id: 'a', handler: 'wws-v1' }];
    const before = treeOf(node.root);
    const first = await node.uninstall();
    t.notOk(first.complete);
    t.equal(first.ticked.outcome.kind, 'waiting');
    t.strictSame(containerd.served(), ['runc', 'spin-v2', 'wws-v1'], 'all or nothing');
    t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {});
    t.strictSame(difference(ours(before), ours(treeOf(node.root))), {});
    t.strictSame(containerd.jobs, []);
    const forced = await node.uninstall({ force: true });
    t.ok(forced.complete);
    t.strictSame(containerd.served(), ['runc']);
    t.strictSame(
      forced.left.map(({ path }) => path),
      [paths.store, paths.shims],
      'its program stays for the Pod that runs on it, and that is said',
    );
    t.equal(node.read(main), `version = ${version.startsWith('1') ? 2 : 3}\n`);
  }
});

t.test('a store that a process has mapped stays, and is named', async (t) => {
  const node = await serving(t);
  const [binary] = Object.keys(treeOf(node.root)).filter((path) =>
    /store\/[0-9a-f]+\/containerd-shim-/.test(path),
  );
  node.fake.mapped = [binary ?? ''];
  const { left } = await node.uninstall();
  t.ok(existsSync(join(node.root, binary ?? '')));
  t.match(
    left.map(({ path }) => path),
    [paths.store],
  );
});

t.test('a missing import, or a missing drop-in, is no obstacle', async (t) => {
  for (const act of [
    (node: Node) => node.write(main, 'version = 3\n'),
    (node: Node) => node.remove(dropIn),
    (node: Node) => node.write(dropIn, ''),
    (node: Node) => node.remove('/etc/containerd/conf.d'),
    (node: Node) => node.remove('/opt/rcm-node'),
    (node: Node) => node.remove('/var/lib/rcm-node/ledger.json'),
  ]) {
    const node = await serving(t);
    act(node);
    const { complete } = await node.uninstall();
    t.ok(complete, act.toString());
    t.equal(node.read(main), 'version = 3\n');
    t.equal(node.read(dropIn), undefined);
    t.strictSame(Object.keys(ours(treeOf(node.root))), []);
  }
});

t.test('a foreign file in a folder of ours keeps the folder', async (t) => {
  const node = await serving(t);
  node.write('/etc/containerd/conf.d/50-theirs.toml', 'version = 3\n');
  const { complete } = await node.uninstall();
  t.ok(complete);
  t.equal(node.read('/etc/containerd/conf.d/50-theirs.toml'), 'version = 3\n');
  t.equal(node.read(main), 'version = 3\n');
});

t.test('a runtime that does not start without our handlers gets them back', async (t) => {
  const node = await serving(t);
  const { containerd } = node.fake;
  const before = foreign(treeOf(node.root));
  containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'works' : 'exits');
  const { complete, ticked } = await node.uninstall();
  t.notOk(complete);
  t.match(ticked.outcome, { kind: 'failed', undone: true });
  t.strictSame(difference(before, foreign(treeOf(node.root))), {});
  t.ok(containerd.served().includes('spin-v2'));
});

/** The host of `node`, on which rcm-node.service runs. */
const hostWithService = ({ fake: { host } }: Node, jobs: Partial<Systemd>): Host => {
  const { systemd } = host;
  if (!systemd) throw new Error('there is a service manager');
  const unit: Systemd['unit'] = async (name) =>
    name === 'rcm-node.service'
      ? { ...(await systemd.unit('containerd.service')), name }
      : systemd.unit(name);
  return { ...host, systemd: { ...systemd, unit, ...jobs } };
};

t.test('the service is disabled and stopped first, but not while the uninstall has to wait', async (t) => {
  const node = await serving(t);
  const { containerd } = node.fake;
  const asked: string[] = [];
  const withService = hostWithService(node, {
    disable: async (name) => void asked.push(`disable ${name}`),
    stop: async (name) => {
      asked.push(`stop ${name}, after ${containerd.jobs.length} restarts`);
      return 'done';
    },
  });
  containerd.sandboxes = [{ id: 'a', handler: 'spin-v2' }];
  await node.uninstall({}, withService);
  t.strictSame(asked, [], 'a service that is not replaced keeps running');
  containerd.sandboxes = [];
  t.ok((await node.uninstall({}, withService)).complete);
  t.strictSame(asked, ['disable rcm-node.service', 'stop rcm-node.service, after 0 restarts']);
  asked.length = 0;
  await uninstall(withService, defaultSettings, { activate: false, force: false });
  t.equal(asked.length, 2, 'also where the runtime is left alone: it would put everything back');
});

t.test('a runtime that the service restarts in that moment is not taken for a stopped one', async (t) => {
  const node = await serving(t);
  const { containerd } = node.fake;
  stopRuntime(node, { active: 'activating' });
  const withService = hostWithService(node, {
    disable: async () => undefined,
    // It ends once its restart is proven.
    stop: async () => {
      containerd.restartByOther();
      return 'done';
    },
  });
  const result = await node.uninstall({}, withService);
  t.ok(result.complete);
  t.equal(result.unproven, undefined);
  t.equal(containerd.jobs.length, 1, 'it is restarted without our handlers');
  t.strictSame(containerd.served(), ['runc']);
});

t.test('a service that cannot be stopped would restore everything: nothing is removed', async (t) => {
  const node = await serving(t);
  const { containerd } = node.fake;
  const asked: string[] = [];
  const withService = hostWithService(node, {
    disable: async (name) => void asked.push(`disable ${name}`),
    enable: async (name) => void asked.push(`enable ${name}`),
    stop: async () => 'deadline',
  });
  const before = treeOf(node.root);
  const problem = await node.uninstall({}, withService).then(
    () => undefined,
    (error: unknown) => problemOf(error),
  );
  t.match(problem, { code: 'activation-failed', message: /could not be stopped.*"deadline"/ });
  t.strictSame(difference(before, treeOf(node.root)), {});
  t.same(containerd.jobs, []);
  t.same(asked, ['disable rcm-node.service', 'enable rcm-node.service']);
});

t.test('where not everything can be removed, the service continues with the rest', async (t) => {
  const node = await serving(t);
  const { containerd, host } = node.fake;
  const { systemd } = host;
  if (!systemd) throw new Error('there is a service manager');
  const asked: string[] = [];
  const did = (verb: string) => async (name: string) => {
    asked.push(`${verb} ${name}`);
    return 'done' as const;
  };
  const isOurs = (name: string): boolean => name === 'rcm-node.service';
  const withService: Host = {
    ...host,
    systemd: {
      ...systemd,
      unit: async (name) => ({ ...(await systemd.unit('containerd.service')), name }),
      disable: async (name) => void (await did('disable')(name)),
      enable: async (name) => void (await did('enable')(name)),
      stop: did('stop'),
      start: (name, ms) => (isOurs(name) ? did('start')(name) : systemd.start(name, ms)),
    },
  };
  containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'works' : 'exits');
  t.notOk((await node.uninstall({}, withService)).complete);
  t.ok(containerd.served().includes('spin-v2'));
  t.same(asked, [
    'disable rcm-node.service',
    'stop rcm-node.service',
    'enable rcm-node.service',
    'start rcm-node.service',
  ]);
});

t.test('another root is cleaned without a service manager', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(main, 'version = 3\n');
  writeShim(node, 'spin-v2');
  const before = foreign(treeOf(node.root));
  const host: Host = { ...node.fake.host, systemd: undefined, tools: { run: chrootOf(node) } };
  t.equal((await node.once({ activate: false }, host)).outcome.kind, 'converged');
  t.match(node.read(dropIn), /spin-v2/);
  const { complete } = await uninstall(host, defaultSettings, { activate: false, force: false });
  t.ok(complete);
  t.strictSame(difference(before, foreign(treeOf(node.root))), {});
  t.strictSame(Object.keys(ours(treeOf(node.root))), []);
});

/** `chroot ROOT PROGRAM …` as the fake's own programs see it. */
const chrootOf =
  (node: Node): Host['tools']['run'] =>
  (argv, options) => {
    const [chroot, root, program, ...words] = argv;
    if (chroot !== 'chroot' || root !== node.root || program === undefined)
      throw new Error(`run outside of the root: ${argv.join(' ')}`);
    return node.fake.host.tools.run([program, ...words], options);
  };

t.test('budgets do not delay an uninstall', async (t) => {
  const node = await serving(t);
  for (const name of ['a-v1', 'b-v1', 'c-v1', 'd-v1']) {
    writeShim(node, name);
    await node.once({ force: true });
  }
  writeShim(node, 'e-v1');
  t.equal((await node.once()).outcome.kind, 'waiting', 'the service would have to wait');
  for (let round = 1; round <= 4; round++) {
    node.remove(dropIn);
    await node.once();
  }
  t.equal(node.read(dropIn), undefined, 'and is not written again');
  const { complete } = await node.uninstall();
  t.ok(complete);
  t.strictSame(node.fake.containerd.served(), ['runc']);
  t.equal(node.read(main), 'version = 3\n');
});

t.test(
  'annotations and labels on the own Node are removed too, and not with another root',
  needsOpenssl,
  async (t) => {
    const { world, server, kubeconfig, root } = await startServer(t);
    const settings = { ...defaultSettings, cluster: { ...defaultSettings.cluster, kubeconfig } };
    world.node = {
      metadata: { name: 'n', labels: { 'shim.rcm.spinkube.dev/spin-v2': 'served', zone: 'a' } },
    };
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    node.write(kubeconfig, readFileSync(join(root, kubeconfig), 'utf8'));
    const { host } = node.fake;
    const image: Host = { ...host, systemd: undefined, tools: { run: chrootOf(node) } };
    t.ok((await uninstall(image, settings, { activate: false, force: false })).complete);
    t.equal(server.asked.length, 0, 'who cleans an image on a node of a cluster does not mean that node');
    t.ok((await uninstall(host, settings, { activate: true, force: false })).complete);
    t.same(world.node.metadata.labels, { zone: 'a' });
  },
);

t.test('an unreachable API server does not delay an uninstall, and is named', async (t) => {
  const node = await serving(t);
  const cluster = { ...defaultSettings.cluster, kubeconfig: '/none.conf' };
  const options = { activate: true, force: false };
  const { complete, left } = await uninstall(node.fake.host, { ...defaultSettings, cluster }, options);
  t.ok(complete);
  t.match(
    left.filter(({ path }) => path === 'Node'),
    [{ why: /annotations and labels could not be removed: .*none\.conf/ }],
  );
});

t.test('the name of the node is not guessed: what stays on the Node is named', async (t) => {
  const node = await serving(t);
  node.write('/var/lib/rcm-node/cluster.json', '{}');
  const kubeconfig = () => t.fail('it looks for an identity') as never;
  const host: Host = { ...node.fake.host, kubeconfig };
  const problem = { code: 'bad-settings', message: 'odd' } as const;
  const settings = { ...defaultSettings, closed: true, problem };
  const { complete, left } = await uninstall(host, settings, { activate: true, force: false });
  t.ok(complete);
  t.match(
    left.filter(({ path }) => path === 'Node'),
    [{ why: /annotations and labels stay: .*config\.toml cannot be used/ }],
  );
});

/** Without a process; nothing starts it by itself. */
const stopRuntime = ({ fake: { containerd } }: Node, more: Partial<typeof containerd.unit> = {}): void => {
  containerd.unit = { ...containerd.unit, active: 'inactive', sub: 'dead', mainPid: 0, ...more };
};

const down: Readonly<Record<string, Partial<Node['fake']['containerd']['unit']>>> = {
  stopped: {},
  masked: { load: 'masked' },
  failed: { active: 'failed', sub: 'failed', result: 'exit-code' },
};

for (const [how, unit] of Object.entries(down))
  for (const version of ['1.7.24', '2.1.4'])
    t.test(
      `with containerd ${version} ${how} our part is removed, and the message says that it is not proven`,
      async (t) => {
        const node = openNode(makeRoot(t), { version });
        const text = `version = ${version.startsWith('1') ? 2 : 3}\n`;
        node.write(main, text, 0o640);
        node.fake.containerd.restartByOther();
        writeShim(node, 'spin-v2');
        const before = foreign(treeOf(node.root));
        await node.once();
        node.fake.containerd.jobs.length = 0;
        stopRuntime(node, unit);
        const result = await node.uninstall();
        t.ok(result.complete);
        t.strictSame(difference(before, foreign(treeOf(node.root))), {});
        t.strictSame(Object.keys(ours(treeOf(node.root))), []);
        t.strictSame(node.fake.containerd.jobs, [], 'it is not for us to start it');
        t.match(result.removed, ['the handler spin-v2']);
        const unmask = how === 'masked' ? 'systemctl unmask containerd.service && ' : '';
        t.match(result.unproven, {
          why: /^containerd.service is .*(inactive|failed): it has not been started/,
          command: `${unmask}systemctl start containerd.service`,
        });
        t.equal(exitCodeOfUninstall(result), 4, 'a start has to follow');
        stopRuntime(node, { load: 'loaded' });
        node.fake.containerd.restartByOther();
        t.strictSame(node.fake.containerd.served(), ['runc']);
        const again = await node.uninstall();
        t.match(again, { complete: true, removed: [], unproven: undefined });
        t.equal(exitCodeOfUninstall(again), 0);
      },
    );

t.test('a host without a runtime is cleaned', async (t) => {
  for (const version of ['1.7.24', '2.1.4'])
    for (const act of [
      (node: Node) => stopRuntime(node, { load: 'not-found' }),
      (node: Node) => {
        stopRuntime(node);
        node.remove('/usr/bin/containerd');
      },
      (node: Node) => {
        stopRuntime(node, { load: 'not-found' });
        node.remove('/etc/containerd');
      },
    ]) {
      const node = await serving(t, version);
      act(node);
      const text =
        node.read(main) === undefined ? undefined : `version = ${version.startsWith('1') ? 2 : 3}\n`;
      const result = await node.uninstall();
      t.match(result, { complete: true, removed: ['the handler spin-v2', 'the handler wws-v1'] });
      t.equal(node.read(main), text);
      t.equal(node.read(dropIn), undefined);
      t.strictSame(Object.keys(ours(treeOf(node.root))), []);
      t.match(result.unproven?.why, /nothing reads the configuration/);
      t.equal(exitCodeOfUninstall(result), 0, 'there is nothing to start');
    }
  const node = openNode(makeRoot(t), { version: '2.1.4', load: 'not-found', runs: false });
  const result = await node.uninstall();
  t.match(result, { complete: true, removed: [] });
  t.equal(exitCodeOfUninstall(result), 0);
});

t.test('foreign changes in the files of a removed runtime stay, and are named', async (t) => {
  const node = await serving(t);
  stopRuntime(node, { load: 'not-found' });
  node.write(dropIn, 'version = 3\n# theirs\n');
  const result = await node.uninstall();
  t.equal(node.read(dropIn), 'version = 3\n# theirs\n');
  t.match(
    result.left.find(({ path }) => path === dropIn),
    { why: /changed by another program/, open: 'wrong' },
  );
  t.equal(exitCodeOfUninstall(result), 1);
});

t.test('without the runtime and the state, our part is recognised by the text of the files', async (t) => {
  for (const version of ['1.7.24', '2.1.4']) {
    const node = await serving(t, version);
    stopRuntime(node, { load: 'not-found' });
    node.remove('/var/lib/rcm-node');
    const result = await node.uninstall();
    t.ok(result.complete);
    t.equal(node.read(main), `version = ${version.startsWith('1') ? 2 : 3}\n`);
    t.equal(node.read(dropIn), undefined);
    t.strictSame(Object.keys(ours(treeOf(node.root))), []);
    t.equal(exitCodeOfUninstall(result), 0);
  }
});

t.test('a file that a runtime would read again keeps the programs that it names', async (t) => {
  const copy = '/etc/containerd/conf.d/99-other.toml';
  const table = `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.spin-v2]\nruntime_type = "/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2"\n`;
  for (const [text, why] of [
    [`version = 3\n${table}`, /leads to our program/],
    [`version = 3\n${table}broken\n`, /our programs stay for it/],
  ] as const)
    for (const forget of [false, true]) {
      const node = await serving(t);
      node.write(main, `imports = ["conf.d/*.toml"]\n${node.read(main)?.replace(/^imports.*\n/m, '')}`);
      node.write(copy, text);
      stopRuntime(node, { load: 'not-found' });
      if (forget) node.remove('/var/lib/rcm-node');
      const result = await node.uninstall();
      t.match(
        result.left.find(({ path }) => path.startsWith(copy)),
        { why, open: 'wrong' },
      );
      t.equal(node.read(copy), text);
      t.equal(node.read(dropIn), undefined);
      const kept = readlinkSync(join(node.root, '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2'));
      t.ok(existsSync(join(node.root, kept)));
      t.equal(exitCodeOfUninstall(result), 1);
      node.remove(copy);
      t.ok((await node.uninstall()).complete);
      t.strictSame(Object.keys(ours(treeOf(node.root))), []);
    }
});

t.test('a wrong unit in the settings does not count as a removed runtime', async (t) => {
  const node = await serving(t);
  node.write('/etc/rcm-node/config.toml', '[runtime]\nunit = "other.service"\n');
  const before = treeOf(node.root);
  const problem = await node.uninstall().then(
    () => undefined,
    (error: unknown) => problemOf(error),
  );
  t.match(problem, { code: 'no-runtime', message: /other\.service, and yet a runtime answers at/ });
  t.strictSame(difference(before, treeOf(node.root)), {});
});

t.test('Pods that run while the runtime is stopped keep everything, until it is forced', async (t) => {
  const node = await serving(t);
  const before = treeOf(node.root);
  node.fake.mapped = Object.keys(before).filter((path) =>
    /store\/[0-9a-f]+\/containerd-shim-spin/.test(path),
  );
  stopRuntime(node);
  const first = await node.uninstall();
  t.match(first, {
    complete: false,
    ticked: { outcome: { kind: 'waiting', for: [{ code: 'handler-in-use' }] } },
  });
  t.equal(exitCodeOfUninstall(first), 4);
  t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {});
  const forced = await node.uninstall({ force: true });
  t.ok(forced.complete);
  t.equal(node.read(main), 'version = 3\n');
  t.match(
    forced.left.find(({ path }) => path === paths.store),
    { why: /still in use/, command: 'rcm-node uninstall', open: 'waits' },
  );
});

t.test(
  'a container that needs a program of ours to be stopped keeps it, although no process runs it',
  async (t) => {
    const oci = '[runtime]\ntype = "oci"\nbinary = "crun"\n';
    for (const [file, state] of [
      ['runtime', '/run/containerd'],
      ['options.json', '/run/elsewhere'],
    ] as const)
      for (const load of ['loaded', 'not-found']) {
        if (load === 'not-found' && state !== '/run/containerd') continue;
        const node = openNode(makeRoot(t), { version: '2.1.4' });
        node.write(main, `version = 3\nstate = "${state}"\n`);
        node.fake.containerd.restartByOther();
        writeShim(node, 'crun-wasm', 'crun-wasm', oci);
        t.equal((await node.once()).outcome.kind, 'converged');
        const bundle = `${state}/io.containerd.runtime.v2.task/k8s.io/abc`;
        const path = '/opt/rcm-node/shims/crun-wasm/crun';
        node.write(`${bundle}/${file}`, file === 'runtime' ? path : JSON.stringify({ binary_name: path }));
        node.write(`${bundle}/init.pid`, '77');
        node.write('/proc/77/status', '');
        stopRuntime(node, { load });
        t.match((await node.uninstall()).ticked.outcome, {
          kind: 'waiting',
          for: [{ code: 'handler-in-use', message: /can end \(crun-wasm\)/ }],
        });
        t.ok(readlinkSync(join(node.root, path)));
        node.remove('/proc/77');
        t.ok((await node.uninstall()).complete, 'what has ended needs nothing');
      }
  },
);

t.test('a runtime that runs and does not answer is not touched, until it is forced', async (t) => {
  const node = await serving(t);
  const { containerd } = node.fake;
  containerd.loaded =
    containerd.loaded?.kind === 'loaded' ? { ...containerd.loaded, criFault: 'odd' } : undefined;
  const before = treeOf(node.root);
  const first = await node.uninstall();
  t.match(first.ticked.outcome, { kind: 'refused', problem: { code: 'runtime-unreachable' } });
  t.equal(exitCodeOfUninstall(first), 3);
  t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {});
  const forced = await node.uninstall({ force: true });
  t.ok(forced.complete);
  t.equal(node.read(main), 'version = 3\n');
  t.match(forced.unproven, { command: 'systemctl restart containerd.service' });
  t.ok(
    forced.left.some(({ path }) => path === paths.links),
    'what it may have loaded keeps its program',
  );
});

t.test('the printed commands apply to the given root', async (t) => {
  const node = await serving(t);
  node.write('/etc/rcm-node/config.toml', '# mine\n');
  node.write('/opt/rcm-node/bin/rcm-node', 'the program\n');
  node.write('/etc/systemd/system/rcm-node.service', '[Unit]\n');
  const { left } = await node.uninstall();
  t.strictSame(
    left.map(({ command }) => command?.replaceAll(node.root, 'ROOT')),
    [
      'rm -r ROOT/etc/rcm-node',
      'rm -r ROOT/etc/rcm-node',
      'rm -r ROOT/opt/rcm-node/bin ROOT/etc/systemd/system/rcm-node.service && rmdir --ignore-fail-on-non-empty ROOT/opt/rcm-node && systemctl daemon-reload',
    ],
  );
  const links = ['etc/systemd/system/multi-user.target.wants/rcm-node.service', 'usr/local/bin/rcm-node'].map(
    (path) => join(node.root, path),
  );
  for (const path of links) {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync('/opt/rcm-node/bin/rcm-node', path);
  }
  t.match(
    (await node.uninstall()).left.at(-1)?.command,
    ` ${links.join(' ')} && rmdir `,
    'links by their own names: the one of the service is there in an image, which has no systemd to disable it',
  );
  for (const path of links) rmSync(path);
  rmSync(join(node.root, 'etc/systemd/system/rcm-node.service'));
  t.match((await node.uninstall()).left.at(-1), { command: /^rm -r \S+bin && rmdir \S+ \S+rcm-node$/ });
  node.write('/opt/rcm-node/bin/versions/package/rcm-node', 'the program\n');
  t.match((await node.uninstall()).left.at(-1), { command: 'dnf remove rcm-node' });
  node.write('/var/lib/dpkg/info/rcm-node.list', '');
  t.match((await node.uninstall()).left.at(-1), { command: 'apt-get purge rcm-node' });
  node.write('/opt/rcm-node/bin/bootstrap.json', '{}');
  t.match((await node.uninstall()).left.at(-1), { command: 'kubectl apply -k bootstrap/uninstall/' });
});

t.test('an interrupted plan is rolled back where no runtime runs to finish it', async (t) => {
  for (const version of ['1.7.24', '2.1.4'])
    for (const unit of [{}, { load: 'not-found' }]) {
      const node = openNode(makeRoot(t), { version });
      const text = `version = ${version.startsWith('1') ? 2 : 3}\n`;
      node.write(main, text, 0o640);
      node.fake.containerd.restartByOther();
      writeShim(node, 'spin-v2');
      const before = foreign(treeOf(node.root));
      const { host } = node.fake;
      const { systemd } = host;
      if (!systemd) throw new Error('there is a service manager');
      // As after a kill: nothing more is written, not even in a catch block.
      const dead = { is: false };
      const killed: Host = {
        ...host,
        files: new Proxy(host.files, {
          get: (files, key, receiver) => {
            if (dead.is) throw new Error('killed');
            return Reflect.get(files, key, receiver) as unknown;
          },
        }),
        systemd: {
          ...systemd,
          restart: async () => {
            dead.is = true;
            throw new Error('killed');
          },
        },
      };
      await t.rejects(node.once({}, killed));
      node.fake.locked = false;
      t.match(node.read('/var/lib/rcm-node/journal.json'), /"forwardFrom"/);
      stopRuntime(node, unit);
      const result = await node.uninstall();
      t.ok(result.complete, JSON.stringify(result.ticked.outcome));
      t.strictSame(difference(before, foreign(treeOf(node.root))), {});
      t.strictSame(Object.keys(ours(treeOf(node.root))), []);
      t.strictSame(node.fake.containerd.jobs, []);
    }
});

t.test('a folder with a foreign mount stays, and leaves nothing to do', async (t) => {
  const node = await serving(t);
  const { files } = node.fake.host;
  // As rmdir(2) answers EBUSY for a mount point, which is passed over.
  const dropFolder: typeof files.dropFolder = async (path) =>
    path === paths.state ? undefined : files.dropFolder(path);
  const result = await node.uninstall({}, { ...node.fake.host, files: { ...files, dropFolder } });
  t.match(
    result.left.find(({ path }) => path === paths.state),
    { why: /mounted/, command: undefined, open: undefined },
  );
  t.equal(exitCodeOfUninstall(result), 0);
});
