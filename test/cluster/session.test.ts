import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { Files } from '../../host/files/files.ts';
import { annotations } from '../../protocol/node-annotations.ts';
import { emptyLedger } from '../../daemon/model/ledger.ts';
import type { HandlerReport } from '../../daemon/model/plan.ts';
import { defaultSettings } from '../../daemon/model/settings.ts';
import { approvedPrefix, printApproval } from '../../protocol/node-labels.ts';
import { type Cluster, openCluster } from '../../daemon/cluster/session.ts';
import { gather } from '../../daemon/reconcile/sources/gather.ts';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { hostOf, nodePath, shimPath, startServer } from '../../testbed/simulated/cluster-server.ts';
import { until } from '../../testbed/until.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { told } from './told.ts';

/** `files`, and in `busy` how many of its calls are under way. */
const counted = (files: Files, busy: { calls: number }): Files =>
  new Proxy(files, {
    get: (all, name) => {
      const call: unknown = Reflect.get(all, name);
      if (typeof call !== 'function') return call;
      return (...given: readonly unknown[]): unknown => {
        const answer: unknown = call(...given);
        if (!(answer instanceof Promise)) return answer;
        busy.calls++;
        return answer.finally(() => busy.calls--);
      };
    },
  });

const start = async (t: Test) => {
  const given = await startServer(t);
  const { host: real, lines } = hostOf(given.root);
  const time = { later: 0 };
  const busy = { calls: 0 };
  const host = {
    ...real,
    files: counted(real.files, busy),
    clock: { ...real.clock, elapsed: () => real.clock.elapsed() + time.later },
  };
  const woken = { count: 0 };
  const cluster: Cluster = openCluster(host, () => {
    woken.count++;
  });
  /** Its first answer is on the disk: a test that ends before would take the folder away under it. */
  const isWritten = (): boolean => existsSync(join(given.root, 'var/lib/rcm-node/cluster.json'));
  t.teardown(async () => {
    cluster.close();
    // A write that is under way on a busy disk would find its folder gone.
    for (let still = 0; still < 10; still = busy.calls === 0 ? still + 1 : 0) await sleep(10);
  });
  const settings = {
    identity: 'kubelet',
    kubeconfig: given.kubeconfig,
    legacyLabels: false,
    spread: 0,
  } as const;
  const asked = (): readonly string[] => {
    try {
      const text = readFileSync(join(given.root, 'var/lib/rcm-node/cluster.json'), 'utf8');
      return (JSON.parse(text) as { shims: ShimObject[] }).shims.map((one) => one.metadata.name);
    } catch {
      return [];
    }
  };
  const kubeconfig = join(given.root, given.kubeconfig);
  return { ...given, kubeconfig, host, time, cluster, settings, asked, isWritten, woken, lines };
};

t.test(
  'a Shim is served when it selects this node, and removed by a label or a deletion',
  needsOpenssl,
  async (t) => {
    const { world, tell, cluster, settings, asked, woken } = await start(t);
    t.equal(cluster.facts(), null);
    world.shims = [{ metadata: { name: 'spin' }, spec: { nodeSelector: { on: 'yes' } } }];
    cluster.follow(settings);
    await until(() => asked().length === 1);
    await until(() => cluster.facts()?.state === 'synced');
    t.match(cluster.facts(), { identity: 'kubelet', node: 'n', server: /^https:/, confirmed: /^\d{4}-/ });
    t.ok(woken.count > 0, 'a tick follows');

    await until(() => world.watches.size === 2);
    const wws: ShimObject = { metadata: { name: 'wws' }, spec: {} };
    world.shims = [...world.shims, wws];
    tell(shimPath, 'ADDED', wws);
    await until(() => asked().length === 2);

    world.node = { metadata: { ...world.node.metadata, labels: { on: 'no' } } };
    tell(nodePath, 'MODIFIED', world.node);
    await until(() => asked().join() === 'wws');

    world.shims = [];
    tell(shimPath, 'DELETED', wws);
    await until(() => asked().length === 0);
  },
);

