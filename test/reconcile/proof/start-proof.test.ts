import t, { type Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import { CallError } from '../../../host/cri/grpc.ts';
import type { SandboxStart } from '../../../testbed/simulated/fake/daemon.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { difference, foreign, treeOf } from '../../../testbed/simulated/tree.ts';

const nodeOf = (t: Test, version = '2.1.4'): Node => {
  const node = openNode(makeRoot(t), { version });
  writeShim(node, 'spin-v2');
  return node;
};
const behaves = (node: Node, how: SandboxStart, default_: SandboxStart = 'works'): void => {
  node.fake.containerd.starts = (handler) => (handler === '' ? default_ : how);
};
const startOf = (node: Node, name = 'spin-v2'): unknown =>
  JSON.parse(node.read('/var/lib/rcm-node/ledger.json') ?? '{}').starts?.[name];

for (const version of ['1.7.24', '2.1.4'])
  t.test(`on ${version} a new handler is proven by a sandbox, which is removed`, async (t) => {
    const node = nodeOf(t, version);
    const { containerd } = node.fake;
    t.equal((await node.once()).outcome.kind, 'converged');
    t.strictSame(containerd.sandboxJobs, ['start spin-v2', 'remove proof-1']);
    t.strictSame(containerd.sandboxes, []);
    const again = await node.once();
    t.match(again.decision.handlers, [{ state: 'served', start: { kind: 'started' } }]);
    writeShim(node, 'wws-v1');
    await node.once();
    t.strictSame(
      containerd.sandboxJobs.slice(2),
      ['start wws-v1', 'remove proof-2'],
      'with what is new alone',
    );
  });

for (const version of ['1.7.24', '2.1.4'])
  for (const how of ['refused', 'drags', 'kills'] as const)
    t.test(
      `on ${version} a shim that CRI lists and that starts nothing (${how}) is rolled back`,
      async (t) => {
        const node = nodeOf(t, version);
        const { containerd } = node.fake;
        behaves(node, how);
        const before = foreign(treeOf(node.root));
        const ticked = await node.once();
        t.match(ticked.outcome, {
          kind: 'failed',
          undone: true,
          problem: {
            code: 'not-started',
            handler: 'spin-v2',
            message: /CRI lists "spin-v2", but a sandbox with it .* one of the default handler does start/,
            detail: /failed to start shim: start failed/,
          },
        });
        t.strictSame(difference(before, foreign(treeOf(node.root))), {}, 'every byte is back');
        t.strictSame(containerd.served(), ['runc']);
        t.strictSame(containerd.sandboxes, [], 'and no sandbox is left');
        t.equal(containerd.jobs.length, 2);
        const again = await node.once();
        t.match(again.outcome, {
          kind: 'degraded',
          problems: [{ code: 'known-bad', handler: 'spin-v2' }],
        });
        t.equal(containerd.jobs.length, 2, 'it is left alone');
      },
    );

t.test('a failure that every handler has on this node is no failure of a shim', async (t) => {
  for (const default_ of ['refused', 'late', 'kills'] as const) {
    const node = nodeOf(t);
    behaves(node, 'refused', default_);
    const ticked = await node.once();
    t.equal(node.fake.containerd.jobs.length, 1, `${default_}: nothing is rolled back`);
    if (default_ !== 'kills') t.equal(ticked.outcome.kind, 'converged');
    t.match(startOf(node), { why: /default handler does not start here either/ });
  }
});

t.test('a failure that does not repeat does not count', async (t) => {
  const node = nodeOf(t);
  const { containerd } = node.fake;
  containerd.starts = () => (containerd.sandboxJobs.length === 1 ? 'refused' : 'works');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(
    containerd.sandboxJobs.filter((job) => job.startsWith('start')),
    ['start spin-v2', 'start (default)', 'start spin-v2'],
  );
  t.match(startOf(node), { why: undefined });
});

t.test('without resources on the node no sandbox is started, and the message says why', async (t) => {
  const cases: readonly (readonly [string, (node: Node) => void, RegExp])[] = [
    [
      'no image',
      ({ fake }) => void Object.assign(fake.containerd, { pauseImage: false }),
      /image of sandboxes is not on this node/,
    ],
    [
      'no memory',
      ({ fake }) =>
        void Object.assign(fake, { pressure: { ...fake.pressure, memory: { available: 1e6, total: 1e9 } } }),
      /MiB of memory/,
    ],
    [
      'no disk',
      ({ fake }) =>
        void Object.assign(fake, { pressure: { ...fake.pressure, disk: { bytes: 0.01, inodes: 1 } } }),
      /of the disk/,
    ],
    [
      'no inodes',
      ({ fake }) =>
        void Object.assign(fake, { pressure: { ...fake.pressure, disk: { bytes: 1, inodes: 0 } } }),
      /of the inodes/,
    ],
    [
      'no processes',
      ({ fake }) =>
        void Object.assign(fake, { pressure: { ...fake.pressure, tasks: { running: 99, most: 100 } } }),
      /99 tasks/,
    ],
    ['nothing is known', ({ fake }) => void Object.assign(fake, { pressure: {} }), /cannot be found out/],
    [
      'it is not wanted',
      (node) => node.write('/etc/rcm-node/config.toml', 'verifyExcept = ["spin-v2"]\n'),
      /verifyExcept/,
    ],
    [
      'of no handler',
      (node) => node.write('/etc/rcm-node/config.toml', 'verifyExcept = ["*"]\n'),
      /verifyExcept/,
    ],
  ];
  for (const [what, change, why] of cases) {
    const node = nodeOf(t);
    behaves(node, 'refused');
    change(node);
    t.equal((await node.once()).outcome.kind, 'converged', what);
    t.strictSame(node.fake.containerd.sandboxJobs, [], what);
    const [handler] = (await node.once()).decision.handlers;
    t.match(handler, { state: 'served', start: { kind: 'listed', why } }, what);
    t.ok(
      node.fake.lines.some((line) => /spin-v2 is listed by CRI, not started/.test(line)),
      what,
    );
  }
});

t.test('a shim that cannot use the host network does not fail', async (t) => {
  const node = nodeOf(t);
  const { host } = node.fake;
  const cause = new CallError('UNKNOWN', 'x');
  const { Failure } = await import('../../../protocol/problem/problem.ts');
  const detail = 'failed to create shim task: Host networking requested, not supported by runtime';
  const ticked = await node.once(
    {},
    {
      ...host,
      cri: (socket) => ({
        ...host.cri(socket),
        startSandbox: async () => {
          throw new Failure({ code: 'runtime-unreachable', message: 'refused', detail }, cause);
        },
      }),
    },
  );
  t.equal(ticked.outcome.kind, 'converged');
  t.match(startOf(node), { why: /its own network/ });
});

t.test(
  'a new version that starts nothing is rolled back without a restart, and not tried again',
  async (t) => {
    const node = nodeOf(t);
    const { containerd } = node.fake;
    await node.once();
    const link = (): unknown => treeOf(node.root)['/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2'];
    const former = link();
    containerd.jobs.length = 0;
    writeShim(node, 'spin-v2', 'spin-v2-new');
    behaves(node, 'refused');
    t.match((await node.once()).outcome, { kind: 'failed', undone: true, problem: { code: 'not-started' } });
    t.strictSame(link(), former, 'the former version is served');
    const asked = containerd.sandboxJobs.length;
    for (const _ of [1, 2]) {
      const again = await node.once();
      t.match(again.outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }] });
      t.match(again.decision.handlers, [{ state: 'failed' }]);
    }
    t.equal(containerd.sandboxJobs.length, asked);
    t.strictSame(containerd.jobs, [], 'no restart at all');
    behaves(node, 'works');
    writeShim(node, 'spin-v2', 'spin-v2-newer');
    t.equal((await node.once()).outcome.kind, 'converged');
    t.not(JSON.stringify(link()), JSON.stringify(former));
    t.equal((await node.once()).ledger.bad, null);
  },
);

