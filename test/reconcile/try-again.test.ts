import { execFileSync } from 'node:child_process';
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { problemOf } from '../../protocol/problem/problem.ts';
import { isStartedAgain } from '../../daemon/reconcile/try-again.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../testbed/simulated/node.ts';

const file = '/etc/rcm-node/shims.d/spin-v2.toml';

/** A node on which a change was rolled back for a cause that is gone by now. */
const rolledBack = async (t: Test): Promise<Node> => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  const { containerd } = node.fake;
  containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'fails' : 'works');
  containerd.journal = [
    'starting containerd',
    'time="2026-11-28T22:14:03Z" level=fatal msg="no space for the socket"',
    'containerd.service: Main process exited',
  ].join('\n');
  t.match((await node.once()).outcome, { kind: 'failed', problem: { detail: /level=fatal msg="no space/ } });
  containerd.behaves = () => 'works';
  containerd.jobs.length = 0;
  return node;
};

t.test(
  'each report has the message of the runtime, the place of its journal, and the ways out',
  async (t) => {
    const node = await rolledBack(t);
    const seen = new Set<string>();
    for (const _ of [1, 2, 3]) {
      node.fake.advance(10 * 60_000);
      const { outcome } = await node.once();
      if (outcome.kind !== 'degraded') return t.fail(outcome.kind);
      const [problem] = outcome.problems;
      seen.add(JSON.stringify(outcome.problems));
      t.match(problem, { code: 'known-bad', detail: /no space for the socket/ });
      t.match(problem?.hint, /journalctl -u containerd\.service --since "2027-01-15 08:00:0\d UTC"/);
      t.match(problem?.hint, /rcm-node retry .*rcm-node once --force.*touched.*restarted or reloaded/);
    }
    t.equal(seen.size, 1, 'the same words each time');
    t.strictSame(node.fake.containerd.jobs, []);
  },
);

t.test('a change of the file, and nothing less, causes a retry', async (t) => {
  const node = await rolledBack(t);
  await node.once();
  t.strictSame(node.fake.containerd.jobs, []);
  utimesSync(join(node.root, file), 1_900_000_000, 1_900_000_000);
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(node.fake.containerd.jobs.length, 1);
});

t.test('a file may have any time, and the ledger with it can be read again', async (t) => {
  for (const time of ['@-86400', '@8640000000001']) {
    const node = await rolledBack(t);
    const { containerd } = node.fake;
    containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'fails' : 'works');
    execFileSync('touch', ['-d', time, join(node.root, file)]);
    t.match((await node.once()).outcome, { kind: 'failed', undone: true }, `${time} is a change`);
    containerd.jobs.length = 0;
    containerd.behaves = () => 'works';
    for (const _ of [1, 2])
      t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }] }, time);
    t.strictSame(containerd.jobs, []);
    node.fake.advance(60 * 60_000);
    utimesSync(join(node.root, file), 1_900_000_000, 1_900_000_000);
    t.equal((await node.once()).outcome.kind, 'converged');
  }
});

t.test('repeated changes of a failing shim are limited by the budget', async (t) => {
  const node = await rolledBack(t);
  const { containerd } = node.fake;
  containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'fails' : 'works');
  for (let minute = 0; minute < 60; minute++) {
    utimesSync(join(node.root, file), 1_900_000_000 + minute, 1_900_000_000 + minute);
    node.fake.advance(60_000);
    await node.once();
  }
  t.ok(containerd.jobs.length <= 14, `${containerd.jobs.length} restarts in an hour`);
  t.strictSame(containerd.served(), ['runc']);
});

t.test('retry and a reload try it again once, and a failure is recorded again', async (t) => {
  for (const retry of [true, 'spin-v2'] as const) {
    const node = await rolledBack(t);
    t.equal((await node.once({ retry })).outcome.kind, 'converged');
    const still = await rolledBack(t);
    still.fake.containerd.behaves = (handlers) => (handlers.includes('spin-v2') ? 'fails' : 'works');
    t.match((await still.once({ retry })).outcome, { kind: 'failed', undone: true });
    t.equal(still.fake.containerd.jobs.length, 2);
    await still.once();
    t.equal(still.fake.containerd.jobs.length, 2);
  }
});

t.test('retry of an unknown name changes nothing, and names the known ones', async (t) => {
  const node = await rolledBack(t);
  t.match(await node.once({ retry: 'spin' }).catch(problemOf), {
    code: 'bad-value',
    message: 'nothing asks for a handler "spin" here; asked for: spin-v2',
  });
  t.ok(JSON.parse(node.read('/var/lib/rcm-node/ledger.json') ?? '{}').bad);
});

t.test(
  'a start of the service by a person is distinguished from starts by systemd, and from a boot',
  async (t) => {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    const { host } = node.fake;
    const { systemd } = host;
    if (!systemd) throw new Error('there is a service manager');
    const invocation = 'a'.repeat(32);
    const started = (restarts: number, given: string | undefined = invocation) =>
      isStartedAgain(
        {
          ...host,
          systemd: {
            ...systemd,
            unit: async (name) => ({ ...(await systemd.unit(name)), invocation, restarts }),
          },
        },
        given,
      );
    t.equal(await started(0), false, 'the first start of a boot');
    t.equal(await started(1), false, 'systemd started it after a crash');
    t.equal(await started(2), false);
    t.equal(await started(0), true, 'systemctl restart');
    t.equal(await started(0, 'b'.repeat(32)), false, 'this process is not the service');
    t.equal(await isStartedAgain(host, undefined), false, 'nor is one of a shell');
    node.remove('/run/rcm-node');
    t.equal(await started(0), false, 'a boot clears /run');
  },
);
