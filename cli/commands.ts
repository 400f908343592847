/**
 * The commands that work on the host. They load what is large, so `status` and `version` do not import this file. What the service
 * does not need is loaded by the command that does.
 */
import { resolve } from 'node:path';
import { evaluate } from '../daemon/decide/report/outcome.ts';
import { type Host, makeHost } from '../host/host.ts';
import { makeLog, silent } from '../host/log.ts';
import { compileLate } from '../host/memory.ts';
import { sendDatagram } from '../host/systemd/datagram.ts';
import { makeNotifier } from '../host/systemd/notify.ts';
import { maskUrls } from '../protocol/problem/mask.ts';
import { exitCodeOf, exitCodes } from '../daemon/model/outcome.ts';
import { Failure, problemOf } from '../protocol/problem/problem.ts';
import { openCluster } from '../daemon/cluster/session.ts';
import { loadSettings, openSettings } from '../daemon/state/load-settings.ts';
import { loop } from '../daemon/reconcile/service/loop.ts';
import { consider, type Tick } from '../daemon/reconcile/consider.ts';
import { once } from '../daemon/reconcile/once.ts';
import { publish, reportOf } from '../daemon/reconcile/report.ts';
import { readState } from '../daemon/state/state.ts';
import {
  allowed,
  consented,
  lookForPredecessors,
  standingConsent,
} from '../daemon/reconcile/takeover/allow.ts';
import { runtimes } from '../daemon/runtimes/table.ts';
import { exitCodeOfUninstall, uninstall } from '../daemon/reconcile/uninstall.ts';
import { isStartedAgain } from '../daemon/reconcile/try-again.ts';
import { withWatched } from '../daemon/reconcile/proof/watched.ts';
import { version } from '../protocol/version.ts';
import type { Command } from './arguments.ts';
import {
  doctorDocument,
  planDocument,
  reportDocument,
  takeoverDocument,
  uninstallDocument,
  verifyDocument,
} from './documents.ts';
import { fitted } from './layout.ts';
import { columns, json, out, paint } from './output.ts';
import { planCode, printFound, printTakenOver, takeoverCode } from './print-takeover.ts';
import { printVerified, verifiedCode } from './print-verify.ts';
import type { Machine } from '../host/facts.ts';
import { printChecks, printReport, printUninstalled } from './print.ts';

const machine = (): Machine => {
  if (process.arch === 'x64') return 'amd64';
  if (process.arch === 'arm64') return 'arm64';
  throw new Failure({
    code: 'unsupported-host',
    message: `${process.arch} is not supported; amd64 and arm64 are`,
  });
};

/** What happens goes to standard error, so that standard output holds the result alone. */
const progress: Host['log'] = (level, message, fields) => {
  if (level === 'debug') return;
  const detail = typeof fields?.detail === 'string' ? `\n  It printed: ${fields.detail}` : '';
  const text = `${level === 'error' ? 'error: ' : level === 'warn' ? 'warning: ' : ''}${message}${detail}\n`;
  process.stderr.write(maskUrls(text));
};

const printing = async () => ({
  ...(await import('../daemon/decide/report/diffs.ts')),
  ...(await import('./print-plan.ts')),
});

const hostFor = (command: Command, log = silent as Host['log']): Host =>
  withWatched(makeHost({ root: resolve(command.root), machine: machine(), log }));

const tickOf = (command: Command) => ({
  activate: command.activate,
  deep: true,
  force: command.force,
  now: true,
});

const tickOnce = async (command: Command, name: 'once' | 'retry', tick: Tick): Promise<number> => {
  const host = hostFor(command, progress);
  const settings = await openSettings(host)();
  const ticked = await once(host, settings, tick);
  const report = await publish({ ...host, log: silent }, ticked, undefined);
  const code = exitCodeOf(report);
  if (command.json) json(reportDocument(name, code, report));
  else out(printReport({ ...report, outcome: ticked.outcome }, paint, host.clock.now(), columns));
  return code;
};

export const work: Readonly<
  Record<
    Exclude<Command['name'], 'version' | 'status' | 'shim' | 'completion' | 'bootstrap' | 'controller'>,
    (command: Command) => Promise<number>
  >
