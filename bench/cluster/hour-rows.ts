/** The figures of an hour in which nothing happens, put together from what it consists of. */
import type { Account } from './account.ts';
import { bytesOfWire, bytesSpelled, spelled } from '../rollout/fleet-text.ts';
import type { FleetAccount } from '../rollout/fleet-account.ts';
import type { Hour } from './hour.ts';
import { renewalsOfAnHour, roundsOfAnHour } from './hour.ts';
import type { Row } from '../row.ts';
import { addWire, type Wire } from './wire.ts';

export type GivenHour = {
  readonly nodes: number;
  readonly baseline: Account;
  /** One round of what kubelets write, without a watch. */
  readonly beatsAlone: Account;
  readonly hour: Hour;
};

const hourSeconds = 3600;

const scaled = (wire: Wire, factor: number): Wire =>
  Object.fromEntries(
    Object.entries(wire).map(([what, { requests, sent, received }]) => [
      what,
      { requests: requests * factor, sent: sent * factor, received: received * factor },
    ]),
  );

export const hourRows = ({ nodes, baseline, beatsAlone, hour }: GivenHour): readonly Row[] => {
  const { quiet, writes, renewals, renewed } = hour;
  const wanted = renewalsOfAnHour(nodes);
  const ofRenewals = renewed === 0 ? Number.NaN : wanted / renewed;
  /** What goes by the clock, for an hour; of the other two what is more than that. */
  const over = (of: (account: FleetAccount) => number): number => {
    const perSecond = of(quiet) / quiet.all.seconds;
    const more = (account: FleetAccount): number => of(account) - perSecond * account.all.seconds;
    return perSecond * hourSeconds + more(writes) + more(renewals) * ofRenewals;
  };
  const wireOver = (of: (account: FleetAccount) => Wire): Wire => {
    const more = (account: FleetAccount): Wire =>
      addWire([of(account), scaled(of(quiet), account.all.seconds / quiet.all.seconds)], -1);
    return addWire([
      scaled(of(quiet), hourSeconds / quiet.all.seconds),
      more(writes),
      scaled(more(renewals), ofRenewals),
    ]);
  };
  const nodesWire = wireOver(({ nodes: part }) => part.wire);
  const controllerWire = wireOver(({ controller }) => controller.wire);
  const rate = (total: number): number => total / hourSeconds;
  const alone = beatsAlone.cpu.apiserver * roundsOfAnHour;
  const baselineHour = (baseline.cpu.apiserver / baseline.seconds) * hourSeconds;
  const cpu = over(({ all }) => all.cpu.apiserver) - alone - baselineHour;
  const controllerCpu = over(({ before, after }) => after.cpuSeconds - before.cpuSeconds);
  const written = [quiet, writes, renewals].reduce(
    (sum, { all }) =>
      sum +
      all.requests.filter(({ what }) => /^(PATCH|CREATE|DELETE) /.test(what) || what === 'UPDATE nodes')
        .length,
    0,
  );
  const how = `a minute of nothing times 60, ${roundsOfAnHour * nodes} writes by kubelets in ${writes.all.seconds.toFixed(0)} s, and ${renewed} watches broken off and renewed in ${renewals.all.seconds.toFixed(0)} s, for ${wanted} in an hour`;
  return [
    {
      what: `an hour of nothing, ${nodes} nodes: writes by nodes and controller`,
      value: written,
      unit: 'count',
      limit: 0,
      how: `but for the controller's Lease. ${how}`,
    },
    {
      what: 'an hour of nothing: requests in a second',
      value: rate(over(({ all }) => all.total)),
      unit: '/s',
      limit: (2.5 * nodes) / 2_700 + 1,
      how: `quiet: ${spelled(quiet.all.asked)} in ${quiet.all.seconds.toFixed(0)} s; renewals: ${spelled(renewals.all.asked)}; while kubelets wrote: ${spelled(writes.all.asked)}`,
    },
    {
      what: 'an hour of nothing: bytes to and from nodes in a second',
      value: rate(bytesOfWire(nodesWire)) / 1000,
      unit: 'kB',
      how: `of all together, without TLS: ${bytesSpelled(nodesWire, hourSeconds * 1000, 'kB/s')}`,
    },
    {
      what: 'an hour of nothing: bytes to and from the controller in a second',
      value: rate(bytesOfWire(controllerWire)) / 1000,
      unit: 'kB',
      how: `whole Nodes, which their kubelets write: ${bytesSpelled(controllerWire, hourSeconds * 1000, 'kB/s')}`,
    },
    {
      what: 'an hour of nothing: processor time of the API server for it',
      value: (cpu / hourSeconds) * 100,
      unit: '%',
      limit: 25,
      how: `of one core, beside what it needs for itself and for ${roundsOfAnHour * nodes} writes that no watch follows (${((beatsAlone.cpu.apiserver / nodes) * 1000).toFixed(1)} ms each; ${((writes.all.cpu.apiserver / nodes / roundsOfAnHour) * 1000).toFixed(1)} ms with us). It has ${renewals.all.residentMb.toFixed(0)} MB; ${baseline.residentMb.toFixed(0)} MB without nodes`,
    },
    {
      what: 'an hour of nothing: processor time of the controller',
      value: (controllerCpu / hourSeconds) * 100,
      unit: '%',
      limit: 5,
      how: `of one core; ${renewals.after.passes - quiet.before.passes} passes in all of this`,
    },
    {
      what: 'an hour of nothing: memory of the controller',
      value: renewals.after.anonMb,
      unit: 'MB',
      how: `Pss_Anon afterwards; ${renewals.after.residentMb.toFixed(0)} MB resident, at most ${renewals.after.peakMb.toFixed(0)} MB since its start`,
    },
  ];
};
