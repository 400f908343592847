/** Reports of a tick: status.json and metrics for machines, the journal for history, the systemd status for people. */
import { paths } from '../../protocol/host-paths.ts';
import { lastHour } from '../decide/backoff.ts';
import { metrics } from '../decide/report/metrics.ts';
import { headline, troubles } from '../decide/report/summary.ts';
import type { Host } from '../../host/host.ts';
import type { Ledger } from '../model/ledger.ts';
import type { ClusterFacts, Report } from '../model/outcome.ts';
import {
  hintLead,
  hintOf,
  logFields,
  type Problem,
  printProblem,
  problemOf,
} from '../../protocol/problem/problem.ts';
import { noteCodes } from '../../protocol/problem/problem-files.ts';
import { publicJson } from '../../protocol/problem/public.ts';
import { printUrl } from '../../protocol/problem/mask.ts';
import { version } from '../../protocol/version.ts';
import type { Told } from '../cluster/node-writer.ts';
import type { Ticked } from './once.ts';

/** Formats a time; the caller has the clock. */
const iso = (time: number): string => new Date(time).toISOString();

export const reportOf = (
  material: Ticked,
  agent: string,
  now: number,
  cluster: ClusterFacts | null = null,
): Report => {
  const { before, decision, desired, ledger, outcome } = material;
  // If the whole node was refused or failed, the outcome is about that; problems of single handlers are added as notes.
  const unsaid = desired.problems.filter((problem) => !troubles(outcome).includes(problem));
  const last = ledger.restarts.length === 0 ? undefined : Math.max(...ledger.restarts);
  return {
    version: 1,
    agent,
    at: iso(now),
    outcome,
    runtime:
      before.runtime.name === 'none'
        ? null
        : {
            name: before.runtime.name,
            version: before.runtime.version,
            unit: before.runtime.unit?.name ?? '',
          },
    handlers: decision.handlers,
    notes: [...decision.notes, ...unsaid, ...(cluster?.problem ? [cluster.problem] : [])],
    did: material.did,
    restarts: { lastHour: lastHour(ledger.restarts, now), last: last === undefined ? null : iso(last) },
    // Every user may read status.json; a URL may have a password or a token.
    trusted: Object.fromEntries(
      Object.entries(ledger.trusted).map(([url, sha256]) => [printUrl(url), sha256]),
    ),
    cluster,
  };
};

/** The input for the status on the Node. */
export const told = (report: Report, { before, desired, ledger }: Ticked): Told => {
  const cri = before.runtime.name === 'none' ? undefined : before.runtime.cri;
  return {
    report,
    desired: desired.handlers,
    problems: desired.problems,
    approvals: desired.approvals,
    installed: ledger.handlers,
    prepared: ledger.prepared,
    // A runtime that does not answer confirms no handler.
    serves: cri === undefined || cri.kind === 'silent' ? [] : cri.handlers,
  };
};

/** The masked report for status.json, the Node, Events and the systemd status; only the journal has the details. */
export const forEveryone = (report: Report): Report => JSON.parse(publicJson(report)) as Report;

/** The last tick that had a result. */
export type Published = { readonly report: Report; readonly ledger: Ledger };

/** A failed write must not fail a successful tick: it is only logged. */
const putReports = async (host: Host, report: Report, ledger: Ledger): Promise<void> => {
  try {
    await host.files.put(paths.status, `${publicJson(report)}\n`, 0o644);
    await host.files.put(paths.metrics, metrics(report, ledger), 0o644);
  } catch (error) {
    host.log('warn', problemOf(error).message, logFields(problemOf(error)));
  }
};

/** A tick that failed without a result: handlers are unchanged, but the previous outcome is no longer true. */
export const publishFailure = async (
  host: Host,
  { report: previous, ledger }: Published,
  problem: Problem,
): Promise<Report> => {
  const outcome = { kind: 'failed', problem, undone: false } as const;
  const report = forEveryone({ ...previous, at: iso(host.clock.now()), outcome, did: [] });
  await putReports(host, report, ledger);
  return report;
};

/** Writes the reports. */
export const publish = async (
  host: Host,
  ticked: Ticked,
  previous: Report | undefined,
  cluster: ClusterFacts | null = null,
): Promise<Report> => {
  const whole = reportOf(ticked, version, host.clock.now(), cluster);
  const report = forEveryone(whole);
  await putReports(host, report, ticked.ledger);
  // Only transitions: a journal that repeats a line every minute hides what matters.
  const line = headline(report);
  if (previous === undefined || headline(previous) !== line || report.did.length > 0) {
    const level =
      report.outcome.kind === 'converged' ? 'info' : report.outcome.kind === 'waiting' ? 'info' : 'warn';
    // The line has the first problem already.
    const [first, ...others] = troubles(whole.outcome);
    host.log(level, first ? `${line}; ${hintLead}${hintOf(first)}` : line, {
      ...(first && logFields(first)),
      state: report.outcome.kind,
      did: report.did,
    });
    for (const problem of others)
      host.log(level, `${printProblem(problem)}; ${hintLead}${hintOf(problem)}`, logFields(problem));
  }
  const said = new Set(previous?.notes.map(printProblem));
  for (const note of report.notes)
    if (noteCodes.has(note.code) && !said.has(printProblem(note)))
      host.log('warn', `${printProblem(note)}; ${hintLead}${hintOf(note)}`, logFields(note));
  return report;
};