t.test(
  'sandboxes of a killed run are removed and count as no use, and a Pod is never mistaken for one',
  async (t) => {
    const node = nodeOf(t);
    const { containerd } = node.fake;
    await node.once();
    const labels = { 'rcm.spinkube.dev/proof': 'spin-v2' };
    const ours = { id: 'left', handler: 'spin-v2', namespace: 'rcm-node.proof', labels };
    const pod = { id: 'pod', handler: 'spin-v2', namespace: 'default', labels };
    containerd.sandboxes = [ours, pod];
    await node.once();
    t.strictSame(containerd.sandboxes, [pod], 'whatever labels it has');
    node.remove('/etc/rcm-node/shims.d/spin-v2.toml');
    t.match((await node.once()).outcome, { kind: 'waiting', for: [{ code: 'handler-in-use' }] });
    containerd.sandboxes = [ours];
    behaves(node, 'stays');
    t.equal((await node.once()).outcome.kind, 'converged', 'one that cannot be removed keeps nothing');
    t.strictSame(containerd.served(), ['runc']);
  },
);

t.test('a sandbox that cannot be removed counts as started, and its removal is retried', async (t) => {
  const node = nodeOf(t);
  const { containerd } = node.fake;
  behaves(node, 'stays');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(containerd.sandboxes.length, 1);
  behaves(node, 'works');
  await node.once();
  t.strictSame(containerd.sandboxes, []);
});

