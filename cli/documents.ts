/**
 * Every JSON document that a command prints, built here and nowhere else. docs/json.md lists each field, and
 * test/cli/documents.test.ts holds both together. Nothing in it is a whole file of others, a ledger, or what another
 * program printed: these documents are copied into build logs and tickets.
 */
import type { FileDiff } from '../daemon/decide/report/diffs.ts';
import { sentence } from '../daemon/decide/report/sentences.ts';
import { troubles } from '../daemon/decide/report/summary.ts';
import type { Outcome, Report } from '../daemon/model/outcome.ts';
import type { Decision, HandlerReport, Plan } from '../daemon/model/plan.ts';
import { formerCode } from '../protocol/problem/former-codes.ts';
import { hintOf, type Problem } from '../protocol/problem/problem.ts';
import { publicProblem } from '../protocol/problem/public.ts';
import type { Check } from '../daemon/doctor/check.ts';
import { finishing } from '../daemon/reconcile/remains.ts';
import type { Found } from '../daemon/reconcile/takeover/find.ts';
import type { Started } from '../daemon/reconcile/proof/start-proof.ts';
import type { Uninstalled } from '../daemon/reconcile/uninstall.ts';
import type { NeededApproval } from '../daemon/model/rollout-wait.ts';
import type { Command } from './arguments.ts';
import type { Mirrored } from './mirror/mirror.ts';
import type { Sample } from './shims/catalogue.ts';
import { replacementOf } from './print-takeover.ts';

/** Raised only if a field is renamed, removed, or changes its meaning; docs/json.md has the promise. */
export const schema = 1;

/** `command`: null where the command line was not understood. */
const document = (command: Command['name'] | null, exitCode: number, body: object): object => ({
  schema,
  command,
  exitCode,
  ...body,
});

const problem = (given: Problem): object => {
  const { code, message, handler, where } = given;
  const former = formerCode(code);
  return {
    code,
    ...(former === undefined ? {} : { formerCode: former }),
    message,
    hint: hintOf(publicProblem(given)),
    ...(handler === undefined ? {} : { handler }),
    ...(where === undefined ? {} : { where }),
  };
};

const outcome = (given: Outcome): object => ({
  kind: given.kind,
  problems: troubles(given).map(problem),
  ...(given.kind === 'failed' ? { undone: given.undone } : {}),
});

const rollout = ({ shim, revision, hold }: NeededApproval): object => ({
  shim,
  revision,
  ...(hold === undefined ? {} : { waitReason: hold }),
});

/** The same with its former names, which stay in this schema. */
const formerTurn = ({ shim, revision, hold }: NeededApproval): object => ({
  shim,
  revision,
  ...(hold === undefined ? {} : { hold: hold === 'self-scheduled' ? 'alone' : hold }),
});

const handler = ({
  name,
  state,
  source,
  sha256,
  signature,
  start,
  approval,
  problem: wrong,
}: HandlerReport): object => ({
  name,
  state,
  source,
  ...(sha256 === undefined ? {} : { sha256 }),
  ...(signature === undefined ? {} : { signature }),
  ...(start === undefined ? {} : { start }),
  ...(approval === undefined ? {} : { rollout: rollout(approval), turn: formerTurn(approval) }),
  ...(wrong === undefined ? {} : { problem: problem(wrong) }),
});

const report = (given: Report): object => {
  const { agent, at, runtime, did, restarts, trusted, cluster } = given;
  return {
    agent,
    at,
    outcome: outcome(given.outcome),
    runtime,
    handlers: given.handlers.map(handler),
    notes: given.notes.map(problem),
    did,
    restarts,
    trusted,
    cluster: cluster && { ...cluster, ...(cluster.problem ? { problem: problem(cluster.problem) } : {}) },
  };
};

export const reportDocument = (
  command: 'once' | 'retry' | 'status',
  exitCode: number,
  given: Report,
): object => document(command, exitCode, report(given));

