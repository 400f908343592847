/** One shim that starts nothing holds up no other: it alone is left out, and remembered. Every stop: many whole ticks. */
import { statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { printClusterCache } from '../../../daemon/model/cluster-cache.ts';
import type { Ticked } from '../../../daemon/reconcile/once.ts';
import { revisionOf } from '../../../daemon/shims/revision.ts';
import { seen } from '../../approvals.ts';
import type { ShimObject } from '../../../protocol/shim-object.ts';
import { type Row, rows } from '../../../testbed/simulated/rows.ts';
import {
  makeRoot,
  type Node,
  openNode,
  program,
  sha256,
  shimFile,
  writeShim,
} from '../../../testbed/simulated/node.ts';

const newest = rows[1] as Row;
const fileOf = (name: string): string => `/etc/rcm-node/shims.d/${name}.toml`;

/** With these no sandbox starts. */
const refuse = (node: Node, ...names: readonly string[]): void => {
  node.fake.containerd.starts = (handler) => (names.includes(handler) ? 'refused' : 'works');
};
const nodeOf = (t: Test, { meta }: Row = newest): Node => {
  const node = openNode(makeRoot(t), meta);
  refuse(node, 'bad');
  return node;
};
const served = (node: Node): readonly string[] => [...node.fake.containerd.served()].sort();
const restarts = (node: Node): number => node.fake.containerd.jobs.length;
const failedStarts = (node: Node): object =>
  JSON.parse(node.read('/var/lib/rcm-node/ledger.json') ?? '{}').failedStarts;
const statesOf = ({ decision }: Ticked): Readonly<Record<string, string>> =>
  Object.fromEntries(decision.handlers.map(({ name, state }) => [name, state]));

/** Three are asked for at once, and one of them starts nothing. */
const failed = async (t: Test, row?: Row): Promise<Node> => {
  const node = nodeOf(t, row);
  for (const name of ['a', 'bad', 'c']) writeShim(node, name);
  t.match((await node.once()).outcome, {
    kind: 'failed',
    undone: true,
    problem: { code: 'not-started', handler: 'bad' },
  });
  return node;
};

for (const row of rows)
  t.test(`on ${row.name} a shim that starts nothing delays no other`, async (t) => {
    const node = await failed(t, row);
    t.strictSame(served(node), ['a', 'c', row.usual], 'with one more restart');
    t.equal(restarts(node), 3);
    const seen = new Set<string>();
    for (const _ of [1, 2, 3]) {
      // A service that starts again knows no more than the disk.
      node.fake.advance(10 * 60_000);
      const again = await node.once();
      t.strictSame(statesOf(again), { a: 'served', bad: 'failed', c: 'served' });
      t.strictSame(again.did, []);
      if (again.outcome.kind !== 'degraded') return t.fail(again.outcome.kind);
      const [problem, ...more] = again.outcome.problems;
      t.strictSame(more, []);
      t.match(problem, {
        code: 'known-bad',
        handler: 'bad',
        message: /failed its proof here and is not tried again until it changes: CRI lists "bad"/,
        detail: /start failed/,
        hint: new RegExp(
          `journalctl -u ${node.runtime}\\.service --since .*rcm-node retry bad, or rcm-node once --force`,
        ),
      });
      seen.add(JSON.stringify(problem));
    }
    t.equal(seen.size, 1, 'the same words each time');
    t.equal(restarts(node), 3, 'it is left alone');
    t.equal((await node.once()).ledger.bad, null);
  });

t.test('a later handler is served beside it, and the failed one stays known', async (t) => {
  const node = await failed(t);
  writeShim(node, 'd');
  await node.once();
  t.equal(restarts(node), 3, 'the budget of restarts applies');
  node.fake.advance(61 * 60_000);
  t.match((await node.once()).outcome, {
    kind: 'degraded',
    problems: [{ code: 'known-bad', handler: 'bad' }],
  });
  t.strictSame(served(node), ['a', 'c', 'd', 'runc']);
  t.equal(restarts(node), 4);
  t.strictSame(Object.keys(failedStarts(node)), ['bad']);
});

t.test('its former version stays served, beside what was added with the new one', async (t) => {
  const node = nodeOf(t);
  refuse(node);
  writeShim(node, 'bad');
  await node.once();
  node.fake.advance(61 * 60_000);
  refuse(node, 'bad');
  writeShim(node, 'bad', 'bad-new', 'podAnnotations = ["x/*"]\n');
  writeShim(node, 'a');
  await node.once();
  t.strictSame(served(node), ['a', 'bad', 'runc']);
  t.equal(restarts(node), 4);
  const again = await node.once();
  t.strictSame(statesOf(again), { a: 'served', bad: 'failed' });
  t.strictSame(again.ledger.handlers.bad?.sha256, sha256(program('bad')));
  writeShim(node, 'bad');
  t.equal((await node.once()).outcome.kind, 'converged', 'and is what is asked for again');
  t.equal(restarts(node), 4);
  t.strictSame(failedStarts(node), {});
});

t.test('of two new versions the one that starts is served without any restart', async (t) => {
  const node = nodeOf(t);
  refuse(node);
  for (const name of ['a', 'bad']) writeShim(node, name);
  await node.once();
  refuse(node, 'bad');
  for (const name of ['a', 'bad']) writeShim(node, name, `${name}-new`);
  await node.once();
  const { ledger } = await node.once();
  t.equal(ledger.handlers.a?.sha256, sha256(program('a-new')));
  t.equal(ledger.handlers.bad?.sha256, sha256(program('bad')));
  t.equal(restarts(node), 1);
});

t.test('a renamed shim is served with its former name while it does not start', async (t) => {
  const node = nodeOf(t);
  writeShim(node, 'spin');
  await node.once();
  node.fake.advance(61 * 60_000);
  writeShim(node, 'a');
  node.write(fileOf('spin'), shimFile('bad', 'spin'));
  await node.once();
  for (const _ of [1, 2]) {
    t.strictSame(served(node), ['a', 'runc', 'spin']);
    t.match((await node.once()).outcome, {
      kind: 'degraded',
      problems: [{ code: 'known-bad' }, { code: 'known-bad' }],
    });
  }
  refuse(node);
  node.fake.advance(61 * 60_000);
  t.equal((await node.once({ retry: 'bad' })).outcome.kind, 'converged');
  t.strictSame(served(node), ['a', 'bad', 'runc']);
});

t.test('it is retried when a person asks, or when it changed', async (t) => {
  const ways: Readonly<Record<string, (node: Node) => Promise<unknown>>> = {
    'retry of the handler': (node) => node.once({ retry: 'bad' }),
    'a reload, or a start of the service': (node) => node.once({ retry: true }),
    force: (node) => node.once({ force: true }),
    'its file is touched': (node) => {
      utimesSync(join(node.root, fileOf('bad')), 1_900_000_000, 1_900_000_000);
      return node.once();
    },
    'another shim': (node) => {
      writeShim(node, 'bad', 'better');
      return node.once();
    },
    'other options': (node) => {
      writeShim(node, 'bad', 'bad', 'podAnnotations = ["x/*"]\n');
      return node.once();
    },
  };
  for (const [what, way] of Object.entries(ways)) {
    const node = await failed(t);
    await node.once();
    refuse(node);
    node.fake.advance(61 * 60_000);
    await way(node);
    t.equal((await node.once()).outcome.kind, 'converged', what);
    t.strictSame(served(node), ['a', 'bad', 'c', 'runc'], what);
    t.equal(restarts(node), 4, what);
    t.strictSame(failedStarts(node), {}, what);
  }
});

t.test('it is not retried for another shim, and one that fails again is left out again', async (t) => {
  const node = await failed(t);
  await node.once();
  utimesSync(join(node.root, fileOf('a')), 1_900_000_000, 1_900_000_000);
  await node.once();
  await node.once({ retry: 'a' });
  t.equal(restarts(node), 3);
  node.fake.advance(61 * 60_000);
  for (const tick of [{ force: true }, { retry: 'bad' }]) {
    const before = restarts(node);
    t.match((await node.once(tick)).outcome, { kind: 'failed', undone: true });
    await node.once();
    t.equal(restarts(node), before + 2, JSON.stringify(tick));
    t.strictSame(served(node), ['a', 'c', 'runc']);
    node.fake.advance(61 * 60_000);
  }
});

t.test('it is forgotten together with its file', async (t) => {
  const node = await failed(t);
  node.remove(fileOf('bad'));
  t.equal((await node.once()).outcome.kind, 'converged');
  t.strictSame(failedStarts(node), {});
  t.equal(restarts(node), 3);
});

t.test('a file that is unreadable for a while is not forgotten, nor retried for that', async (t) => {
  const node = await failed(t);
  const { mtimeMs } = statSync(join(node.root, fileOf('bad')));
  const untouched = (): void => utimesSync(join(node.root, fileOf('bad')), mtimeMs / 1000, mtimeMs / 1000);
  node.write(fileOf('bad'), 'name = ');
  untouched();
  t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ code: 'bad-toml' }] });
  writeShim(node, 'bad');
  untouched();
  t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }] });
  t.equal(restarts(node), 3);
});

