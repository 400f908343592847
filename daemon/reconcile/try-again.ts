/**
 * Retries of a failed proof without a change of the desired state: a person asked for it by a command, a reload, a restart of
 * the service, or by touching the file. An automatic start by systemd (after a crash, at boot) does not count, because each
 * retry restarts the runtime twice.
 */
import { paths } from '../../protocol/host-paths.ts';
import type { Host } from '../../host/host.ts';
import type { Desired } from '../model/desired.ts';
import type { Ledger } from '../model/ledger.ts';
import type { HandlerReport } from '../model/plan.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { timeOf } from '../model/schema.ts';
import type { FailedStart } from '../model/start.ts';
import { retried } from '../decide/takeover/taken.ts';
import { saveLedger } from '../state/state.ts';

const ownUnit = 'rcm-node.service';

const without = <T>(rows: Readonly<Record<string, T>>, name: string): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(rows).filter(([key]) => key !== name));

/** Without failures: all, or those of one handler. */
export const withoutFailures = (ledger: Ledger, only?: string): Ledger => ({
  ...retried(ledger),
  bad: null,
  failedStarts: only === undefined ? {} : without(ledger.failedStarts, only),
  attempts: only === undefined ? ledger.attempts : without(ledger.attempts, only),
});

/** Modification times of the files of shims.d that define a handler, by path. */
const stampsOf = async (host: Host, files: readonly string[]): Promise<Readonly<Record<string, number>>> => {
  const rows: [string, number][] = [];
  for (const file of files) {
    const facts = await host.files.stat(file).catch(() => null);
    if (facts) rows.push([file, timeOf(facts.modified)]);
  }
  return Object.fromEntries(rows);
};

/** Adds the modification times of the source files to each failure. */
export const withStamps = async (host: Host, ledger: Ledger, desired: Desired): Promise<Ledger> => {
  const stamp = async <T extends { readonly stamps?: Readonly<Record<string, number>> }>(
    failure: T,
    isMeant: (name: string) => boolean,
  ): Promise<T> => {
    if (failure.stamps) return failure;
    const files = desired.handlers.flatMap(({ name, where }) =>
      isMeant(name) && where.file.startsWith(`${paths.shims}/`) ? [where.file] : [],
    );
    return { ...failure, stamps: await stampsOf(host, [...new Set(files)]) };
  };
  const bad = ledger.bad && (await stamp(ledger.bad, () => true));
  const rows: [string, FailedStart][] = [];
  for (const [name, one] of Object.entries(ledger.failedStarts))
    rows.push([name, await stamp(one, (other) => other === name)]);
  if (bad === ledger.bad && rows.every(([name, one]) => one === ledger.failedStarts[name])) return ledger;
  const next = { ...ledger, bad, failedStarts: Object.fromEntries(rows) };
  await saveLedger(host, next).catch(() => undefined);
  return next;
};

/** Drops failures whose file was touched since. A removed file is a change of the desired state. */
export const ifTouched = async (host: Host, before: Ledger): Promise<Ledger> => {
  const touched = async (stamps: Readonly<Record<string, number>> = {}): Promise<string | undefined> => {
    const now = await stampsOf(host, Object.keys(stamps));
    return Object.entries(now).find(([file, time]) => stamps[file] !== time)?.[0];
  };
  let ledger = before;
  const forget = (file: string, next: Ledger): void => {
    host.log('info', `retrying what failed its proof, ${file} was touched`);
    ledger = next;
  };
  for (const [name, { stamps }] of Object.entries(ledger.failedStarts)) {
    const file = await touched(stamps);
    if (file !== undefined) forget(file, { ...ledger, failedStarts: without(ledger.failedStarts, name) });
  }
  const file = await touched(ledger.bad?.stamps);
  if (file !== undefined) forget(file, { ...ledger, bad: null });
  if (ledger !== before) await saveLedger(host, ledger);
  return ledger;
};

/**
 * Whether a person restarted the service. systemd counts automatic restarts and resets the count at each requested start; a file
 * in /run, which a boot clears, tells that the service ran before in this boot.
 */
export const isStartedAgain = async (host: Host, invocation: string | undefined): Promise<boolean> => {
  const ranBefore = (await host.files.look(paths.ran)).kind !== 'absent';
  if (!ranBefore) {
    if (!(await host.files.isFolder(paths.run))) await host.files.makeFolder(paths.run);
    await host.files.put(paths.ran, '', 0o600);
  }
  if (!ranBefore || !invocation) return false;
  const unit = await host.systemd?.unit(ownUnit);
  return unit?.invocation === invocation && unit.restarts === 0;
};

/** Throws for a name that no source asks for; otherwise the failures are forgotten. */
export const mustBeAsked = async (
  host: Host,
  retry: true | string,
  handlers: readonly HandlerReport[],
  ledger: Ledger,
): Promise<void> => {
  const names = handlers.map(({ name }) => name);
  if (retry !== true && !names.includes(retry))
    throw new Failure({
      code: 'bad-value',
      message: `nothing asks for a handler "${retry}" here; asked for: ${names.join(', ') || 'none'}`,
      hint: 'rcm-node status lists them.',
    });
  await saveLedger(host, ledger);
};
