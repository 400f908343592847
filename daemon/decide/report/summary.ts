/** A tick in one line, for `systemctl status`. */
import type { HandlerReport } from '../../model/plan.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { type Outcome, refusals, type Report } from '../../model/outcome.ts';
import { type Problem, printProblem } from '../../../protocol/problem/problem.ts';

/** The status of the service during its first tick; bootstrap checks for it. */
export const looking = 'Looking at this host';

/** The most important facts first: what is served, by which runtime, and what is pending or wrong. */
export const headline = (report: Report): string => {
  const total = report.handlers.filter(isForShim).length;
  const ready = report.handlers.filter((one) => one.state === 'prepared').length;
  const runtime = report.runtime ? `${report.runtime.name} ${report.runtime.version}` : 'no runtime';
  const what = total > 0 ? standing(report) : isAsked(report) ? 'Serving nothing' : 'Nothing is asked for';
  const also = ready > 0 ? `, ${ready} prepared` : '';
  const [first] = troubles(report.outcome);
  const more = troubles(report.outcome).length - 1;
  const tail = first
    ? `; ${report.outcome.kind}: ${printProblem(first)} (${first.code})${more > 0 ? ` (and ${more} more)` : ''}`
    : '';
  return `${what}${also} on ${runtime}${clusterWords[report.cluster?.state ?? 'none']}${tail}`;
};

/** What is prepared, or to be prepared, is asked for by no shim. */
const isForShim = ({ state, source }: HandlerReport): boolean =>
  state !== 'prepared' && source !== paths.settings;

/** Only what the runtime reports is called served. */
const standing = (report: Report): string => {
  const handlers = report.handlers.filter(isForShim);
  const total = handlers.length;
  const of = (...states: readonly string[]): readonly string[] =>
    handlers.filter((one) => states.includes(one.state)).map((one) => one.name);
  const say = (what: string, names: readonly string[], tail = ''): string => {
    const few = names.length > 5 ? `${names.slice(0, 5).join(', ')}, …` : names.join(', ');
    return `${what} ${names.length} of ${total}${tail}${few ? ` (${few})` : ''}`;
  };
  const served = of('served', 'removing');
  const [written, unknown] = [of('written'), of('unknown')];
  const parts = [
    ...(written.length > 0 ? [say('written, not loaded:', written)] : []),
    ...(unknown.length > 0 ? [say('not known whether', unknown, ' are served')] : []),
  ];
  const text = [...(served.length > 0 || parts.length === 0 ? [say('Serving', served)] : []), ...parts].join(
    ', ',
  );
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** A source that could not be read, or was refused, also asks for handlers. */
const isAsked = ({ outcome, notes }: Report): boolean =>
  [...troubles(outcome), ...notes].some((problem) => refusals.includes(problem.code));

/** Without a duration: a line that changes at every tick would be logged at every tick. */
const clusterWords = {
  none: '',
  connecting: ', connecting to the cluster',
  synced: ', in sync with the cluster',
  stale: ', on the last answer of the cluster',
} as const;

export const troubles = (outcome: Outcome): readonly Problem[] => {
  switch (outcome.kind) {
    case 'converged':
      return [];
    case 'waiting':
      return outcome.for;
    case 'degraded':
      return outcome.problems;
    case 'failed':
    case 'refused':
      return [outcome.problem];
  }
};
