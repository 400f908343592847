/** The account of a stretch of time by who had a part in it: the nodes, the controller, the API server. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import { type Account, type Counts, keepBooks, peakOf, tally } from '../cluster/account.ts';
import type { Asked } from '../cluster/audit-tail.ts';
import type { ControllerProcess, ControllerSample } from './controller-process.ts';
import type { Fleet } from './fleet.ts';
import { addWire, type Wire } from '../cluster/wire.ts';

export type Part = {
  readonly asked: Counts;
  readonly total: number;
  /** The most within a second. */
  readonly peak: number;
  readonly refused: Counts;
  readonly wire: Wire;
};

export type FleetAccount = {
  readonly all: Account;
  readonly nodes: Part;
  readonly controller: Part;
  readonly before: ControllerSample;
  readonly after: ControllerSample;
  readonly etcdMb: number;
};

export type FleetBooks = {
  during(work: (asked: () => readonly Asked[]) => Promise<unknown>): Promise<FleetAccount>;
  close(): void;
};

const residentMb = (pid: number): number =>
  (Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(join('/proc', String(pid), 'status'), 'utf8'))?.[1]) *
    1024) /
  1e6;

const partOf = (requests: readonly Asked[], by: Asked['by'], wire: Wire): Part => {
  const own = requests.filter((one) => one.by === by);
  return {
    asked: tally(own.map(({ what }) => what)),
    total: own.length,
    peak: peakOf(own),
    refused: tally(own.filter(({ code }) => code >= 400).map(({ what, code }) => `${code} ${what}`)),
    wire,
  };
};

export const keepFleetBooks = (cluster: Cluster, fleet: Fleet, controller: ControllerProcess): FleetBooks => {
  const books = keepBooks(cluster, () => fleet.pids);
  const look = async () => ({ fleet: await fleet.wire(), controller: await controller.sample() });
  return {
    during: async (work) => {
      const first = await look();
      const all = await books.during(work);
      const last = await look();
      const wire = addWire([last.fleet, first.fleet], -1);
      const ofController = addWire([last.controller.wire, first.controller.wire], -1);
      return {
        all,
        nodes: partOf(all.requests, 'node', wire),
        controller: partOf(all.requests, 'controller', ofController),
        before: first.controller,
        after: last.controller,
        etcdMb: residentMb(cluster.etcd.pid),
      };
    },
    close: books.close,
  };
};
