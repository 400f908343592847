import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import type { Notifier } from '../../../host/systemd/notify.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { ClusterSettings } from '../../../daemon/model/settings.ts';
import { openSettings } from '../../../daemon/state/load-settings.ts';
import { loop } from '../../../daemon/reconcile/service/loop.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { until } from '../../../testbed/until.ts';

type Running = {
  readonly node: Node;
  /** What systemd heard: `ready`, a status, `watchdog`. */
  readonly heard: string[];
  /** What the cluster was to follow, tick by tick. */
  readonly followed: (ClusterSettings | undefined)[];
  readonly reload: () => void;
  /** Ends the loop after the tick that is under way. */
  readonly end: () => Promise<void>;
};

const start = (
  t: Test,
  change: (host: Host) => Host = (host) => host,
  watchdogMs?: number,
  settings?: string,
  startedAgain = false,
): Running => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  mkdirSync(join(node.root, 'etc/rcm-node/shims.d'), { recursive: true });
  if (settings !== undefined) node.write('/etc/rcm-node/config.toml', settings);
  writeShim(node, 'spin-v2');
  const heard: string[] = [];
  const followed: (ClusterSettings | undefined)[] = [];
  const say = async (text: string): Promise<void> => void heard.push(text);
  const notifier: Notifier = {
    ready: () => say('ready'),
    status: say,
    stopping: () => say('stopping'),
    watchdog: () => say('watchdog'),
    watchdogMs,
  };
  const hands: { reload?: () => void; stop?: () => void } = {};
  // Nothing of the loop keeps a process up: that is the runtime's business in a service.
  const awake = setInterval(() => undefined, 1000);
  const ended = loop(change(node.fake.host), {
    settings: openSettings(node.fake.host),
    notifier,
    runtimes: ['containerd.service', 'crio.service'],
    isStartedAgain: async () => startedAgain,
    cluster: () => ({
      follow: (given) => void followed.push(given),
      facts: () => null,
      tell: () => undefined,
      close: () => undefined,
    }),
    onReload: (wake) => {
      hands.reload = wake;
    },
    onStop: (stop) => {
      hands.stop = stop;
    },
  }).finally(() => clearInterval(awake));
  // A test that failed would leave it, and the process, running.
  t.teardown(() => hands.stop?.());
  return {
    node,
    heard,
    followed,
    reload: () => hands.reload?.(),
    end: () => {
      hands.stop?.();
      return ended;
    },
  };
};

t.test('it is ready before its first tick, reports what it serves, and ends on request', async (t) => {
  const { node, heard, end } = start(t);
  await until(() => heard.some((line) => line.startsWith('Serving 1 of 1 (spin-v2)')));
  await end();
  t.equal(heard[0], 'ready');
  t.equal(heard.at(-1), 'stopping');
  t.strictSame(node.fake.containerd.served(), ['runc', 'spin-v2']);
  t.match(node.read('/run/rcm-node/status.json'), /"converged"/);
});

t.test('a new shim file and a reload each start a tick', async (t) => {
  const { node, heard, reload, end } = start(t);
  await until(() => heard.some((line) => line.startsWith('Serving 1 of 1')));
  writeShim(node, 'wws-v1');
  await until(() => heard.some((line) => line.startsWith('Serving 2 of 2')));
  const { dumps } = node.fake.containerd;
  node.write('/opt/rcm-node/not-watched', '');
  node.remove('/run/rcm-node/status.json');
  reload();
  await until(() => node.read('/run/rcm-node/status.json') !== undefined);
  await end();
  t.equal(node.fake.containerd.dumps, dumps, 'and a settled host is not judged again');
});

