/**
 * A node whose files begin with the header of an earlier release: they are ours, with the ledger and without it, and the
 * upgrade neither writes them again nor restarts the runtime.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { formerHeader, header } from '../../../daemon/runtimes/own-header.ts';
import { type Node, openCase, sha256, writeShim } from '../../../testbed/simulated/node.ts';
import { foreign, ours, treeOf } from '../../../testbed/simulated/tree.ts';

const ledgerPath = '/var/lib/rcm-node/ledger.json';

/** One case of each way in which our text is read, with how many of its files have the header. */
const cases = {
  '2.1-absent': 2,
  '1.7-absent': 1,
  'k3s-folder': 1,
  'k3s-template-new': 2,
  'k0s-merged': 1,
  'flatcar-1.7': 2,
  'flatcar-2.1': 2,
} as const;

const withText = (node: Node, part: string): readonly string[] =>
  Object.entries(treeOf(node.root)).flatMap(([path, entry]) =>
    entry.kind === 'file' && entry.text.includes(part) ? [path] : [],
  );

/** Our files and our ledger, as the earlier release wrote them; how many files these are. */
const asBefore = (node: Node): number => {
  const files = withText(node, header);
  for (const path of files) {
    const [text, ledger] = [node.read(path) ?? '', node.read(ledgerPath) ?? ''];
    const former = text.replace(header, formerHeader);
    writeFileSync(join(node.root, path), former);
    node.write(ledgerPath, ledger.replaceAll(sha256(text), sha256(former)), 0o600);
  }
  return files.length;
};

const upgraded = async (t: Test, name: keyof typeof cases): Promise<Node> => {
  const node = openCase(t, name);
  t.equal((await node.once()).outcome.kind, 'converged');
  t.equal(asBefore(node), cases[name], 'files with the header');
  node.fake.advance(60_000);
  node.fake.containerd.jobs.length = 0;
  return node;
};

for (const name of Object.keys(cases) as (keyof typeof cases)[]) {
  t.test(`${name}: files with the former header stay as they are`, async (t) => {
    const node = await upgraded(t, name);
    const before = foreign(treeOf(node.root));
    const { outcome, did } = await node.once();
    t.same([outcome.kind, did], ['converged', []]);
    t.strictSame(foreign(treeOf(node.root)), before);
    t.strictSame(node.fake.containerd.jobs, []);
    writeShim(node, 'wws-v1');
    t.equal((await node.once()).outcome.kind, 'converged', 'a change is written as ever');
    t.ok(node.fake.containerd.served().includes('wws-v1'));
  });

  t.test(`${name}: without the ledger they are still ours`, async (t) => {
    const node = await upgraded(t, name);
    node.remove(ledgerPath);
    const { outcome } = await node.once();
    t.equal(outcome.kind, 'converged', JSON.stringify(outcome));
    t.strictSame(node.fake.containerd.jobs, []);
    t.ok((await node.uninstall()).complete);
    t.strictSame(Object.keys(ours(treeOf(node.root))), []);
    t.strictSame(withText(node, formerHeader), []);
  });
}
