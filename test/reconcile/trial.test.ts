/** The answers of the runtime's parser within one tick: when one is used again, and what goes on beside the question. */
import t from 'tap';
import type { Host } from '../../host/host.ts';
import { burstOf, makeRoot, type Node, openNode, writeShim } from '../../testbed/simulated/node.ts';

const main = '/etc/containerd/config.toml';
const nodeOf = (t: Parameters<typeof makeRoot>[0]): Node => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  node.write(main, 'version = 3\n');
  node.fake.containerd.restartByOther();
  writeShim(node, 'spin-v2');
  return node;
};

/** How often the parser was asked after the burst, in whose last moment `more` changes something. */
const askedAfter = async (node: Node, more: () => void): Promise<number> => {
  const { containerd } = node.fake;
  let before = 0;
  const burst = burstOf(node, undefined, () => {
    more();
    before = containerd.dumps;
  });
  const { outcome } = await node.once({ burst });
  if (outcome.kind !== 'converged') throw new Error(JSON.stringify(outcome));
  return containerd.dumps - before;
};

t.test('an answer counts for the same program and the same bytes alone', async (t) => {
  const same = nodeOf(t);
  const once = await askedAfter(same, () => undefined);
  const upgraded = nodeOf(t);
  const byAnother = await askedAfter(upgraded, () =>
    upgraded.write('/usr/bin/containerd', 'a newer program\n', 0o755),
  );
  t.equal(byAnother, once + 2, 'another program is asked for both again');
  const changed = nodeOf(t);
  const ofOthers = await askedAfter(changed, () => changed.write(main, 'version = 3\noom_score = -999\n'));
  t.equal(ofOthers, once + 2, 'and so it is about other bytes');
});

t.test('both files are judged at once, while the artifact comes', async (t) => {
  const node = nodeOf(t);
  const { host } = node.fake;
  const [download, second] = [Promise.withResolvers<true>(), Promise.withResolvers<true>()];
  let asked = 0;
  const beside: boolean[] = [];
  /** Whether it came before the question was answered, which waits for it this long. */
  const within = (one: Promise<true>): Promise<boolean> =>
    Promise.race([one, new Promise<false>((resolve) => setTimeout(resolve, 5_000, false).unref())]);
  const run: Host['tools']['run'] = async (argv, ...rest) => {
    if (argv.includes('dump') && asked < 2) {
      asked += 1;
      if (asked === 2) second.resolve(true);
      beside.push(...(await Promise.all([within(second.promise), within(download.promise)])));
    }
    return host.tools.run(argv, ...rest);
  };
  const mine: Host = {
    ...host,
    tools: { ...host.tools, run },
    download: (...given) => {
      download.resolve(true);
      return host.download(...given);
    },
  };
  const { outcome } = await node.once({ burst: burstOf(node, mine) }, mine);
  t.equal(outcome.kind, 'converged');
  t.strictSame(
    beside,
    [true, true, true, true],
    'each went on beside the other, and both beside the download',
  );
});
