/** What people read: reports and checks as text, with colour on a terminal only. */
import { fitted, tableOf } from './layout.ts';
import { headline, troubles } from '../daemon/decide/report/summary.ts';
import type { Check } from '../daemon/doctor/check.ts';
import { finishing } from '../daemon/reconcile/remains.ts';
import type { Uninstalled } from '../daemon/reconcile/uninstall.ts';
import type { ClusterFacts, Report } from '../daemon/model/outcome.ts';
import { type Code, hintOf, type Problem, printDetail, printProblem } from '../protocol/problem/problem.ts';
import type { HandlerState } from '../protocol/node-annotations.ts';
import { noteCodes } from '../protocol/problem/problem-files.ts';

export type Paint = {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
};

const sgr = (on: number, off: number) => (text: string) => `\u001b[${on}m${text}\u001b[${off}m`;
const plain = (text: string): string => text;

/** https://no-color.org: any NO_COLOR that is not empty wins. A terminal that calls itself dumb shows escapes as they are. */
export const paintFor = (terminal: boolean, noColor: string | undefined, term?: string): Paint =>
  terminal && !noColor && term !== 'dumb'
    ? { good: sgr(32, 39), bad: sgr(31, 39), warn: sgr(33, 39), dim: sgr(2, 22), bold: sgr(1, 22) }
    : { good: plain, bad: plain, warn: plain, dim: plain, bold: plain };

/** Printed, but no error. */
export const isNote = (problem: Problem): boolean => noteCodes.has(problem.code);

/** With the code, which a person can look up: docs/troubleshooting.md has a section of each. */
export const printTrouble = (problem: Problem, paint: Paint): string =>
  `${isNote(problem) ? paint.warn('!') : paint.bad('✗')} ${printProblem(problem)} ${coded(problem.code, paint)}\n${printed(printDetail(problem), paint)}  ${paint.dim(hintOf(problem))}\n`;

const coded = (code: Code, paint: Paint): string => paint.dim(`(${code})`);

/** What another program printed: none of it is in what everyone may read. */
const printed = (detail: string | undefined, paint: Paint): string =>
  detail === undefined ? '' : `  ${paint.dim(`It printed: ${detail}`)}\n`;

/** `columns`: of the terminal; a file and a pipe have room for every line. */
export const printReport = (
  report: Report,
  paint: Paint,
  now: number,
  columns = Number.POSITIVE_INFINITY,
): string => {
  const mark = {
    converged: paint.good('●'),
    waiting: paint.warn('●'),
    degraded: paint.bad('●'),
    failed: paint.bad('●'),
    refused: paint.bad('●'),
  }[report.outcome.kind];
  const lines = [
    `${mark} ${headline(report).split('; ')[0]}`,
    `  ${paint.dim(`rcm-node ${report.agent}, ${report.outcome.kind}, ${ago(report.at, now)}`)}`,
  ];
  if (report.cluster) lines.push(`  ${paint.dim(clusterLine(report.cluster, now))}`);
  if (report.handlers.length > 0) {
    const heading = ['HANDLER', 'STATE', 'SHA256', 'SOURCE'].map((name) => paint.bold(name));
    const rows = report.handlers.map(({ name, state, sha256, source }) => [
      name,
      statePaint(state, paint)(state),
      (sha256 ?? '-').slice(0, 12),
      source,
    ]);
    lines.push('', ...tableOf(heading, rows, columns));
  }
  for (const { name, start } of report.handlers)
    if (start?.kind === 'listed')
      lines.push(
        `  ${paint.dim(`${name} is listed by CRI, not started: ${start.why} (rcm-node verify ${name})`)}`,
      );
  for (const { name, signature } of report.handlers)
    if (signature)
      lines.push(`  ${paint.dim(`${name} is signed by ${signature.signer}${proofWords(signature)}`)}`);
  // If there is also an error, the outcome has only the error.
  const waits = report.handlers.flatMap((one) => (one.problem && one.approval?.hold ? [one.problem] : []));
  const list = [
    ...new Map(
      [...troubles(report.outcome), ...waits, ...report.notes].map((problem) => [
        printProblem(problem),
        problem,
      ]),
    ).values(),
  ];
  if (list.length > 0) lines.push('', ...list.map((problem) => printTrouble(problem, paint).trimEnd()));
  if (report.did.length > 0) lines.push('', ...report.did.map((row) => `${paint.good('✓')} ${row}`));
  if (report.restarts.last)
    lines.push('', paint.dim(`  last restart of the runtime by rcm-node ${ago(report.restarts.last, now)}`));
  return fitted(`${lines.join('\n')}\n`, columns);
};