t.test('two that start nothing cost one failed attempt, and the rest is served', async (t) => {
  const node = nodeOf(t);
  refuse(node, 'bad', 'worse');
  for (const name of ['a', 'bad', 'c', 'worse']) writeShim(node, name);
  t.match((await node.once()).outcome, { kind: 'failed', problem: { code: 'not-started', handler: 'bad' } });
  t.strictSame(served(node), ['a', 'c', 'runc']);
  t.equal(restarts(node), 3);
  t.strictSame(statesOf(await node.once()), { a: 'served', bad: 'failed', c: 'served', worse: 'failed' });
  for (const name of ['bad', 'worse'])
    t.match(failedStarts(node), { [name]: { problem: { code: 'not-started', handler: name } } });
  node.fake.advance(61 * 60_000);
  const { outcome } = await node.once();
  t.match(outcome, { kind: 'degraded', problems: [{ handler: 'bad' }, { handler: 'worse' }] });
  t.equal(restarts(node), 3);
});

t.test(
  'one that ends rcm-node or the node is left out; together with others the whole plan is',
  async (t) => {
    for (const names of [['bad'], ['a', 'bad']]) {
      const node = nodeOf(t);
      for (const name of names) writeShim(node, name);
      const { host } = node.fake;
      const died = new Error('killed');
      const dead = { now: false };
      const mortal = <Part extends object>(part: Part): Part =>
        new Proxy(part, {
          get: (of, key) => {
            const value: unknown = Reflect.get(of, key);
            if (typeof value === 'object' && value !== null) return mortal(value);
            if (typeof value !== 'function') return value;
            return (...given: unknown[]) => {
              dead.now ||= key === 'startSandbox';
              if (dead.now) throw died;
              const answer: unknown = Reflect.apply(value, of, given);
              return key === 'cri' ? mortal(answer as object) : answer;
            };
          },
        });
      for (let boot = 0; boot < 3; boot++) {
        await node.once({}, mortal(host)).catch((error: unknown) => t.equal(error, died));
        dead.now = false;
        node.fake.locked = false;
      }
      const { ledger } = await node.once();
      t.strictSame(Object.keys(ledger.failedStarts), names.length === 1 ? ['bad'] : []);
      t.equal(ledger.bad === null, names.length === 1);
      t.strictSame(served(node), ['runc']);
    }
  },
);

