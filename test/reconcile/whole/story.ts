/** Stories that are killed at any effect: what is common to crash.test.ts and crash-change.test.ts. */
import { isDeepStrictEqual } from 'node:util';
import type { Test } from 'tap';
import type { Host } from '../../../host/host.ts';
import { type Death, deathsOf, runMortal } from '../artifacts/killed.ts';
import type { Node } from '../../../testbed/simulated/node.ts';
import { within } from '../../../testbed/deadline.ts';
import { timeless, treeOf } from '../../../testbed/simulated/tree.ts';

const volatile = /"(at|invocation|forwardFrom|undoFrom)": ("[0-9a-f]*"|\d+)/g;

/** What a run came to, but for times; restarts are counted apart. */
const endOf = (node: Node): Record<string, unknown> => {
  const tree = timeless(treeOf(node.root));
  for (const path of Object.keys(tree)) if (path.startsWith('/run/rcm-node/')) delete tree[path];
  const text = node.read('/var/lib/rcm-node/ledger.json');
  if (text !== undefined) {
    // When a file of an earlier installer was written, which is when this story began.
    const still = text.replace(/(\d+ bytes) of [\d.]+"/g, '$1"');
    const ledger = JSON.parse(still.replaceAll(node.root, '').replace(volatile, '"$1": 0'));
    delete ledger.restarts;
    // A plan whose journal was torn is made anew from what stands, and a handler that is served already is not started.
    delete ledger.starts;
    for (const path of Object.keys(ledger.repairs)) ledger.repairs[path] = ledger.repairs[path].length;
    // What disproved it depends on when it was looked at.
    if (ledger.bad) delete ledger.bad.problem;
    if (ledger.bad) delete ledger.bad.stamps;
    for (const one of Object.values<Record<string, unknown>>(ledger.failedStarts)) {
      delete one.problem;
      delete one.stamps;
    }
    tree['/var/lib/rcm-node/ledger.json'] = ledger;
  }
  return { tree, served: node.fake.containerd.served() };
};

export type Story = {
  readonly open: (t: Test) => Node;
  /** Gets the node into the state in which the run under test begins. */
  readonly prepare?: (node: Node) => Promise<void>;
  readonly run: (node: Node, host: Host) => Promise<unknown>;
  /** Restarts that the whole story may take, however often it was killed. */
  readonly restarts: number;
};

const begin = async (t: Test, story: Story): Promise<Node> => {
  const node = story.open(t);
  await story.prepare?.(node);
  node.fake.containerd.jobs.length = 0;
  return node;
};

const tell = ({ at, moment }: Death, name: string): string => `${moment} effect ${at} (${name})`;

/**
 * Kills the story at every death that `dies` picks, and lets it be told anew from what is left. With CRASH=all in the
 * environment that is every death of every story, and with CRASH=third each third one as well: both take minutes.
 */
export const survive = async (
  t: Test,
  story: Story,
  dies: (at: number) => boolean = () => true,
): Promise<void> => {
  const whole = await begin(t, story);
  const effects = await runMortal(whole.fake, undefined, (host) => story.run(whole, host));
  t.ok(effects.length > 3, `${effects.length} effects`);
  await story.run(whole, whole.fake.host);
  const wanted = endOf(whole);
  t.ok(whole.fake.containerd.jobs.length <= story.restarts, 'the uninterrupted run keeps to its restarts');
  const wrong: unknown[] = [];
  const each = { all: 1, third: 3 }[process.env.CRASH ?? ''];
  for (const death of deathsOf(effects).filter(
    (_one, at) => dies(at) || (each !== undefined && at % each === 0),
  )) {
    const name = tell(death, effects[death.at]?.name ?? '');
    const steps = { said: ['it is prepared'], lines: [] as readonly string[] };
    const retold = async (): Promise<Node> => {
      const node = await begin(t, story);
      steps.lines = node.fake.lines;
      steps.said.push('it runs until it is killed');
      await runMortal(node.fake, death, (host) => story.run(node, host));
      // An artifact that it died with is not tried again at once.
      node.fake.advance(60_000);
      steps.said.push('it runs to its end');
      await story.run(node, node.fake.host);
      return node;
    };
    const node = await within(retold(), 300_000, () =>
      [`killed ${name}: ${steps.said.join(', ')}`, ...steps.lines.slice(-10)].join('\n'),
    );
    const found = endOf(node);
    const { jobs } = node.fake.containerd;
    // The order of keys says only in which order things were tried.
    if (!isDeepStrictEqual(found, wanted)) {
      t.strictSame(found, wanted, `killed ${name}, it ends in the same state`);
      wrong.push(name);
    }
    if (jobs.length > story.restarts) {
      t.equal(jobs.length, story.restarts, `killed ${name}, it restarts no more often`);
      wrong.push(name);
    }
    node.remove('/');
    if (wrong.length > 3) break;
  }
  t.strictSame(wrong, [], 'killed at any of them, the next run ends in the same state');
};
