/** A program that writes its file again and again makes no restart loop of what fails, or of what it takes away. */
import t, { type Test } from 'tap';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';

const main = '/etc/containerd/config.toml';
const minute = 60_000;
const both = ['1.7.24', '2.1.4'] as const;

const serving = async (t: Test, version: string): Promise<Node> => {
  const node = openNode(makeRoot(t), { version });
  node.write(main, `# theirs\nversion = ${version.startsWith('1') ? 2 : 3}\n`);
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  t.equal((await node.once()).outcome.kind, 'converged');
  node.fake.containerd.jobs.length = 0;
  node.fake.advance(61 * minute);
  return node;
};
const restarts = (node: Node): number => node.fake.containerd.jobs.length;

for (const version of both) {
  t.test(`a failed change is not retried because others rewrite the file (${version})`, async (t) => {
    const node = await serving(t, version);
    node.fake.containerd.behaves = (handlers) => (handlers.includes('wws-v1') ? 'exits' : 'works');
    writeShim(node, 'wws-v1');
    for (let round = 0; round < 15; round++) {
      const text = node.read(main) ?? '';
      node.write(main, `# theirs, written at ${round}\n${text.slice(text.indexOf('\n') + 1)}`);
      await node.once();
      node.fake.advance(10 * minute);
    }
    t.equal(restarts(node), 2);
    t.match((await node.once()).outcome, { kind: 'degraded', problems: [{ code: 'known-bad' }] });
  });

  t.test(
    `programs that repeatedly remove our part and restart the runtime are named (${version})`,
    async (t) => {
      const node = await serving(t, version);
      const theirs = `# Managed by Puppet\nversion = ${version.startsWith('1') ? 2 : 3}\n`;
      const seen = new Set<string>();
      for (let round = 0; round < 12; round++) {
        node.write(main, theirs);
        node.fake.containerd.restartByOther();
        const { outcome } = await node.once();
        if ('problems' in outcome) for (const { code } of outcome.problems) seen.add(code);
        node.fake.advance(4 * minute);
      }
      t.ok(restarts(node) <= 4, `${restarts(node)} restarts`);
      t.ok(seen.has('write-conflict'));
    },
  );
}