t.test(
  'a new shim file begins a tick at once, which changes nothing before the burst has ended',
  async (t) => {
    const main = '/etc/containerd/config.toml';
    const known: { node?: Node } = {};
    const seen: { readonly at: number; readonly what: string; readonly config: string | undefined }[] = [];
    const { node, heard, followed, end } = start(
      t,
      (host) => ({
        ...host,
        log: (level, message, more) => {
          const what = message.replace(/:.*/, '');
          seen.push({ at: host.clock.elapsed(), what, config: known.node?.read(main) });
          host.log(level, message, more);
        },
      }),
      undefined,
      'interval = 86400\n',
    );
    known.node = node;
    await until(() => heard.some((line) => line.startsWith('Serving 1 of 1')));
    const tick = async (change: () => void, isOver: () => boolean) => {
      seen.length = 0;
      const config = node.read(main);
      const from = node.fake.host.clock.elapsed();
      change();
      await until(isOver);
      const find = (what: string) => seen.find((one) => one.what === what);
      return { from, config, find };
    };
    const shim = await tick(
      () => writeShim(node, 'wws-v1'),
      () => heard.some((line) => line.startsWith('Serving 2 of 2')),
    );
    const early = shim.find('looking, before the end of the burst');
    t.equal(early?.at, shim.from, 'nothing is waited for before it');
    const plan = shim.find('plan');
    t.ok((plan?.at ?? 0) >= shim.from + 300, 'the rest of the burst is waited for');
    t.equal(plan?.config, shim.config, 'and until then nothing is written');
    const settings = await tick(
      () => node.write('/etc/rcm-node/config.toml', 'interval = 86400\n[cluster]\nspread = 7\n'),
      () => followed.some((one) => one?.spread === 7),
    );
    t.equal(
      settings.find('looking, before the end of the burst'),
      undefined,
      'a tick does not begin by half of the settings',
    );
    await end();
  },
);

t.test('a start with invalid settings applies nothing, contacts no cluster, and says why', async (t) => {
  const { node, heard, followed, end } = start(t, undefined, undefined, 'alowedHosts = []\n');
  const says = 'unknown key "alowedHosts"; no valid settings are known, so nothing new is installed';
  await until(() => heard.some((line) => line.includes(`refused: /etc/rcm-node/config.toml:1:1: ${says}`)));
  t.match(JSON.parse(node.read('/run/rcm-node/status.json') ?? ''), {
    outcome: { kind: 'refused', problem: { code: 'bad-settings', where: { line: 1, column: 1 } } },
  });
  t.strictSame([...new Set(followed)], [undefined]);
  t.strictSame(node.fake.containerd.served(), ['runc']);
  node.write('/etc/rcm-node/config.toml', '[cluster]\nidentity = "none"\n');
  await until(() => heard.some((line) => line.startsWith('Serving 1 of 1')));
  t.match(followed.at(-1), { identity: 'none' });
  node.write('/etc/rcm-node/config.toml', 'alowedHosts = []\n');
  await until(() => heard.some((line) => line.includes('; the last valid settings stay in force')));
  t.match(followed.at(-1), { identity: 'none' });
  await end();
});

t.test('a tick that fails is reported until one succeeds', async (t) => {
  const broken = { by: undefined as 'internal' | 'locked' | undefined };
  const { node, heard, reload, end } = start(t, (host) => ({
    ...host,
    lock: async (...given) => {
      if (broken.by) throw new Failure({ code: broken.by, message: 'the disk does not answer' });
      return host.lock(...given);
    },
  }));
  const outcome = (): string =>
    JSON.parse(node.read('/run/rcm-node/status.json') ?? '{"outcome":{}}').outcome.kind;
  await until(() => heard.some((line) => line.startsWith('Serving 1 of 1')) && outcome() === 'converged');
  broken.by = 'locked';
  reload();
  await until(() => heard.at(-1) === 'the disk does not answer');
  t.equal(outcome(), 'converged', 'the holder of the lock reports');
  broken.by = 'internal';
  reload();
  await until(() => outcome() === 'failed');
  const metrics = (): string => node.read('/run/rcm-node/metrics.prom') ?? '';
  await until(() => metrics().includes('rcm_node_state{state="failed"} 1'));
  t.match(metrics(), 'rcm_node_problems{code="internal"} 1\n');
  broken.by = undefined;
  reload();
  await until(() => outcome() === 'converged');
  await end();
});

