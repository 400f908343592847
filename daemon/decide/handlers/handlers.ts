/**
 * Which handlers the configuration must define, and what is missing for each: the desired handlers, minus those that are not
 * available or wait for an approval, plus those that may not be removed yet.
 */
import { deepEqual } from '../../toml/compare.ts';
import { type Handler, storeKey } from '../../model/desired.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { HandlerReport, Step } from '../../model/plan.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { type Start, startId, startOf } from '../../model/start.ts';
import { artifactWait } from '../backoff.ts';
import { type Approval, approvalOf, tableInForce } from './approval.ts';
import { leadsToShim } from './stand-in.ts';
import { ownershipConflict } from './ownership.ts';
import { isLost, isRowAlone, pathOf, preparedRows, type Preparing, staysPrepared } from './prepared.ts';
import { removals } from './removals.ts';
import { stateOfWritten } from '../restart.ts';
import type { Baseline } from '../baseline.ts';
import type { StoreFact } from '../observed.ts';
import { failedTry } from './failed-revisions.ts';
import type { HandlerState } from '../../../protocol/node-annotations.ts';
import type { Wanted, Selection } from './selection.ts';

export const selectHandlers = (baseline: Baseline, how: Preparing = 'standing'): Selection => {
  const { desired, before, target } = baseline;
  const { present } = target;
  const wanted: Wanted[] = [];
  const artifacts: Step[] = [];
  const reports: HandlerReport[] = [];
  const awaited: string[] = [];
  const leftOut = new Set<string>();
  /** The reasons, by source. */
  const failing = new Map<string, Problem>();
  const keep = (name: string): void => {
    const table = present[name];
    const installed = before.ledger.handlers[name];
    // Its row is prepared below, as one that no shim asks for: what others wrote in its place is loaded by no restart of ours.
    if (isRowAlone(baseline, name) && before.ledger.prepared?.[name]) return;
    if (!table) return;
    // What others changed in it since is repaired: it may not be in the runtime, and would be loaded with a restart of ours.
    if (installed) wanted.push({ name, table: tableInForce(baseline, name) ?? table, installed });
    else wanted.push({ name, table, ...(isLost(baseline, name) ? { waits: true } : {}) });
  };
  /** Restores it as the ledger has it; returns whether its artifact is there. */
  const hold = (name: string): boolean => {
    const installed = before.ledger.handlers[name];
    const table = tableInForce(baseline, name);
    if (!installed || !table) {
      keep(name);
      return true;
    }
    const whole = before.store[installed.key]?.kind === 'whole';
    if (!whole && attemptOf(baseline, installed.handler)) {
      keep(name);
      return false;
    }
    if (!whole && !baseline.rules.ready) {
      const { handler } = installed;
      artifacts.push({ kind: 'fetch', handler }, { kind: 'place', handler });
    }
    wanted.push({ name, table, installed });
    return whole;
  };
  for (const handler of desired.handlers) {
    let proof: HandlerReport['signature'];
    const report = (
      state: HandlerState,
      given: {
        readonly problem?: Problem;
        readonly sha256?: string;
        readonly gate?: Approval | undefined;
        readonly start?: Start;
      } = {},
    ): void => {
      const { problem, sha256, gate, start } = given;
      reports.push({
        name: handler.name,
        state,
        source: handler.where.file,
        ...(sha256 ? { sha256 } : {}),
        // It is of the artifact that is asked for: without its digest it would be taken for one of what is served.
        ...(sha256 && proof ? { signature: proof } : {}),
        ...(start ? { start } : {}),
        ...(problem ? { problem } : {}),
        ...(gate?.needed ? { approval: gate.needed } : {}),
      });
    };
    const path = pathOf(baseline, handler);
    const foreign = target.refusalOf?.(handler) ?? ownershipConflict(baseline, handler, path);
    if (foreign) {
      report('refused', { problem: foreign });
      keep(handler.name);
      continue;
    }
    const sha256 = handler.artifact.sha256 ?? before.ledger.trusted[handler.artifact.url];
    const key = storeKey(handler, sha256);
    const table = target.tableOf(handler, path);
    const stored = key === undefined ? undefined : before.store[key];
    proof = proofOf(stored, handler);
    const isProven = handler.artifact.signed === undefined || proof !== undefined;
    // What is in service stays: a policy that changed is no reason to end what Pods use, as with allowedHosts.
    const ready = key !== undefined && stored?.kind === 'whole' && isProven;
    // It came with the image and does not run on this host: every Pod that uses it would fail.
    const broken =
      before.activate && stored?.kind === 'whole' && stored.untried && isProven
        ? attemptOf(baseline, handler)
        : undefined;
    if (broken) {
      const message = `${broken.problem.message}; it came with the image, and is removed from the configuration`;
      report('failed', { problem: { ...broken.problem, handler: handler.name, message } });
      continue;
    }
    const gate = approvalOf(baseline, handler, { table, key, path });
    if (gate?.held && gate.leftOut) {
      leftOut.add(handler.name);
      failing.set(handler.where.file, gate.held);
    }
    // A handler that cannot be restored now is not replaced by one that is held.
    const isFinal = gate?.held?.code === 'known-bad' || gate?.held?.code === 'needs-restart';
    if (gate?.held && (!hold(handler.name) || isFinal)) {
      report(isFinal ? 'failed' : 'pending', { ...said(gate.held), gate });
      // A retry by a person does not download the artifact again.
      if (key !== undefined) awaited.push(key);
      continue;
    }
    const keepIt = (): void => {
      if (!gate?.held) keep(handler.name);
    };
    if (!ready) {
      const attempt = attemptOf(baseline, handler);
      if (attempt) {
        report('failed', { problem: failedTry(attempt, handler, desired.places?.[handler.name]) });
        keepIt();
        continue;
      }
      if (!baseline.rules.ready) artifacts.push({ kind: 'fetch', handler }, { kind: 'place', handler });
      if (key === undefined || baseline.rules.ready) {
        // Trust on first use: the digest, and with it the name in the store, is known only after the download.
        report('pending', { gate });
        keepIt();
        continue;
      }
    }
    if (gate?.held) {
      report('pending', { ...said(gate.held), gate, ...(sha256 ? { sha256 } : {}) });
      if (key !== undefined) awaited.push(key);
      continue;
    }
    const state = ready ? stateIn(baseline, handler.name, path) : 'pending';
    const id = startId(key, table);
    const start = state === 'served' ? { start: startOf(before.ledger.starts[handler.name], id) } : {};
    report(state, { gate, ...start, ...(sha256 ? { sha256 } : {}) });
    const was = before.ledger.handlers[handler.name];
    const isSame = was?.key === key && deepEqual(tableInForce(baseline, handler.name), table);
    wanted.push({
      name: handler.name,
      table,
      installed: { handler, key, sha256: sha256 ?? '', path },
      ...(isSame ? {} : { start: id }),
    });
  }
  for (const { name, source, gate, problem } of removals(baseline, failing)) {
    // Its table stays, and leads nowhere.
    if (!gate?.held && !problem && staysPrepared(baseline, name)) continue;
    reports.push({
      name,
      state: 'removing',
      source,
      ...(problem ? { problem } : {}),
      ...(gate?.needed ? { approval: gate.needed } : {}),
    });
    if (gate?.held || !(name in present)) hold(name);
    else if (problem) keep(name);
  }
  const taken = new Set(wanted.map(({ name }) => name));
  for (const row of preparedRows(baseline, taken, how)) {
    // Where a shim asks for it, the report is about the shim.
    const { report } = row;
    if (report && reports.every(({ name }) => name !== report.name)) reports.push(report);
    if (row.wanted) wanted.push(row.wanted);
  }
  return { wanted: wanted.sort((a, b) => (a.name < b.name ? -1 : 1)), artifacts, reports, awaited, leftOut };
};

