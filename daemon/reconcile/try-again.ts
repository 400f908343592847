/**
 * When what failed its proof may be tried again although nothing that is asked for has changed: a person asked for it, by a
 * command, a reload, a start of the service, or by touching the file. A start that systemd made by itself (after a crash, at
 * boot) is none: each try restarts the runtime twice.
 */
import { paths } from '../decide/paths.ts';
import type { Host } from '../host/host.ts';
import type { Desired } from '../model/desired.ts';
import type { Ledger } from '../model/ledger.ts';
import type { HandlerReport } from '../model/plan.ts';
import { Failure } from '../model/problem.ts';
import { saveLedger } from './state.ts';

const ownUnit = 'rcm-node.service';

/** Forgets what failed: all of it, or what is known of one handler. */
export const forgiven = (ledger: Ledger, only?: string): Ledger => ({
  ...ledger,
  bad: null,
  attempts:
    only === undefined
      ? ledger.attempts
      : Object.fromEntries(Object.entries(ledger.attempts).filter(([name]) => name !== only)),
});

/** When the files of shims.d that ask for something were last written, by path. */
const stampsOf = async (host: Host, files: readonly string[]): Promise<Readonly<Record<string, number>>> => {
  const rows: [string, number][] = [];
  for (const file of files) {
    const facts = await host.files.stat(file).catch(() => null);
    if (facts) rows.push([file, Math.floor(facts.modified)]);
  }
  return Object.fromEntries(rows);
};

/** Notes beside a failure how the files stood that asked for it. */
export const withStamps = async (host: Host, ledger: Ledger, desired: Desired): Promise<Ledger> => {
  const { bad } = ledger;
  if (!bad || bad.stamps) return ledger;
  const files = desired.handlers
    .map(({ where }) => where.file)
    .filter((file) => file.startsWith(`${paths.shims}/`));
  const next = { ...ledger, bad: { ...bad, stamps: await stampsOf(host, [...new Set(files)]) } };
  await saveLedger(host, next).catch(() => undefined);
  return next;
};

/** Without the failure where one of its files was touched since. A file that is gone is another desire, and seen as that. */
export const ifTouched = async (host: Host, ledger: Ledger): Promise<Ledger> => {
  const { bad } = ledger;
  if (!bad?.stamps) return ledger;
  const now = await stampsOf(host, Object.keys(bad.stamps));
  const touched = Object.entries(now).find(([file, time]) => bad.stamps?.[file] !== time)?.[0];
  if (touched === undefined) return ledger;
  host.log('info', `${touched} was touched: what failed its proof is tried again`);
  const next = forgiven(ledger);
  await saveLedger(host, next);
  return next;
};

/**
 * Whether a person started the service again. systemd counts its own starts, and sets the count back at each that was asked
 * for; that the service ran before in this boot is known by a file in /run, which a boot clears.
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

/** Throws for a name that nothing asks for; what failed is forgotten for good otherwise. */
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
