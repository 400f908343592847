import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { paths } from '../../../protocol/host-paths.ts';
import type { Host } from '../../../host/host.ts';
import { loadState } from '../../../daemon/state/state.ts';
import { countInterrupted } from '../../../daemon/reconcile/artifacts/unpacking.ts';
import { emptyLedger } from '../../../daemon/model/ledger.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { treeOf } from '../../../testbed/simulated/tree.ts';

const second = 1000;

const killUnpacking = (node: Node): void => {
  const { signal, stderr } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'kill-unpacking.ts'), node.root],
    { encoding: 'utf8' },
  );
  if (signal !== 'SIGKILL') throw new Error(stderr);
};

const attemptsOf = (node: Node) => JSON.parse(node.read(paths.ledger) ?? '{}').attempts;
const incoming = (node: Node): readonly string[] =>
  Object.keys(treeOf(node.root)).filter((path) => path.startsWith(`${paths.incoming}/`));
/** Whatever is unpacked is counted. */
const counting = (node: Node): { readonly host: Host; readonly picks: () => number } => {
  const state = { picks: 0 };
  const { host } = node.fake;
  const pick: Host['pick'] = async (...given) => {
    state.picks += 1;
    return host.pick(...given);
  };
  return { host: { ...host, pick }, picks: () => state.picks };
};

const told = async (t: Test, node: Node, count: number) => {
  const { host, picks } = counting(node);
  const { outcome } = await node.once({}, host);
  t.match(outcome, {
    kind: 'degraded',
    problems: [
      {
        code: 'interrupted',
        handler: 'spin-v2',
        message: `rcm-node ended while it unpacked or tested this artifact${count > 1 ? ` (failed ${count} times)` : ''}`,
      },
    ],
  });
  t.equal(picks(), 0, 'it is not tried again at once');
};

t.test('an artifact that kills rcm-node is retried with backoff, and the others are served', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  killUnpacking(node);
  await told(t, node, 1);
  t.strictSame(incoming(node), [], 'nothing of it is left');
  writeShim(node, 'wws-v1');
  await node.once();
  t.strictSame(node.fake.containerd.served(), ['runc', 'wws-v1']);
  t.match(attemptsOf(node), {
    'spin-v2': { count: 1, problem: { code: 'interrupted', handler: 'spin-v2' } },
  });
  node.fake.advance(11 * second);
  t.equal((await node.once()).outcome.kind, 'converged', 'the next try is after ten seconds');
  t.strictSame(attemptsOf(node), {});
});

t.test('each attempt is counted, and a request by a person does not wait', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  writeShim(node, 'spin-v2');
  killUnpacking(node);
  await told(t, node, 1);
  // The clock of the process that is killed begins anew; so the first try lies in the past for neither.
  node.write(paths.ledger, (node.read(paths.ledger) ?? '').replace(/"at": \d+/, '"at": 0'), 0o600);
  killUnpacking(node);
  await told(t, node, 2);
  node.fake.advance(second);
  t.equal((await node.once({ now: true })).outcome.kind, 'converged');
});

t.test('an invalid marker is ignored and removed', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '{"at":1}',
    '{"at":"1","artifacts":{}}',
    '{"at":1,"artifacts":{"a":1}}',
  ]) {
    node.write(`${paths.incoming}/0.unpacking`, text);
    t.equal(await countInterrupted(node.fake.host, emptyLedger), emptyLedger, text);
    t.equal(node.read(`${paths.incoming}/0.unpacking`), undefined);
  }
});

t.test('a damaged marker does not damage the ledger', async (t) => {
  for (const mark of [
    { at: 1e300, artifacts: { x: 'y' } },
    { at: -1, artifacts: { x: 'y' } },
    { at: 0.5, artifacts: { x: 'y' } },
    { at: 1, artifacts: { 'A B': 'y', x: 'y' } },
  ]) {
    const node = openNode(makeRoot(t), { version: '2.1.4' });
    node.write(`${paths.incoming}/0123456789abcdef.unpacking`, JSON.stringify(mark), 0o600);
    await countInterrupted(node.fake.host, emptyLedger);
    const { problems, ledger } = await loadState(node.fake.host);
    t.strictSame(problems, []);
    t.match(ledger.attempts, { x: { count: 1, artifact: 'y' } });
  }
});