t.test('an image that is prepared starts nothing', async (t) => {
  const node = nodeOf(t);
  await node.once({ activate: false });
  t.strictSame(node.fake.containerd.sandboxJobs, []);
});

t.test('in the worst case the runtime is healthy again 240 s after the first restart', async (t) => {
  for (const names of [['spin-v2'], ['spin-v2', 'a', 'b', 'c', 'd']]) {
    const node = nodeOf(t);
    for (const name of names) writeShim(node, name);
    const { containerd } = node.fake;
    const isOurs = (handlers: readonly string[]): boolean => handlers.includes('spin-v2');
    containerd.behaves = (handlers) => ({ slow: isOurs(handlers) ? 59_000 : 100_000 });
    node.write('/etc/rcm-node/config.toml', 'stable = 40\n');
    behaves(node, 'drags');
    await node.once();
    // What is left of it is the next plan, which begins when the runtime is healthy.
    const times = containerd.jobs.map((job) => Number(job.split(' ')[1] ?? 0));
    const end = node.fake.host.clock.elapsed();
    const spent = times.flatMap((from, at) => (at % 2 === 0 ? [(times[at + 2] ?? end) - from] : []));
    t.ok(
      spent.every((ms) => ms <= 240_000),
      `${names}: ${spent} ms`,
    );
    node.fake.advance(240_000);
    t.strictSame(containerd.served(), ['runc']);
  }
});

t.test('a slow shim is served, and reported as listed only', async (t) => {
  const node = nodeOf(t);
  behaves(node, 'late');
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(node.fake.containerd.jobs.length, 1, 'nothing is rolled back');
  t.match(startOf(node), { why: /started within \d+ s/ });
});

t.test('a sandbox that ends rcm-node, or the node, is tried twice, and then is a failure', async (t) => {
  const node = nodeOf(t);
  const { containerd } = node.fake;
  const died = new Error('killed');
  const state = { dead: false, starts: 0 };
  /** Once it is dead, nothing that is asked of the host is done. */
  const mortal = <Part extends object>(part: Part): Part =>
    new Proxy(part, {
      get: (of, key) => {
        const value: unknown = Reflect.get(of, key);
        if (typeof value === 'object' && value !== null) return mortal(value);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]) => {
          if (key === 'startSandbox') {
            state.dead = true;
            state.starts += 1;
          }
          if (state.dead) throw died;
          const answer: unknown = Reflect.apply(value, of, given);
          return key === 'cri' ? mortal(answer as object) : answer;
        };
      },
    });
  for (let boot = 0; boot < 4; boot++) {
    await node.once({}, mortal(node.fake.host)).catch((error: unknown) => t.equal(error, died));
    state.dead = false;
    node.fake.locked = false;
  }
  t.equal(state.starts, 2);
  t.strictSame(containerd.served(), ['runc']);
  t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }] });
});

t.test('sandboxes that cannot be removed do not delay a tick', async (t) => {
  const node = nodeOf(t);
  const { containerd, host } = node.fake;
  await node.once();
  containerd.sandboxes = Array.from({ length: 50 }, (_, at) => ({
    ...{ id: `left-${at}`, handler: 'spin-v2', namespace: 'rcm-node.proof' },
    labels: { 'rcm.spinkube.dev/proof': 'spin-v2' },
  }));
  const stuck: Host = {
    ...host,
    cri: (socket) => ({ ...host.cri(socket), removeSandbox: async (_id, ms) => node.fake.advance(2 * ms) }),
  };
  const from = host.clock.elapsed();
  await node.once({}, stuck);
  t.ok(host.clock.elapsed() - from < 20_000);
});

t.test('a disk that does not answer delays no proof', async (t) => {
  const node = nodeOf(t);
  const { host } = node.fake;
  const never = Promise.withResolvers<never>();
  const gone: Host = {
    ...host,
    pressure: () => never.promise,
    clock: {
      ...host.clock,
      within: async (work, ms) => work !== never.promise && host.clock.within(work, ms),
    },
  };
  t.equal((await node.once({}, gone)).outcome.kind, 'converged');
  t.match(startOf(node), { why: /does not respond/ });
});