t.test('of the Shims of a cluster the one that starts nothing has failed, and no other', async (t) => {
  const node = nodeOf(t);
  const shim = (name: string, more: object = {}): ShimObject => {
    node.write(`/srv/artifacts/${name}`, program(name), 0o755);
    const anonHttp = { location: `file:///srv/artifacts/${name}`, sha256: sha256(program(name)) };
    return { metadata: { name }, spec: { fetchStrategy: { anonHttp }, ...more } } as ShimObject;
  };
  const ask = (shims: readonly ShimObject[], isApproved: boolean): void => {
    const rows = isApproved ? shims.map((one) => [one.metadata.name, revisionOf(one)] as const) : [];
    const approvals = { approved: seen(Object.fromEntries(rows), node.fake.host.clock.now() + 600_000) };
    node.write(
      '/var/lib/rcm-node/cluster.json',
      printClusterCache({ version: 1, node: 'n', shims, approvals }),
    );
  };
  const [a, bad] = [shim('a'), shim('bad')];
  ask([a, bad], true);
  await node.once();
  t.strictSame(served(node), ['a', 'runc']);
  ask([a, bad], false);
  const again = await node.once();
  t.match(again.decision.handlers, [
    { name: 'a', state: 'served' },
    {
      name: 'bad',
      state: 'failed',
      problem: { code: 'known-bad' },
      approval: { shim: 'bad', revision: revisionOf(bad) },
    },
  ]);
  t.equal(again.decision.handlers[1]?.approval?.hold, undefined, 'an approval would not help it');
  const changed = shim('bad', { containerdRuntimeOptions: { Root: '/run/x' } });
  ask([a, changed], false);
  t.match((await node.once()).outcome, { kind: 'waiting', for: [{ code: 'rollout-pending' }] });

  // Under another handler it is one change of one Shim.
  node.fake.advance(61 * 60_000);
  const renamed = shim('a', { runtimeClass: { name: 'x', handler: 'bad' } });
  ask([renamed], true);
  await node.once();
  ask([renamed], false);
  t.match((await node.once()).decision.handlers, [
    { name: 'bad', state: 'failed' },
    {
      name: 'a',
      state: 'removing',
      problem: { code: 'known-bad' },
      approval: { revision: revisionOf(renamed) },
    },
  ]);
  t.strictSame(served(node), ['a', 'runc']);
});
