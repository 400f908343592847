/** A plan that a killed run began, and that cannot be carried out any more when the next run resumes it. */
import t, { type Test } from 'tap';
import type { Host } from '../../host/host.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../testbed/simulated/node.ts';
import { difference, foreign, treeOf } from '../../testbed/simulated/tree.ts';
import { runMortal } from './artifacts/killed.ts';

const main = '/etc/containerd/config.toml';
const dropIn = '/etc/containerd/conf.d/zz-rcm-node.toml';
const link = '/opt/rcm-node/shims/spin-v2/containerd-shim-spin-v2';

const nodeOf = (t: Test): Node => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(main, 'version = 3\n');
  writeShim(node, 'spin-v2');
  return node;
};

/** All is written, and the restart is not asked for. */
const killed = async (t: Test): Promise<Node> => {
  const whole = nodeOf(t);
  const effects = await runMortal(whole.fake, undefined, (host) => whole.once({}, host));
  const restart = effects.findIndex(({ name }) => name === 'restart');
  const at = effects.findLastIndex(({ name }, index) => name === 'swap' && index < restart);
  const node = nodeOf(t);
  await runMortal(node.fake, { at, moment: 'after' }, (host) => node.once({}, host));
  t.match(node.read(main), /imports/);
  t.type(node.read(dropIn), 'string');
  return node;
};

t.test('a file that others replaced meanwhile: what was written after it is rolled back', async (t) => {
  const node = await killed(t);
  node.write(dropIn, '# theirs\n');
  t.match((await node.once()).outcome, { kind: 'failed', problem: { code: 'changed-meanwhile' } });
  t.equal(node.read(main), 'version = 3\n');
  t.equal(node.read(dropIn), '# theirs\n');
  t.strictSame(node.fake.containerd.jobs, []);
});

t.test(
  'a link that cannot be read for a moment: all that was written is rolled back, and so can be removed later',
  async (t) => {
    const node = await killed(t);
    const { files } = node.fake.host;
    const state = { looks: 0 };
    const host: Host = {
      ...node.fake.host,
      files: {
        ...files,
        linkAt: async (at) => {
          if (at === link && ++state.looks === 1)
            throw new Failure({ code: 'unreadable-source', message: 'EIO', where: { file: link } });
          return files.linkAt(at);
        },
      },
    };
    const before = foreign(treeOf(nodeOf(t).root));
    t.match((await node.once({}, host)).did, ['went on with a plan that was interrupted']);
    await node.uninstall();
    t.strictSame(difference(before, foreign(treeOf(node.root))), {});
  },
);
