/** Uninstall where the runtime that our files were written for is away, and perhaps another one is installed. */
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Host } from '../../host/host.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { uninstall } from '../../daemon/reconcile/uninstall.ts';
import { type Node, openCase } from '../../testbed/simulated/node.ts';

const all = { activate: true, force: false };
const main = '/etc/containerd/config.toml';
const drop = '/etc/crio/crio.conf.d/zz-rcm-node.conf';

/** Its runtime stops, and where its package was removed there is no unit. */
const stop = (node: Node, isRemoved: boolean): void => {
  const { containerd } = node.fake;
  containerd.stopByOther();
  if (isRemoved) containerd.unit = { ...containerd.unit, load: 'not-found', execStart: [] };
};

/** The same host with a CRI-O that was installed and never started. */
const withCrio = ({ host }: Node['fake']): Host => {
  const { systemd, tools } = host;
  if (!systemd) return host;
  const execStart = ['/usr/bin/crio'];
  const idle = { load: 'loaded', active: 'inactive', sub: 'dead', mainPid: 0, invocation: '', execStart };
  return {
    ...host,
    systemd: {
      ...systemd,
      unit: async (name) => ({
        ...(await systemd.unit(name)),
        ...(name === 'crio.service' ? { ...idle, name, fragment: '' } : {}),
      }),
    },
    tools: {
      ...tools,
      run: async (argv, limits) => {
        if (!argv[0]?.endsWith('/crio')) return tools.run(argv, limits);
        const stdout = 'crio version 1.36.3\n';
        return { kind: 'ran', code: 0, signal: null, stdout, stderr: '', timedOut: false };
      },
    },
  };
};

for (const name of ['1.7-plain', '2.1-plain'])
  for (const isRemoved of [false, true])
    t.test(`${name}, containerd ${isRemoved ? 'removed' : 'stopped'}, CRI-O never started`, async (t) => {
      const node = openCase(t, name);
      const before = node.read(main);
      await node.once();
      t.not(node.read(main), before);
      stop(node, isRemoved);
      t.match(await uninstall(withCrio(node.fake), defaultSettings, all), { complete: true });
      t.equal(node.read(main), before);
      t.equal(node.read('/etc/containerd/conf.d/rcm-node.toml'), undefined);
    });

for (const isLost of [false, true])
  t.test(`CRI-O removed, its ledger ${isLost ? 'lost' : 'there'}: the drop-in goes`, async (t) => {
    const node = openCase(t, 'crio-packaged');
    await node.once();
    stop(node, true);
    if (isLost) rmSync(join(node.root, 'var/lib/rcm-node'), { recursive: true });
    t.match(await node.uninstall(), { complete: true });
    t.equal(node.read(drop), undefined);
    t.notOk(existsSync(join(node.root, 'opt/rcm-node')));
  });

const bundle = (node: Node, handler: string): void => {
  const folder = `/run/containers/storage/overlay-containers/${handler}/userdata`;
  const annotations = { 'io.kubernetes.cri-o.RuntimeHandler': handler };
  node.write(`${folder}/config.json`, JSON.stringify({ annotations }));
  node.write(`${folder}/pidfile`, '4242');
  node.write('/proc/4242/stat', '');
};

for (const isRemoved of [false, true])
  t.test(`CRI-O ${isRemoved ? 'removed' : 'stopped'}: a container of ours is waited for`, async (t) => {
    const node = openCase(t, 'crio-packaged');
    await node.once();
    stop(node, isRemoved);
    bundle(node, 'wasmedge');
    t.match((await node.uninstall()).ticked.outcome, {
      kind: 'waiting',
      for: [{ code: 'handler-in-use', message: /\(wasmedge\)/ }],
    });
    t.ok(node.read(drop));
  });

t.test('CRI-O stopped: a container of ours is waited for, whatever handler its Pod claims', async (t) => {
  const node = openCase(t, 'crio-packaged');
  await node.once();
  stop(node, false);
  bundle(node, 'runc');
  mkdirSync(join(node.root, 'run/oci/wasmedge/runc'), { recursive: true });
  t.match((await node.uninstall()).ticked.outcome, {
    kind: 'waiting',
    for: [{ code: 'handler-in-use', message: /\(wasmedge\)/ }],
  });
});

t.test('a handler stays for a sandbox of it, whatever handler its Pod claims', async (t) => {
  const node = openCase(t, 'crio-packaged');
  await node.once();
  const annotations = { 'io.kubernetes.cri-o.RuntimeHandler': 'runc' };
  for (const claim of [{ annotations }, { labels: annotations }]) {
    node.fake.containerd.sandboxes = [{ id: 'pod', handler: 'wasmedge', ...claim }];
    t.match((await node.uninstall()).ticked.outcome, {
      kind: 'waiting',
      for: [{ code: 'handler-in-use', handler: 'wasmedge' }],
    });
  }
});

t.test('a container of a handler that is not ours is not waited for', async (t) => {
  const node = openCase(t, 'crio-packaged');
  await node.once();
  stop(node, false);
  bundle(node, 'runc');
  t.match(await node.uninstall(), { complete: true });
});

t.test('the empty folders in which an OCI runtime of ours kept its state go', async (t) => {
  const states = '/run/oci';
  const left = async (...folders: readonly string[]): Promise<readonly string[]> => {
    const node = openCase(t, 'crio-packaged');
    await node.once();
    for (const folder of folders) mkdirSync(join(node.root, folder), { recursive: true });
    t.match(await node.uninstall(), { complete: true });
    return [states, ...folders].filter((folder) => existsSync(join(node.root, folder)));
  };
  t.strictSame(await left(`${states}/wasmedge`), []);
  t.strictSame(await left(`${states}/wasmedge`, `${states}/kata`), [states, `${states}/kata`]);
  t.strictSame(await left(`${states}/wasmedge/left`), [states, `${states}/wasmedge/left`]);
  t.strictSame(await left(states), [states, states], 'no container of ours ran');
});

t.test('a link that others put in the place of a folder stays, and delays no uninstall', async (t) => {
  const moved = async (name: string, folder: string): Promise<void> => {
    const node = openCase(t, name);
    await node.once();
    const [from, to] = [join(node.root, folder), join(node.root, 'data')];
    if (existsSync(from)) renameSync(from, to);
    else mkdirSync(join(to, 'wasmedge'), { recursive: true });
    mkdirSync(join(from, '..'), { recursive: true });
    symlinkSync('/data', from);
    t.match(await node.uninstall(), { complete: true }, folder);
    t.ok(lstatSync(from).isSymbolicLink(), folder);
    t.notOk(existsSync(join(node.root, 'var/lib/rcm-node')), folder);
  };
  await moved('crio-packaged', '/run/oci');
  await moved('2.1-plain', '/etc/containerd/conf.d');
  await moved('2.1-plain', '/opt/rcm-node/store');
});