t.test(
  'the result of a tick is written to the Node, and nothing when nothing changed',
  needsOpenssl,
  async (t) => {
    const { world, cluster, settings, server, woken } = await start(t);
    world.held = [];
    cluster.follow(settings);
    await until(() => world.held?.length === 1);
    cluster.tell(told());
    await sleep(20);
    t.equal(world.node.metadata.annotations, undefined, 'nothing before it is known what is asked for');
    const before = woken.count;
    const { held } = world;
    world.held = undefined;
    for (const answer of held) answer();
    await until(() => woken.count > before);
    await until(() => {
      cluster.tell(told());
      return world.node.metadata.annotations?.[annotations.state] === 'Ready';
    });
    await until(() => world.events.length === 1);
    const patches = (): number => server.asked.filter((one) => one.method === 'PATCH').length;
    for (let tick = 0; tick < 3; tick++) {
      cluster.follow(settings);
      cluster.tell(told());
      await sleep(20);
    }
    t.equal(patches(), 1);
    t.match(server.asked.find((one) => one.method === 'PATCH')?.headers, {
      'content-type': 'application/merge-patch+json',
    });
  },
);

t.test('a denial by the API server keeps the desired state, and is named', needsOpenssl, async (t) => {
  const { world, cluster, settings, asked, server, lines } = await start(t);
  world.shims = [{ metadata: { name: 'spin' }, spec: {} }];
  cluster.follow(settings);
  await until(() => cluster.facts()?.state === 'synced' && asked().length === 1);
  world.forbidden = true;
  server.cut();
  await until(() => cluster.facts()?.state === 'stale');
  t.match(cluster.facts()?.problem, { code: 'api-forbidden' });
  t.same(asked(), ['spin']);
  t.ok(lines.some((line) => line.startsWith('warn ') && line.includes('answered 403')));
  world.forbidden = false;
  await until(() => cluster.facts()?.state === 'synced');
  t.same(asked(), ['spin']);
});

t.test('a node that cannot reach its API server says so, and joins when it can', needsOpenssl, async (t) => {
  const { cluster, settings, kubeconfig, isWritten } = await start(t);
  const good = readFileSync(kubeconfig, 'utf8');
  writeFileSync(kubeconfig, '{');
  cluster.follow(settings);
  await until(() => cluster.facts()?.problem !== undefined);
  t.match(cluster.facts(), { state: 'stale', node: null, problem: { code: 'bad-kubeconfig' } });
  writeFileSync(kubeconfig, good);
  await until(() => {
    cluster.follow(settings);
    return cluster.facts()?.state === 'synced' && isWritten();
  });
});

t.test('during an outage of the API server each tick can report it', needsOpenssl, async (t) => {
  const { cluster, settings, kubeconfig, server, isWritten } = await start(t);
  const good = readFileSync(kubeconfig, 'utf8');
  writeFileSync(kubeconfig, good.replace(server.url, 'https://127.0.0.1:1'));
  cluster.follow(settings);
  await until(() => cluster.facts()?.problem !== undefined);
  const states = new Set<string | undefined>();
  for (let tick = 0; tick < 100; tick++) {
    cluster.follow(settings);
    states.add(cluster.facts()?.problem?.code);
    await sleep(1);
  }
  t.same([...states], ['api-unreachable']);
  writeFileSync(kubeconfig, good);
  await until(() => {
    cluster.follow(settings);
    return cluster.facts()?.state === 'synced' && isWritten();
  });
});

t.test(
  'a host without a kubelet has no cluster; settings can forbid one, and take effect at once',
  needsOpenssl,
  async (t) => {
    const { world, cluster, settings, server, isWritten } = await start(t);
    cluster.follow(undefined);
    cluster.follow(defaultSettings.cluster);
    await sleep(20);
    t.equal(cluster.facts(), null);
    await until(() => {
      cluster.follow(settings);
      return cluster.facts()?.state === 'synced' && isWritten();
    });
    world.node = { metadata: { ...world.node.metadata, labels: { 'shim.rcm.spinkube.dev/x': 'served' } } };
    cluster.follow(undefined);
    t.match(
      cluster.facts(),
      { state: 'synced', identity: 'kubelet' },
      'settings that are lost are no answer',
    );
    cluster.follow({ ...settings, identity: 'none' });
    t.equal(cluster.facts(), null);
    await until(() => Object.keys(world.node.metadata.labels ?? {}).length === 0);
    const before = server.asked.length;
    cluster.follow({ ...settings, identity: 'none' });
    await sleep(30);
    t.equal(server.asked.length, before, 'and then it is not asked any more');
  },
);

