/**
 * Whether a service that was just started has come up: systemd got its readiness, and its report has the requested
 * version. Values in, a verdict out; install.ts repeats this until the verdict is final.
 */
import type { UnitFacts } from '../host/facts.ts';
import { looking } from '../daemon/decide/report/summary.ts';

export type Look = {
  readonly unit: UnitFacts;
  /** From status.json; undefined if there is none, or if it cannot be read. */
  readonly report: { readonly agent: string; readonly at: string } | undefined;
  /** Milliseconds since its start was over. */
  readonly elapsed: number;
};

export type Wanted = {
  readonly version: string;
  /** The service's InvocationID right after its start. */
  readonly invocation: string;
  /** The time of the report from before the start, which proves nothing. */
  readonly staleAt: string | undefined;
};

export type Verdict =
  | { readonly kind: 'up'; readonly note?: string }
  | { readonly kind: 'wait' }
  | { readonly kind: 'down'; readonly why: string };

/** How long it may take to report. */
export const reportMs = 90_000;
/** How long it has to stay up, with or without a report: a service that fails at its start ends sooner. */
export const stableMs = 5_000;

export const judgeStart = ({ unit, report, elapsed }: Look, wanted: Wanted): Verdict => {
  if (unit.active !== 'active') return { kind: 'down', why: howItEnded(unit) };
  if (unit.invocation !== wanted.invocation)
    return { kind: 'down', why: `it restarted after ${Math.round(elapsed / 1000)} s` };
  if (elapsed < stableMs) return { kind: 'wait' };
  if (report?.agent === wanted.version && report.at !== wanted.staleAt) return { kind: 'up' };
  if (elapsed < reportMs) return { kind: 'wait' };
  // The first tick may download for minutes. The status line says so, and changes when it is over.
  if (unit.status === looking)
    return { kind: 'up', note: 'its first tick is not over: rcm-node status shows the result' };
  const says = unit.status ? `; it says: ${unit.status}` : '';
  return { kind: 'down', why: `it is running, but has not reported within ${reportMs / 1000} s${says}` };
};

/** The meaning of the exit codes of systemd and of the dynamic loader. */
const causes: Readonly<Record<number, string>> = {
  127: 'the host lacks a library: it needs glibc 2.28 or later and libstdc++',
  203: 'it could not be started at all: no glibc, a noexec mount, or SELinux',
  226: 'its sandbox could not be set up',
};

export const howItEnded = (unit: UnitFacts): string => {
  const cause = unit.exit === undefined ? undefined : causes[unit.exit];
  const result = unit.result === '' || unit.result === 'success' ? '' : `, ${unit.result}`;
  const exit = unit.exit === undefined || unit.exit === 0 ? '' : ` ${unit.exit}`;
  return `it is ${unit.active}${result}${exit}${cause === undefined ? '' : ` (${cause})`}`;
};