const plan = (given: Plan, files: readonly FileDiff[]): object => {
  if (given.kind === 'refused') return { kind: given.kind, problem: problem(given.problem) };
  // A plan of kind `trial`, without an answer of the runtime's parser, has no steps.
  if (given.kind !== 'steps') return { kind: 'settled' };
  const { kind, revision, because, disrupts, steps } = given;
  return {
    kind,
    revision,
    because,
    restarts: disrupts,
    steps: steps.flatMap((step) => {
      const says = sentence(step, steps);
      return says === undefined ? [] : [{ kind: step.kind, says }];
    }),
    files,
  };
};

export const planDocument = (
  exitCode: number,
  agent: string,
  decision: Decision,
  problems: readonly Problem[],
  files: readonly FileDiff[],
): object =>
  document('plan', exitCode, {
    agent,
    plan: plan(decision.plan, files),
    handlers: decision.handlers.map(handler),
    problems: problems.map(problem),
    notes: decision.notes.map(problem),
  });

export const verifyDocument = (exitCode: number, results: Readonly<Record<string, Started>>): object =>
  document('verify', exitCode, {
    handlers: Object.entries(results).map(([name, result]) => ({
      name,
      start: result.kind === 'failed' ? { kind: result.kind, problem: problem(result.problem) } : result,
    })),
  });

export const doctorDocument = (exitCode: number, agent: string, checks: readonly Check[]): object =>
  document('doctor', exitCode, {
    agent,
    checks: checks.map(({ what, verdict, says, hint, code }) => ({
      what,
      ...(what === 'approvals' ? { formerWhat: 'turns' } : {}),
      verdict,
      says,
      ...(hint === undefined ? {} : { hint }),
      ...(code === undefined ? {} : { code }),
    })),
  });

export const uninstallDocument = (exitCode: number, given: Uninstalled, reported: Report): object =>
  document('uninstall', exitCode, {
    complete: given.complete,
    removed: given.removed,
    left: given.left.map(({ path, why, command }) => ({
      path,
      why,
      ...(command === undefined ? {} : { command }),
    })),
    commands: finishing(given),
    ...(given.unproven === undefined ? {} : { unproven: given.unproven.why }),
    report: report(reported),
  });

/** `done`: with --apply, what was done; otherwise the plan. */
export const takeoverDocument = (
  exitCode: number,
  { tables, remnants, left }: Found,
  done: { readonly report: Report } | { readonly decision: Decision; readonly files: readonly FileDiff[] },
): object => {
  const handlers = 'report' in done ? done.report.handlers : done.decision.handlers;
  return document('takeover', exitCode, {
    tables: tables.map(({ from, handler, where, program, mapped }) => ({
      from,
      handler,
      where,
      program,
      inUse: mapped,
      replacedBy: replacementOf(handlers, handler)?.source ?? null,
    })),
    files: remnants.map(({ remnant: { path, kind }, from, mapped }) => ({ path, kind, from, inUse: mapped })),
    left,
    ...('report' in done
      ? { report: report(done.report) }
      : { plan: plan(done.decision.plan, done.files), handlers: handlers.map(handler) }),
  });
};

export const versionDocument = (exitCode: number, version: string, node: string, arch: string): object =>
  document('version', exitCode, { version, node, arch });

const sample = ({ name, what, version, state }: Sample): object => ({ name, what, version, state });

export const shimListDocument = (exitCode: number, samples: readonly Sample[]): object =>
  document('shim', exitCode, { shims: samples.map(sample) });

export const shimMirrorDocument = (exitCode: number, { to, lock, copied, mirrors }: Mirrored): object =>
  document('shim', exitCode, {
    mirror: {
      to,
      lock,
      locations: copied.map(({ location, did, entry, problem: wrong }) => ({
        location,
        did,
        ...(entry
          ? { sha256: entry.sha256, bytes: entry.bytes, path: entry.path, pinned: entry.pinned }
          : {}),
        ...(wrong ? { problem: problem(wrong) } : {}),
      })),
      mirrors,
    },
  });

export const shimExampleDocument = (exitCode: number, given: Sample, toml: string): object =>
  document('shim', exitCode, { example: { ...sample(given), toml } });

export const errorDocument = (command: Command['name'] | null, exitCode: number, given: Problem): object =>
  document(command, exitCode, { error: problem(given) });