t.test(
  'the end of the service does not wait for an API server, not even for one that never answers',
  needsOpenssl,
  async (t) => {
    const { cluster, settings, kubeconfig } = await start(t);
    const calls = { open: 0 };
    const mute = createServer((socket) => {
      calls.open++;
      socket.on('error', () => undefined).on('close', () => calls.open--);
      socket.resume();
    });
    await new Promise<void>((done) => mute.listen(0, '127.0.0.1', done));
    t.teardown(() => mute.close());
    const { port } = mute.address() as AddressInfo;
    const text = readFileSync(kubeconfig, 'utf8').replace(
      /"server":"[^"]*"/,
      `"server":"https://127.0.0.1:${port}"`,
    );
    writeFileSync(kubeconfig, text);
    cluster.follow(settings);
    await until(() => calls.open === 1);
    cluster.close();
    await until(() => calls.open === 0);
    t.pass('the call was ended');
  },
);

t.test(
  'a node that joined again with another name is found by it, without a restart of the service',
  needsOpenssl,
  async (t) => {
    const { world, cluster, settings, server, time, isWritten } = await start(t);
    cluster.follow(settings);
    await until(() => cluster.facts()?.state === 'synced' && isWritten());
    world.forbidden = true;
    server.cut();
    await until(() => cluster.facts()?.state === 'stale');
    world.username = 'system:node:m';
    world.node = { metadata: { name: 'm', uid: 'v' } };
    await until(() => cluster.facts()?.problem?.code === 'api-forbidden');
    cluster.follow(settings);
    t.equal(cluster.facts()?.node, 'n', 'not at the first word');
    await until(() => {
      time.later += 60_000;
      cluster.follow(settings);
      return cluster.facts()?.node === null;
    });
    t.match(cluster.facts(), { state: 'stale', problem: { code: 'api-forbidden' } }, 'still said');
    world.forbidden = false;
    await until(() => cluster.facts()?.node === 'm' && cluster.facts()?.state === 'synced');
  },
);

t.test(
  'a change that needs an approval has the Lease read, and an approval on the Node is applied from the disk',
  needsOpenssl,
  async (t) => {
    const { world, tell, cluster, settings, host, isWritten, woken } = await start(t);
    world.shims = [{ metadata: { name: 'spin' }, spec: {} }];
    cluster.follow(settings);
    await until(() => cluster.facts()?.state === 'synced' && isWritten());
    const policy = { machine: 'amd64', allowUnpinned: false, allowedHosts: [] } as const;
    const approvals = async () => (await gather(host, policy, emptyLedger)).approvals;
    t.match(await approvals(), { approved: {}, controller: undefined });
    t.equal(cluster.facts()?.controller, undefined, 'no change needs an approval');

    const { report, ...rest } = told();
    const needed: HandlerReport = {
      name: 'spin',
      state: 'pending',
      source: 'x',
      approval: { shim: 'spin', revision: 'r1', hold: 'unknown' },
    };
    const before = woken.count;
    cluster.tell({ ...rest, report: { ...report, handlers: [needed] } });
    await until(() => cluster.facts()?.controller === 'none');
    await until(async () => (await approvals())?.alone.spin?.revision === 'r1');
    await until(() => woken.count > before);

    world.lease = { spec: { renewTime: new Date().toISOString() } };
    await until(() => cluster.facts()?.controller === 'alive');
    await until(async () => (await approvals())?.controller?.answer === 'alive');
    t.same((await approvals())?.alone, {}, 'a controller came, and has the say');

    const approved = printApproval({ revision: 'r1', until: Date.parse('2099-01-01') });
    world.node = {
      metadata: { ...world.node.metadata, labels: { [`${approvedPrefix}spin`]: approved } },
    };
    tell(nodePath, 'MODIFIED', world.node);
    await until(async () => (await approvals())?.approved.spin?.value === approved);
    const left = Date.parse((await approvals())?.approved.spin?.until ?? '') - host.clock.now();
    t.ok(
      left > 0 && left <= 15 * 60_000 + 1000,
      'for the lifetime of an approval, by the clock of the server',
    );
    cluster.tell({ ...rest, report: { ...report, handlers: [] } });
    await until(() => cluster.facts()?.controller === undefined);
    // It is written; a write that is under way would find its folder gone.
    await until(async () => (await approvals())?.controller === undefined);
  },
);
