/**
 * Notices what is written again and again, because another program changes it back each time: Git that is applied over a
 * RuntimeClass, a controller that keeps the labels of Nodes, a webhook that strips what it does not know. It is written on,
 * but slowly, so that neither side is kept busy; that is said, and it ends by itself when the other one stops.
 */
import type { Clock } from '../../host/host.ts';
import type { Log } from '../../host/log.ts';

/** What is written: the same again means that it was undone meanwhile. */
export type Written = {
  readonly what: string;
  /** Who undid it, where the API server knows. */
  readonly by?: string | undefined;
};

/** Names of those that change it back, as far as they are known. */
export type Overwriters = readonly string[];

export type WriteConflicts = {
  /** It was written, well. */
  wrote(key: string, written?: Written): void;
  /** `elapsed` from when on it may be written; with `what`, that again. */
  notBefore(key: string, what?: string): number;
  /** `elapsed` at which the first of those that wait may be written again, or is no longer held to be changed back. */
  nextDue(): number | undefined;
  /** By what is written: it is changed back again and again, as far as is known. */
  overwritten(): ReadonlyMap<string, Overwriters>;
  /** Forgets what has been left alone for long enough. */
  tidy(): void;
};

/** All Shims of a cluster, each with an approval, its end and a proof, need fewer writes for one Node. */
const burst = 40;
const everyMs = 60_000;

/** So often the same is written at once within this time: a tool that applies every ten minutes is one that changes back. */
const repairs = 3;
const withinMs = 30 * 60_000;
const repairEveryMs = 120_000;
/** Not changed back for so long: it is over. */
const quietMs = 15 * 60_000;

type Row = {
  what: string;
  at: number;
  repaired: readonly number[];
  by: readonly string[];
  isOverwritten: boolean;
};

export const makeWriteConflicts = (clock: Clock, log: Log): WriteConflicts => {
  /** By key, the `elapsed` at which all that was written is paid for. */
  const paid = new Map<string, number>();
  const said = new Set<string>();
  const rows = new Map<string, Row>();
  const paidAt = (key: string): number => (paid.get(key) ?? 0) - (burst - 1) * everyMs;
  const contested = (): readonly (readonly [string, Row])[] =>
    [...rows].filter(([, { isOverwritten }]) => isOverwritten);

  const count = (key: string): void => {
    const now = clock.elapsed();
    paid.set(key, Math.max(paid.get(key) ?? 0, now) + everyMs);
    if (paidAt(key) <= now || said.has(key)) return;
    said.add(key);
    log(
      'warn',
      `${key} is written too often, another program reverts it; writing it once a minute from now on`,
    );
  };

  const compare = (key: string, { what, by }: Written): void => {
    const now = clock.elapsed();
    const row = rows.get(key) ?? { what: '', at: now, repaired: [], by: [], isOverwritten: false };
    rows.set(key, row);
    const isRepair = row.what === what;
    row.what = what;
    row.at = now;
    if (!isRepair) return;
    row.repaired = [...row.repaired.filter((at) => now - at < withinMs), now];
    if (by !== undefined && !row.by.includes(by)) row.by = [...row.by, by].sort().slice(0, 10);
    if (row.isOverwritten || row.repaired.length < repairs) return;
    row.isOverwritten = true;
    const who = row.by.length > 0 ? row.by.join(', ') : 'another program';
    log(
      'warn',
      `${key} is repeatedly reverted by ${who}; correcting it every ${repairEveryMs / 1000} s from now on`,
    );
  };

  return {
    wrote: (key, written) => {
      count(key);
      if (written !== undefined) compare(key, written);
    },
    notBefore: (key, what) => {
      const row = rows.get(key);
      return row?.isOverwritten === true && row.what === what
        ? Math.max(paidAt(key), row.at + repairEveryMs)
        : paidAt(key);
    },
    nextDue: () => {
      const now = clock.elapsed();
      const due = [
        ...[...paid.keys()].map(paidAt),
        ...contested().flatMap(([, { at }]) => [at + repairEveryMs, at + quietMs]),
      ].filter((at) => at > now);
      return due.length === 0 ? undefined : due.reduce((a, b) => Math.min(a, b));
    },
    overwritten: () => new Map(contested().map(([key, { by }]) => [key, by])),
    tidy: () => {
      const now = clock.elapsed();
      for (const [key, at] of paid) {
        if (at > now) continue;
        paid.delete(key);
        said.delete(key);
      }
      for (const [key, { at, isOverwritten }] of rows) {
        if (now - at < (isOverwritten ? quietMs : withinMs)) continue;
        rows.delete(key);
        if (isOverwritten) log('info', `${key} is no longer reverted`);
      }
    },
  };
};