t.test('the watchdog gets no more messages once a tick hangs for good', async (t) => {
  const hung = Promise.withResolvers<never>();
  const hanging = { asked: false };
  const lock = (): Promise<never> => {
    hanging.asked = true;
    return hung.promise;
  };
  const { node, heard, end } = start(t, (host) => ({ ...host, lock }), 4);
  const beats = (): number => heard.filter((line) => line === 'watchdog').length;
  await until(() => hanging.asked && beats() >= 2);
  node.fake.advance(24 * 3_600_000);
  const silent = /^error: no progress for .*, the watchdog ends this process$/;
  await until(() => node.fake.lines.some((line) => silent.test(line)));
  const before = beats();
  await new Promise((resolve) => setTimeout(resolve, 40));
  t.equal(beats(), before);
  hung.reject(new Error('it ends for the sake of the test'));
  await end();
});

t.test('a stop does not wait for a download, and does not count it as failed', async (t) => {
  const asked = Promise.withResolvers<void>();
  const server = createServer(() => asked.resolve()).listen(0, '127.0.0.1');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { node, end, heard } = start(t);
  await until(() => heard.some((line) => line.startsWith('Serving 1 of 1')));
  node.write(
    '/etc/rcm-node/shims.d/wws-v1.toml',
    `name = "wws-v1"\n[fetchStrategy.anonHttp]\nlocation = "http://127.0.0.1:${port}/x"\nsha256 = "${'0'.repeat(64)}"\n`,
  );
  await asked.promise;
  await end();
  t.equal(heard.at(-1), 'stopping');
  t.strictSame(JSON.parse(node.read('/var/lib/rcm-node/ledger.json') ?? '').attempts, {});
});

t.test('a runtime that goes away and comes back is noticed without waiting for the next tick', async (t) => {
  const { node, heard, end } = start(t, undefined, undefined, 'interval = 86400\n');
  const { containerd } = node.fake;
  const handlers = () => JSON.parse(node.read('/run/rcm-node/status.json') ?? '{"handlers":[]}').handlers;
  await until(() => heard.some((line) => line.startsWith('Serving 1 of 1')));
  containerd.stopByOther();
  const lost =
    /^Not known whether 1 of 1 are served \(spin-v2\) on .*; refused: containerd\.service is inactive/;
  await until(() => lost.test(heard.at(-1) ?? ''));
  t.match(handlers(), [{ name: 'spin-v2', state: 'unknown' }]);
  t.match(node.read('/run/rcm-node/metrics.prom'), 'rcm_node_handler{handler="spin-v2",state="unknown"} 1');
  t.notMatch(node.read('/run/rcm-node/metrics.prom'), 'state="served"');
  const jobs = containerd.jobs.length;
  containerd.restartByOther();
  await until(() => heard.at(-1)?.startsWith('Serving 1 of 1') === true);
  t.match(handlers(), [{ name: 'spin-v2', state: 'served' }]);
  await end();
  t.equal(containerd.jobs.length, jobs, 'and nothing was restarted for it');
});

t.test('a short restart by others does not count as a loss', async (t) => {
  const { node, heard, end } = start(t, undefined, undefined, 'interval = 86400\n');
  await until(() => heard.some((line) => line.startsWith('Serving 1 of 1')));
  const { containerd } = node.fake;
  const loaded = (): string =>
    JSON.parse(node.read('/var/lib/rcm-node/ledger.json') ?? '{}').loaded?.invocation;
  containerd.restartByOther();
  await until(() => loaded() === containerd.unit.invocation);
  await end();
  t.strictSame(
    heard.filter((line) => /Not known/.test(line)),
    [],
  );
});
