/**
 * A plan for a person: why, what in which order, and the diff. It is copied into build logs, so it contains no
 * output of other programs. Apart from print.ts because it loads the diff library.
 */
import { printDiff } from '../daemon/decide/report/diffs.ts';
import { sentences } from '../daemon/decide/report/sentences.ts';
import type { Decision } from '../daemon/model/plan.ts';
import { publicProblem } from '../protocol/problem/public.ts';
import { isNote, type Paint, printTrouble } from './print.ts';

export const printPlan = (decision: Decision, paint: Paint): string => {
  const { plan } = decision;
  const said = [...decision.handlers.flatMap((one) => (one.problem ? [one.problem] : [])), ...decision.notes];
  const extra = said.map((problem) => printTrouble(publicProblem(problem), paint)).join('');
  if (plan.kind === 'refused')
    return `Refused; nothing is changed.\n${printTrouble(publicProblem(plan.problem), paint)}${extra}`;
  if (plan.kind !== 'steps')
    return `${said.every(isNote) ? 'Nothing to do: the host is in the desired state.\n' : ''}${extra}`;
  const rows = sentences(plan.steps).map((row, index) => `${String(index + 1).padStart(3)}. ${row}`);
  const diff = colourDiff(printDiff(plan), paint);
  const head = plan.because.length > 0 ? `${paint.dim(`Because: ${plan.because.join('; ')}`)}\n` : '';
  const body = rows.length > 0 ? `${rows.join('\n')}\n` : 'Update the ledger.\n';
  return `${head}${body}${plan.disrupts ? '' : paint.dim('The runtime is not restarted.\n')}${diff ? `\n${diff}` : ''}${extra ? `\n${extra}` : ''}`;
};

const colourDiff = (diff: string, paint: Paint): string =>
  diff.replace(/^(\+|-|@@).*$/gm, (row, mark: string) =>
    mark === '+' ? paint.good(row) : mark === '-' ? paint.bad(row) : paint.dim(row),
  );
