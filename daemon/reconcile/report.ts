/** Where status goes: status.json and the metrics for machines, the journal for history, systemd for a person. */
import { paths } from '../../protocol/host-paths.ts';
import { lastHour } from '../decide/backoff.ts';
import { headline, metrics, troubles } from '../decide/report/summary.ts';
import type { Host } from '../../host/host.ts';
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

/** The clock is the caller's; this only spells a time. */
const iso = (time: number): string => new Date(time).toISOString();

export const reportOf = (
  material: Ticked,
  agent: string,
  now: number,
  cluster: ClusterFacts | null = null,
): Report => {
  const { before, decision, desired, ledger, outcome } = material;
  // A refusal or a failure of the whole node is an outcome of its own; what is wrong with one wish is wrong all the same.
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
    // status.json is for everyone to read; a URL may hold a password or a token.
    trusted: Object.fromEntries(
      Object.entries(ledger.trusted).map(([url, sha256]) => [printUrl(url), sha256]),
    ),
    cluster,
  };
};

/** What the Node object is to say of a tick. */
export const told = (report: Report, { before, desired, ledger }: Ticked): Told => {
  const cri = before.runtime.name === 'none' ? undefined : before.runtime.cri;
  return {
    report,
    desired: desired.handlers,
    problems: desired.problems,
    turns: desired.turns,
    installed: ledger.handlers,
    // A runtime that does not answer serves nothing that could be sworn to.
    serves: cri === undefined || cri.kind === 'silent' ? [] : cri.handlers,
  };
};

/** What leaves this process but for the journal: status.json, the Node, Events, systemd's line. */
export const forEveryone = (report: Report): Report => JSON.parse(publicJson(report)) as Report;

const putStatus = (host: Host, report: Report): Promise<void> =>
  host.files.put(paths.status, `${publicJson(report)}\n`, 0o644);

/** A tick that came to no end at all: what is served is as it was, and what was said of it before is true no longer. */
export const publishFailure = async (host: Host, previous: Report, problem: Problem): Promise<Report> => {
  const outcome = { kind: 'failed', problem, undone: false } as const;
  const report = forEveryone({ ...previous, at: iso(host.clock.now()), outcome, did: [] });
  await putStatus(host, report).catch((error: unknown) => host.log('warn', problemOf(error).message));
  return report;
};

/** Writes what others read. A report that cannot be written must not undo a tick that went well: it is logged only. */
export const publish = async (
  host: Host,
  ticked: Ticked,
  previous: Report | undefined,
  cluster: ClusterFacts | null = null,
): Promise<Report> => {
  const whole = reportOf(ticked, version, host.clock.now(), cluster);
  const report = forEveryone(whole);
  try {
    await putStatus(host, report);
    await host.files.put(paths.metrics, metrics(report, ticked.ledger), 0o644);
  } catch (error) {
    host.log('warn', problemOf(error).message, logFields(problemOf(error)));
  }
  // Transitions only: a journal that repeats itself every minute is a journal that nobody reads.
  const line = headline(report);
  if (previous === undefined || headline(previous) !== line || report.did.length > 0) {
    const level =
      report.outcome.kind === 'converged' ? 'info' : report.outcome.kind === 'waiting' ? 'info' : 'warn';
    // The first of them stands in the line already.
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
