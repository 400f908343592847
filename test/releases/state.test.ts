/**
 * The state that each build of testbed/releases/table.ts wrote into an image with a real containerd, read by this tree on a simulated node that boots with it: nothing is lost,
 * written or restarted in vain, and an interrupted change is finished or undone. And the other direction: what a newer release
 * would have written there is read, or refused without a change.
 */
import t, { type Test } from 'tap';
import { Failure } from '../../protocol/problem/problem.ts';
import { version } from '../../protocol/version.ts';
import { imageRecord, nodeAt } from '../../testbed/releases/recorded.ts';
import { releases } from '../../testbed/releases/table.ts';
import type { Node } from '../../testbed/simulated/node.ts';
import { difference, foreign, type Tree, treeOf } from '../../testbed/simulated/tree.ts';

const state = '/var/lib/rcm-node';
const ledgerPath = `${state}/ledger.json`;
const journalPath = `${state}/journal.json`;

const lasting = (node: Node): Tree =>
  Object.fromEntries(Object.entries(treeOf(node.root)).filter(([path]) => !path.startsWith('/run/')));

/** Of the handlers in its configuration, those of the record. */
const served = (node: Node): readonly string[] =>
  node.fake.containerd.served().filter((name) => ['spin-v2', 'wws-v1'].includes(name));

const cleans = async (t: Test, node: Node, empty: Tree): Promise<void> => {
  t.ok((await node.uninstall()).complete);
  const left = difference(empty, foreign(treeOf(node.root)));
  const asked = Object.keys(left).filter((path) => !/^\/(etc\/rcm-node|srv)(\/|$)/.test(path));
  t.same(asked, [], 'uninstalled, every byte is as before the former build came');
};

const refusal = async (work: Promise<unknown>): Promise<string | undefined> => {
  const error = await work.catch((thrown: unknown) => thrown);
  return error instanceof Failure ? error.problem.code : undefined;
};

for (const release of releases) {
  const record = imageRecord(release);
  const empty = (t: Test): Tree => foreign(treeOf(nodeAt(t, record, {}).root));

  t.test(
    `${release.name}: what it wrote is served without a restart, and nothing else is written`,
    async (t) => {
      const node = nodeAt(t, record, record.written);
      const before = lasting(node);
      const { outcome } = await node.once();
      t.equal(outcome.kind, 'converged', JSON.stringify(outcome));
      const written = Object.keys(difference(before, lasting(node)));
      const others = written.filter((path) => path !== ledgerPath && !path.endsWith('/manifest.json'));
      t.same(others, [], 'but for the proof, and that its program ran');
      const proven = lasting(node);
      t.same([(await node.once()).did, difference(proven, lasting(node))], [[], {}]);
      t.same([node.fake.containerd.jobs, served(node)], [[], ['spin-v2']]);
      await cleans(t, node, empty(t));
    },
  );

  for (const [index, stage] of record.stages.entries())
    t.test(`${release.name}: ${index + 1}, killed before ${stage.killed}`, async (t) => {
      const node = nodeAt(t, record, stage.change);
      await node.once();
      const { outcome, decision } = await node.once();
      t.match(decision.handlers, [{ name: 'spin-v2', state: 'served' }], JSON.stringify(outcome));
      t.same(served(node), ['spin-v2']);
      t.equal(node.read(journalPath), undefined, 'the journal is done with');
      t.ok(node.fake.containerd.jobs.length <= 1, `${node.fake.containerd.jobs}`);
      await cleans(t, node, empty(t));
    });

  t.test(`${release.name}: read from a newer release, with fields that are not known here`, async (t) => {
    const node = nodeAt(t, record, record.written);
    const ledger = JSON.parse(node.read(ledgerPath) ?? '') as {
      readonly handlers: Record<string, object>;
    };
    const handlers = Object.fromEntries(
      Object.entries(ledger.handlers).map(([name, one]) => [name, { ...one, added: { at: [1] } }]),
    );
    node.write(ledgerPath, JSON.stringify({ ...ledger, handlers, agent: '99.1.0', added: {} }), 0o600);
    const { outcome } = await node.once();
    t.equal(outcome.kind, 'converged', JSON.stringify(outcome));
    t.same([node.fake.containerd.jobs, served(node)], [[], ['spin-v2']]);
    await cleans(t, node, empty(t));
  });

  t.test(`${release.name}: what only a newer release knows is refused, and stays`, async (t) => {
    const [journaled] = record.stages.filter(({ change }) => change[journalPath]);
    const newer = (text: string): string =>
      text.replace(/\{\n *"version": 1,(\n *"agent": "[^"]*",)?/, '{"version": 1, "agent": "99.1.0",');
    const edits = [
      [record.written, ledgerPath, (text: string) => text.replace('"type": "shim"', '"type": "component"')],
      [record.written, ledgerPath, (text: string) => text.replace('"file://', '"ipfs://')],
      [record.written, ledgerPath, (text: string) => text.replace('"version": 1', '"version": 2')],
      [journaled!.change, journalPath, (text: string) => text.replace('"kind": "write"', '"kind": "patch"')],
      [journaled!.change, journalPath, (text: string) => text.replace('"kind": "steps"', '"kind": "waves"')],
    ] as const;
    for (const [at, path, edit] of edits) {
      const node = nodeAt(t, record, at);
      const text = newer(node.read(path) ?? '');
      t.notOk(edit(text) === text, 'there is something to edit');
      node.write(path, edit(text), 0o600);
      const [before, handlers] = [lasting(node), served(node)];
      t.same([await refusal(node.once()), await refusal(node.uninstall())], ['state-newer', 'state-newer']);
      t.same(difference(before, lasting(node)), {});
      t.same([node.fake.containerd.jobs, served(node)], [[], handlers]);
    }
  });

  t.test(`${release.name}: settings of a newer release take nothing out of service`, async (t) => {
    const node = nodeAt(t, record, record.written);
    for (const path of ['/etc/rcm-node/config.toml', `${state}/last-good-config.toml`])
      node.write(path, 'stable = 1\n[of-a-newer-release]\nhandlers = ["a"]\n', 0o600);
    const { outcome } = await node.once();
    t.match(outcome, { kind: 'refused', problem: { code: 'bad-settings' } });
    t.same([node.fake.containerd.jobs, served(node)], [[], ['spin-v2']]);
  });
}

t.test('what this tree writes names its release', async (t) => {
  const record = imageRecord(releases.at(-1)!);
  const node = nodeAt(t, record, {});
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(JSON.parse(node.read(ledgerPath) ?? '').agent, version);
});
