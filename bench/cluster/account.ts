/** What a stretch of time cost a cluster: what rcm-node asked, what went over the wire, and whose processor time it took. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import { type ApiserverSample, rateBetween, sampleApiserver } from '../../testbed/cluster/rate.ts';
import { type Asked, tailAudit } from './audit-tail.ts';

export type Counts = Readonly<Record<string, number>>;

export type Account = {
  readonly seconds: number;
  /** Of rcm-node alone: `PATCH nodes` and how often. */
  readonly asked: Counts;
  readonly total: number;
  /** The same one by one. */
  readonly requests: readonly Asked[];
  /** Statuses of 400 and more. */
  readonly refused: Counts;
  /** The most that rcm-node asked within a second. */
  readonly peak: number;
  /** Seconds from the beginning to rcm-node's last request. */
  readonly last: number;
  /** Bytes that the nodes read and wrote, TLS included; an API server keeps no account of what it answers to writes. */
  readonly wire: { readonly read: number; readonly written: number };
  /** As the API server's metrics have it, to all clients: watch events and their bytes. */
  readonly watched: Counts;
  readonly events: Counts;
  /** Seconds of processor time. */
  readonly cpu: { readonly apiserver: number; readonly etcd: number; readonly fleet: number };
  readonly residentMb: number;
};

/** User and kernel time of a process, in seconds; the kernel counts in hundredths. */
export const processorSeconds = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

/** All that a process read and wrote, which in a simulated node is its connections, and little else. */
export const bytesOf = (pid: number): { readonly read: number; readonly written: number } => {
  const io = readFileSync(`/proc/${pid}/io`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1]);
  return { read: field('rchar'), written: field('wchar') };
};

export const tally = (words: readonly string[]): Counts => {
  const found: Record<string, number> = {};
  for (const word of words) found[word] = (found[word] ?? 0) + 1;
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
};

/** The most within a second. */
export const peakOf = (asked: readonly Asked[]): number =>
  Math.max(0, ...Object.values(tally(asked.map(({ at }) => String(Math.floor(at / 1000))))));

const times = (rates: Counts, seconds: number): Counts =>
  Object.fromEntries(Object.entries(rates).map(([key, rate]) => [key, rate * seconds]));

const ofInterest = (counts: Counts): Counts => ({
  nodes: counts.nodes ?? 0,
  shims: counts['shims.runtime.spinkube.dev'] ?? 0,
});

export const sum = (counts: Counts): number => Object.values(counts).reduce((all, one) => all + one, 0);

/** A sample of the server that was started anew counts from nothing. */
const nothingYet = (sample: ApiserverSample, at: number): ApiserverSample => ({
  ...sample,
  at,
  cpuSeconds: 0,
  requests: {},
  refused: {},
  responseBytes: {},
  watchEvents: {},
  watchBytes: {},
});

export type Bookkeeper = {
  /** The account of what happens until `work` is over. `work` may ask what rcm-node has asked since it began. */
  during(work: (asked: () => readonly Asked[]) => Promise<unknown>): Promise<Account>;
  close(): void;
};

export const keepBooks = (cluster: Cluster, fleet: () => readonly number[]): Bookkeeper => {
  const tail = tailAudit(cluster.auditFile);
  const ofFleet = (what: (pid: number) => number): number => fleet().reduce((all, pid) => all + what(pid), 0);
  const look = () => ({
    etcd: processorSeconds(cluster.etcd.pid),
    fleet: ofFleet(processorSeconds),
    read: ofFleet((pid) => bytesOf(pid).read),
    written: ofFleet((pid) => bytesOf(pid).written),
  });
  return {
    during: async (work) => {
      const skip = tail.read().length;
      const before = await sampleApiserver(cluster.admin);
      const first = look();
      const began = Date.now();
      const since = (): readonly Asked[] => tail.read().slice(skip);
      await work(() => since().filter(({ ours }) => ours));
      const after = await sampleApiserver(cluster.admin);
      const last = look();
      const restarted = before.startedAt !== after.startedAt;
      const rate = rateBetween(restarted ? nothingYet(after, before.at) : before, after);
      const { seconds } = rate;
      const all = since();
      const ours = all.filter((one) => one.ours);
      return {
        seconds,
        asked: tally(ours.map(({ what }) => what)),
        total: ours.length,
        requests: ours,
        refused: tally(ours.filter(({ code }) => code >= 400).map(({ code }) => String(code))),
        peak: peakOf(ours),
        last: ours.length === 0 ? 0 : (ours.reduce((last, { at }) => Math.max(last, at), 0) - began) / 1000,
        watched: ofInterest(times(rate.watchBytes, seconds)),
        events: ofInterest(times(rate.watchEvents, seconds)),
        cpu: {
          apiserver: rate.processors * seconds,
          etcd: last.etcd - first.etcd,
          fleet: last.fleet - first.fleet,
        },
        wire: { read: last.read - first.read, written: last.written - first.written },
        residentMb: after.residentBytes / 1e6,
      };
    },
    close: tail.close,
  };
};

/** Waits until `done`, and then until rcm-node has asked nothing for a while. */
export const untilQuiet = async (
  asked: () => readonly Asked[],
  what: string,
  done: (asked: readonly Asked[]) => boolean,
  { quietMs = 6_000, forMs = 180_000 } = {},
): Promise<void> => {
  const end = performance.now() + forMs;
  for (let seen = -1, since = 0; ; await sleep(250)) {
    const all = asked();
    if (all.length !== seen) [seen, since] = [all.length, performance.now()];
    if (done(all) && performance.now() - since >= quietMs) return;
    if (performance.now() < end) continue;
    const found = JSON.stringify(tally(all.map((one) => `${one.what} ${one.code}`)));
    throw new Error(`${what} did not happen within ${forMs / 1000} s; what was asked: ${found}`);
  }
};