> = {
  run: async (command) => {
    const journal = process.env.JOURNAL_STREAM !== undefined;
    const { logLevel } = await loadSettings(hostFor(command));
    const host = hostFor(command, makeLog({ journal, level: logLevel, write: out }));
    compileLate();
    await loop(host, {
      settings: openSettings(host),
      notifier: makeNotifier(process.env, sendDatagram, (error) =>
        host.log('warn', `systemd is told nothing: ${problemOf(error).message}`),
      ),
      cluster: (wake) => openCluster(host, wake),
      runtimes: runtimes.map(({ usual }) => usual.unit),
      isStartedAgain: () => isStartedAgain(host, process.env.INVOCATION_ID),
      onReload: (wake) => process.on('SIGHUP', wake),
      onStop: (stop) => {
        process.on('SIGTERM', stop);
        process.on('SIGINT', stop);
      },
    });
    return exitCodes.settled;
  },
  once: (command) => tickOnce(command, 'once', tickOf(command)),
  retry: (command) =>
    tickOnce(command, 'retry', {
      ...tickOf(command),
      unbudgeted: true,
      ...(command.operand === undefined ? {} : { retry: command.operand }),
    }),
  plan: async (command) => {
    const host = hostFor(command);
    const settings = await loadSettings(host);
    const state = await readState(host);
    const consent = standingConsent(settings, tickOf(command));
    const ledger = consent ? await consented(host, settings, state.ledger, consent) : state.ledger;
    // A person waits: reading the whole store takes most of the time of a plan, and the service does it once a sweep.
    const tick = { ...tickOf(command), deep: command.deep === true };
    const { decision, desired } = await consider(host, settings, ledger, tick, {
      force: command.force,
      since: host.clock.now(),
    });
    const { plan } = decision;
    const { diffsOf, printPlan } = await printing();
    const wrong = [...state.problems, ...desired.problems];
    const evaluated = evaluate(decision, wrong, undefined);
    // A build that depends on this exit code needs every input to be valid, whatever the state of the node.
    const code =
      wrong.length > 0
        ? exitCodes.failed
        : exitCodeOf({ outcome: evaluated, handlers: decision.handlers, did: [] });
    const problems = wrong.filter((problem) => plan.kind !== 'refused' || plan.problem !== problem);
    if (command.json) json(planDocument(code, version, decision, problems, diffsOf(plan)));
    else out(printPlan({ ...decision, notes: [...problems, ...decision.notes] }, paint));
    return code;
  },
  verify: async (command) => {
    const host = hostFor(command, progress);
    const { verify } = await import('../daemon/reconcile/verify.ts');
    const results = await verify(host, await loadSettings(host), command.operand);
    const code = verifiedCode(results);
    if (command.json) json(verifyDocument(code, results));
    else out(printVerified(results, paint));
    return code;
  },
  doctor: async (command) => {
    const host = hostFor(command);
    const { diagnose } = await import('../daemon/doctor/doctor.ts');
    const checks = await diagnose(host, await loadSettings(host));
    const code = checks.some((check) => check.verdict === 'bad') ? exitCodes.failed : exitCodes.settled;
    if (command.json) json(doctorDocument(code, version, checks));
    else out(fitted(printChecks(checks, paint), columns));
    return code;
  },
  takeover: async (command) => {
    const { apply, unused } = command.takeover ?? { apply: false, unused: false };
    const host = hostFor(command, progress);
    const settings = await (apply ? openSettings(host)() : loadSettings(host));
    const found = await lookForPredecessors(host, settings);
    if (apply) {
      // A person asks for it: what failed before is tried again.
      const ticked = await once(host, settings, { ...tickOf(command), retry: true, takeover: { unused } });
      const report = await publish({ ...host, log: silent }, ticked, undefined);
      const code = takeoverCode(exitCodeOf(report), ticked.ledger);
      if (command.json) json(takeoverDocument(code, found, { report }));
      else out(fitted(printTakenOver(found, ticked, report, paint), columns));
      return code;
    }
    const state = await readState(host);
    const ledger = allowed(state.ledger, found, unused);
    const rules = { force: command.force, since: host.clock.now(), clear: true };
    const { decision } = await consider(host, settings, ledger, tickOf(command), rules);
    const code = planCode(found, decision);
    const { diffsOf, printPlan } = await printing();
    if (command.json) json(takeoverDocument(code, found, { decision, files: diffsOf(decision.plan) }));
    else out(fitted(`${printFound(found, decision, paint)}${printPlan(decision, paint)}`, columns));
    return code;
  },
  uninstall: async (command) => {
    const host = hostFor(command, progress);
    const settings = await loadSettings(host);
    const result = await uninstall(host, settings, command);
    const code = exitCodeOfUninstall(result);
    if (command.json)
      json(uninstallDocument(code, result, reportOf(result.ticked, version, host.clock.now())));
    else out(fitted(printUninstalled(result, paint), columns));
    return code;
  },
};
