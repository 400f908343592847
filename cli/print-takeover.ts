/** What earlier installers left, what takes its place and what stays, for a person; and the exit codes of `takeover`. */
import { evaluate } from '../daemon/decide/report/outcome.ts';
import type { Ledger } from '../daemon/model/ledger.ts';
import { exitCodeOf, exitCodes, type Report } from '../daemon/model/outcome.ts';
import type { Decision, HandlerReport } from '../daemon/model/plan.ts';
import type { Found } from '../daemon/reconcile/takeover/find.ts';
import type { Ticked } from '../daemon/reconcile/once.ts';
import { printWhere } from '../protocol/problem/problem.ts';
import { type Paint, printReport } from './print.ts';

/** The handler of ours that serves this name, or will. */
export const replacementOf = (handlers: readonly HandlerReport[], name: string): HandlerReport | undefined =>
  handlers.find((one) => one.name === name && !['refused', 'failed', 'removing'].includes(one.state));

const isNothing = ({ tables, remnants }: Found): boolean => tables.length + remnants.length === 0;

const list = (title: string, rows: readonly string[], paint: Paint): string =>
  rows.length === 0 ? '' : `${paint.bold(title)}\n${rows.map((row) => `  ${row}\n`).join('')}`;

const leftRows = ({ left }: Found, paint: Paint): readonly string[] =>
  left.map(({ where, why }) => `${paint.dim('·')} ${printWhere(where)}: ${why}`);

export const printFound = (found: Found, { handlers }: Decision, paint: Paint): string => {
  const tables = found.tables.map(({ from, handler, where, program, mapped }) => {
    const ours = replacementOf(handlers, handler);
    const how = ours ? `taken over by ${ours.source}` : 'no Shim here takes its place';
    const use = mapped ? ', which runs now' : '';
    return `${ours ? paint.good('✓') : paint.warn('!')} ${handler} (${printWhere(where)}), by ${from}: ${program}${use}; ${how}`;
  });
  const files = found.remnants.map(
    ({ remnant, mapped }) => `${remnant.path}${mapped ? ', when no process runs it any more' : ''}`,
  );
  const nothing = isNothing(found) ? 'No earlier installer left anything that can be taken over.\n' : '';
  const all = [
    list('Handlers of earlier installers:', tables, paint),
    list('To be removed when nothing uses it:', files, paint),
    list('Left, because it is not known whose it is:', leftRows(found, paint), paint),
    nothing,
  ];
  const end =
    nothing === ''
      ? `${paint.bold('With rcm-node takeover --apply:')}\n`
      : `${paint.bold('Apart from that:')}\n`;
  return `${all.join('')}\n${end}`;
};

export const printTakenOver = (found: Found, ticked: Ticked, report: Report, paint: Paint): string => {
  const { takeover } = ticked.ledger;
  const done = (takeover?.done ?? []).map(
    ({ handler, file, from }) => `${paint.good('✓')} ${handler}, which ${from} wrote in ${file}`,
  );
  const waits = [
    ...(takeover?.tables ?? []).map(
      ({ handler, file, from }) => `${handler} in ${file}, by ${from}: no Shim here takes its place yet`,
    ),
    ...(takeover?.remnants ?? []).map(({ path }) => `${path}: it goes when nothing uses it any more`),
  ];
  const said = printReport({ ...report, outcome: ticked.outcome }, paint, Date.parse(report.at));
  return [
    said,
    '\n',
    isNothing(found) && done.length === 0
      ? 'No earlier installer left anything that can be taken over.\n'
      : '',
    list('Taken over, or removed:', done, paint),
    list('Waiting:', waits, paint),
    list('Left, because it is not known whose it is:', leftRows(found, paint), paint),
  ].join('');
};

/** Programs that are still in use are something to wait for. */
export const takeoverCode = (code: number, { takeover }: Ledger): number =>
  code === exitCodes.settled && (takeover?.tables.length || takeover?.remnants.length)
    ? exitCodes.pending
    : code;

export const planCode = (found: Found, decision: Decision): number => {
  const { handlers } = decision;
  const code = exitCodeOf({ outcome: evaluate(decision, [], undefined), handlers, did: [] });
  return code === exitCodes.settled && !isNothing(found) ? exitCodes.pending : code;
};
