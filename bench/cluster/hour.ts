/**
 * An hour in which nothing happens, in a few minutes. What goes by the clock (bookmarks, the controller's Lease) is
 * measured for a minute; what is spread over the hour is made to happen in a row: all that kubelets write in it, and every
 * watch that is renewed in it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../../testbed/machine/command.ts';
import type { Fleet } from '../rollout/fleet.ts';
import type { FleetAccount, FleetBooks } from '../rollout/fleet-account.ts';
import type { Kubelets } from './kubelets.ts';

export type Hour = {
  readonly quiet: FleetAccount;
  readonly writes: FleetAccount;
  readonly renewals: FleetAccount;
  readonly renewed: number;
};

/** Every kubelet writes its status each five minutes. */
export const roundsOfAnHour = 12;
/** Two watches of each node, each renewed every 45 minutes on the average. */
export const renewalsOfAnHour = (nodes: number): number => Math.round((2 * nodes * 60) / 45);

const renewalsPerSecond = 250;

export const measureHour = async (
  site: {
    readonly fleet: Fleet;
    readonly kubelets: Kubelets;
    readonly books: FleetBooks;
    readonly names: readonly string[];
  },
  progress: Progress,
): Promise<Hour> => {
  const { fleet, kubelets, books, names } = site;
  const nodes = names.length;
  progress(`${nodes} nodes: a minute of nothing`);
  const quiet = await books.during(() => sleep(60_000));
  progress(`${nodes} nodes: what kubelets write in an hour`);
  const writes = await books.during(async () => {
    for (let round = 0; round < roundsOfAnHour; round += 1) await kubelets.beat();
    await sleep(2_000);
  });
  progress(`${nodes} nodes: watches that are renewed in an hour`);
  // Each once: one that breaks off again before anything came is taken for ill, and begins with a list.
  const count = 2 * nodes;
  let renewed = 0;
  const renewals = await books.during(async () => {
    renewed = await fleet.renew(count, (count / renewalsPerSecond) * 1000);
    await sleep(5_000);
  });
  return { quiet, writes, renewals, renewed };
};
