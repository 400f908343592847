/**
 * Every folder of test/cases is a host. Its plan and what becomes of it are compared with plan.txt and after.txt beside
 * it (`npx tap --snapshot` writes them anew, to be read before they are committed); what holds for all hosts is
 * asserted for all of them.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { sentences } from '../../../daemon/decide/report/sentences.ts';
import { printProblem, type Problem } from '../../../protocol/problem/problem.ts';
import type { consider, Ticked } from '../../../daemon/reconcile/once.ts';
import { casesFolder, type Node, openCase } from '../../../testbed/simulated/node.ts';
import { difference, foreign, ours, type Tree, treeOf } from '../../../testbed/simulated/tree.ts';

const writes = process.env.TAP_SNAPSHOT === '1';

const problemLine = (problem: Problem): string => `${problem.code}: ${printProblem(problem)}`;
/** Digests, and the part of a parser's message that shows the line with a caret. */
const masked = (text: string): string => text.replace(/\b[0-9a-f]{12}\b/g, '<digest>');

const printConsidered = ({ desired, decision }: Awaited<ReturnType<typeof consider>>): string => {
  const { plan } = decision;
  const head =
    plan.kind === 'steps'
      ? [
          `steps, because: ${plan.because.join('; ')}`,
          ...sentences(plan.steps).map((sentence) => `  ${sentence}`),
        ]
      : [plan.kind === 'refused' ? `refused ${problemLine(plan.problem)}` : plan.kind];
  const handlers = decision.handlers.map(
    (one) => `handler ${one.name} ${one.state}${one.problem ? ` ${problemLine(one.problem)}` : ''}`,
  );
  const notes = [...decision.notes, ...desired.problems].map((problem) => `problem ${problemLine(problem)}`);
  return masked(`${[...head, ...handlers, ...notes].join('\n')}\n`);
};

/** What changed below the root, leaving out our own state. */
const printAfter = (node: Node, ticked: Ticked, before: Tree): string => {
  const after = treeOf(node.root);
  const changed = difference(before, after);
  const paths = Object.keys(changed).filter((path) => !/^\/(var\/lib|run)\/rcm-node/.test(path));
  const entries = paths.map((path) => {
    const entry = after[path];
    if (entry === undefined) return `${path} is gone`;
    if (entry.kind === 'link') return `${path} -> ${entry.target}`;
    if (entry.kind === 'folder') return `${path}/ ${entry.mode}`;
    const head = `${path} ${entry.mode} ${entry.owner}`;
    if (path.startsWith('/opt/rcm-node/store/') && !path.includes('/launch/')) return head;
    const text = entry.text.replaceAll('\r', '\\r').replace(/^/gm, '  | ');
    return `${head}\n${text.endsWith('\n  | ') ? text.slice(0, -5) : `${text}(no line break)`}`;
  });
  const { containerd } = node.fake;
  const list = [
    `outcome ${ticked.outcome.kind}`,
    `served ${containerd.served().join(' ')}`,
    `restarts ${containerd.jobs.length}`,
    ...entries,
  ];
  return `${list.join('\n').replace(/\b[0-9a-f]{64}\b/g, '<digest>')}\n`;
};

const golden = (t: import('tap').Test, path: string, text: string, message: string): void => {
  if (writes) writeFileSync(path, text);
  t.equal(text, existsSync(path) ? readFileSync(path, 'utf8') : '(there is no such file)', message);
};

const names = readdirSync(casesFolder).sort();

t.test('there are cases', async (t) => {
  t.ok(names.length > 40, `${names.length} cases`);
});

/** Whether files of the host belong to other users. */
const hasOwners = (name: string): boolean =>
  readFileSync(join(casesFolder, name, 'case.toml'), 'utf8').includes('\n[owners]');

for (const name of names) {
  const skip = process.getuid?.() !== 0 && hasOwners(name) && 'needs root, to give files to another user';
  t.test(`the host ${name} comes out as described, once and for good, and goes back`, { skip }, async (t) => {
    const node = openCase(t, name);
    const { containerd } = node.fake;
    const folder = join(casesFolder, name);
    const before = treeOf(node.root);

    const considered = await node.plan();
    golden(t, join(folder, 'plan.txt'), printConsidered(considered), 'the plan, as sentences');
    t.strictSame(difference(foreign(before), foreign(treeOf(node.root))), {}, 'planning writes nothing');
    t.strictSame(containerd.jobs, [], 'and restarts nothing');

    const ticked = await node.once();
    golden(t, join(folder, 'after.txt'), printAfter(node, ticked, before), 'what became of the host');
    if (considered.decision.plan.kind !== 'steps') {
      t.strictSame(
        foreign(treeOf(node.root)),
        foreign(before),
        'nothing was written where nothing was to be done',
      );
      t.strictSame(containerd.jobs, [], 'and nothing restarted');
    } else t.equal(containerd.jobs.length, 1, 'everything in one restart');

    const settled = treeOf(node.root);
    const dumps = containerd.dumps;
    const again = await node.once();
    t.strictSame(again.did, [], 'a second tick has nothing to do');
    t.equal(again.outcome.kind, ticked.outcome.kind, 'and says the same');
    t.strictSame(treeOf(node.root), settled, 'not one byte, not one time has changed');
    if (considered.decision.plan.kind === 'steps') {
      t.equal(containerd.jobs.length, 1, 'no further restart');
      t.equal(containerd.dumps, dumps, 'and the runtime was not even asked');
    }

    const gone = await node.uninstall();
    const left = treeOf(node.root);
    t.strictSame(
      difference(foreign(before), foreign(left)),
      {},
      'every foreign byte, mode and link is as before',
    );
    if (considered.decision.plan.kind === 'steps') {
      t.ok(gone.complete, 'everything of ours is gone');
      t.strictSame(Object.keys(ours(left)), [], 'down to the last folder');
      t.ok(!containerd.served().some((one) => considered.decision.handlers.some(({ name }) => name === one)));
      t.ok(containerd.served().includes(name.startsWith('crio') ? 'crun' : 'runc'), 'and what it did');
    }
  });
}
