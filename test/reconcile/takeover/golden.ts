/** What a plan and a tick came to, as texts that are kept beside the host that they are of. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { sentences } from '../../../daemon/decide/report/sentences.ts';
import { printProblem, type Problem } from '../../../protocol/problem/problem.ts';
import type { consider } from '../../../daemon/reconcile/consider.ts';
import type { Ticked } from '../../../daemon/reconcile/once.ts';
import type { Node } from '../../../testbed/simulated/node.ts';
import { difference, type Tree, treeOf } from '../../../testbed/simulated/tree.ts';

const writes = process.env.TAP_SNAPSHOT === '1';

const problemLine = (problem: Problem): string => `${problem.code}: ${printProblem(problem)}`;
/** Digests, and the part of a parser's message that shows the line with a caret. */
const masked = (text: string): string => text.replace(/\b[0-9a-f]{12}\b/g, '<digest>');

export const printConsidered = ({ desired, decision }: Awaited<ReturnType<typeof consider>>): string => {
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
export const printAfter = (node: Node, ticked: Ticked, before: Tree): string => {
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

export const golden = (t: import('tap').Test, path: string, text: string, message: string): void => {
  if (writes) writeFileSync(path, text);
  t.equal(text, existsSync(path) ? readFileSync(path, 'utf8') : '(there is no such file)', message);
};