const proofWords = ({ log, timestamp }: { readonly log: boolean; readonly timestamp: boolean }): string => {
  const words = [...(log ? ['a transparency log'] : []), ...(timestamp ? ['a timestamp authority'] : [])];
  return words.length === 0 ? '' : `, proven by ${words.join(' and ')}`;
};

const statePaint = (state: HandlerState, paint: Paint): Paint['good'] =>
  state === 'served'
    ? paint.good
    : ['pending', 'removing', 'written', 'prepared'].includes(state)
      ? paint.warn
      : paint.bad;

const approvalWords = {
  alive: '; a controller approves changes',
  none: '; no controller runs, so this node schedules changes itself',
  unknown: '; not known yet whether a controller runs',
} as const;

const clusterLine = (cluster: ClusterFacts, now: number): string => {
  const who = `cluster: ${cluster.node ? `node ${cluster.node}` : 'no name yet'}, as ${cluster.identity}${cluster.server ? `, ${cluster.server}` : ''}`;
  const heard = cluster.confirmed ? `last heard ${ago(cluster.confirmed, now)}` : 'not heard yet';
  const approvals = cluster.controller === undefined ? '' : approvalWords[cluster.controller];
  return cluster.state === 'synced'
    ? `${who}, ${heard}${approvals}`
    : `${who}, ${cluster.state}, ${heard}${approvals}`;
};

const ago = (time: string, now: number): string => {
  const seconds = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 129_600 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} d ago`;
};

export const printChecks = (checks: readonly Check[], paint: Paint): string => {
  const marks = {
    good: paint.good('✓'),
    warn: paint.warn('!'),
    bad: paint.bad('✗'),
    unknown: paint.dim('?'),
  };
  return checks
    .map(
      (check) =>
        `${marks[check.verdict]} ${check.what}: ${check.says}${check.code ? ` ${coded(check.code, paint)}` : ''}\n${printed(check.detail, paint)}${check.hint ? `  ${paint.dim(check.hint)}\n` : ''}`,
    )
    .join('');
};

export const printUninstalled = (result: Uninstalled, paint: Paint): string => {
  const { ticked, complete, left, unproven } = result;
  const list = (title: string, rows: readonly string[]): readonly string[] =>
    rows.length === 0 ? [] : [paint.bold(title), ...rows.map((row) => `  ${row}`)];
  const rest = [
    ...list(
      'Kept:',
      left.map(({ path, why }) => `${paint.dim('·')} ${path}: ${why}`),
    ),
    ...list('Not proven:', unproven === undefined ? [] : [`${paint.warn('!')} ${unproven.why}`]),
    ...list('To finish:', finishing(result)),
  ];
  if (!complete) {
    const did = ticked.did.map((row) => `${paint.good('✓')} ${row}`);
    const why = troubles(ticked.outcome).map((problem) => printTrouble(problem, paint).trimEnd());
    const end =
      ticked.did.length === 0
        ? 'Nothing was removed.'
        : 'Not everything was removed; run rcm-node uninstall again.';
    return `${[...did, ...why, end].join('\n')}\n`;
  }
  const gone = result.removed.map((row) => `${paint.good('✓')} ${row}`);
  const none = gone.length === 0 ? ['No change of rcm-node was left on this host.'] : [];
  const all = rest.length === 0 ? ['Nothing of rcm-node stays on this host.'] : rest;
  return `${[...none, ...list('Removed:', gone), ...all].join('\n')}\n`;
};