/** What the present policy asks for, not one that was in force when it was placed. */
const proofOf = (
  stored: StoreFact | undefined,
  { artifact: { signed } }: Handler,
): HandlerReport['signature'] => {
  const proofs = stored?.kind === 'whole' ? (stored.proofs ?? []) : [];
  const found = signed && proofs.find(({ policy }) => signed.any.includes(policy));
  return found && { ...found, prefix: signed.prefix };
};

/** The budget is one note of the node for all handlers. */
const said = (held: Problem): { readonly problem?: Problem } =>
  held.code === 'restart-budget' ? {} : { problem: held };

/** Identifies an attempt, so that a changed location, digest or selection is tried at once. */
export const artifactId = (handler: Handler): string => JSON.stringify([handler.artifact, handler.runtime]);

/** The failed attempt whose backoff has not passed. */
const attemptOf = ({ before, rules }: Baseline, handler: Handler): Ledger['attempts'][string] | undefined => {
  const attempt = before.ledger.attempts[handler.name];
  if (attempt?.artifact !== artifactId(handler)) return undefined;
  const counts = rules.since === undefined || attempt.at >= rules.since;
  return counts && artifactWait(attempt, before.now) > 0 ? attempt : undefined;
};

/** Without its link, the table leads nowhere: the list of CRI has its name all the same. */
const stateIn = ({ runtime, before, target }: Baseline, name: string, path: string): HandlerState =>
  name in target.present && leadsToShim(before.links[path]?.target)
    ? stateOfWritten(runtime.cri, name, before.activate)
    : 'pending';
