/** The figures of a rollout, from the accounts of two: of a Shim that is new, and of one whose change restarts runtimes. */
import { type Account, sum } from '../cluster/account.ts';
import { bytesOfWire, bytesSpelled, spelled } from './fleet-text.ts';
import type { FleetAccount } from './fleet-account.ts';
import type { Course } from './one-rollout.ts';
import type { Row } from '../row.ts';

export type Rolled = { readonly account: FleetAccount; readonly course: Course };

export type GivenRollouts = {
  readonly nodes: number;
  readonly baseline: Account;
  readonly started: FleetAccount;
  readonly first: Rolled;
  readonly second: Rolled;
  /** Nodes on which the second was made to fail. */
  readonly doomed: number;
  readonly restartMs: number;
  readonly maxUpdate: string;
};

/** What the controller's Pod may have, in bootstrap/controller. */
const podMb = (512 * 1024 * 1024) / 1e6;

/** As in controller/apply/apply-status.ts. */
const statusSeconds = (nodes: number): number => Math.min(Math.max(nodes / 50, 1), 30);

const atOnceAllowed = (nodes: number, maxUpdate: string): number =>
  Math.max(1, Math.floor((nodes * Number.parseFloat(maxUpdate)) / 100));

const timesOf = (what: string, { course }: Rolled, given: GivenRollouts): readonly Row[] => [
  {
    what: `${what}: until Complete`,
    value: course.complete,
    unit: 's',
    how: `from kubectl apply; the last node served it after ${course.lastServing.toFixed(0)} s, and statuses are written at most every ${statusSeconds(given.nodes).toFixed(0)} s; ${given.maxUpdate} at once, a first one alone, three zones one after the other, ${given.restartMs / 1000} s for a restart with its proof`,
  },
];

const costsOf = (what: string, { account, course }: Rolled, given: GivenRollouts): readonly Row[] => {
  const { nodes, baseline, maxUpdate, doomed } = given;
  const { all, nodes: agents, controller, before, after } = account;
  const { verdict } = course;
  const beside = baseline.cpu.apiserver / baseline.seconds;
  const per = (value: number): number => value / nodes;
  const ms = (seconds: number): string => per(seconds * 1000).toFixed(1);
  const allowed = atOnceAllowed(nodes, maxUpdate);
  const wrong =
    Math.max(0, verdict.atOnce - allowed) +
    Math.max(0, verdict.beforeFirst - 1) +
    Math.max(0, verdict.zonesAtOnce - 1) +
    verdict.unapproved;
  const passes = after.passes - before.passes;
  const statuses = controller.asked['PATCH shims/status'] ?? 0;
  const decided = ((after.decideSeconds - before.decideSeconds) / passes) * 1000;
  return [
    {
      what: `${what}: nodes that broke the order of the rollout`,
      value: wrong,
      unit: 'count',
      limit: 0,
      how: `by every change of every Node: at most ${verdict.atOnce} at once, of ${allowed} allowed; ${verdict.beforeFirst} before the first had come through; in ${verdict.zonesAtOnce} zone${verdict.zonesAtOnce === 1 ? '' : 's'} at once; ${verdict.unapproved} without an approval; ${verdict.serving} serve it, ${verdict.failed} failed`,
    },
    {
      what: `${what}: requests of a node`,
      value: per(agents.total),
      unit: 'mean',
      limit: 8,
      how: `${spelled(agents.asked)}; at most ${agents.peak} in a second`,
    },
    {
      what: `${what}: writes of the controller to a Node`,
      value: per(controller.asked['PATCH nodes'] ?? 0),
      unit: 'mean',
      limit: 3,
      how: `its approval, its end, and the proof; in all ${spelled(controller.asked)}; ${(controller.total / all.seconds).toFixed(0)} in a second on the average, at most ${controller.peak}`,
    },
    {
      what: `${what}: status writes of the Shim, against what is allowed`,
      value: statuses / (2 + Math.ceil(all.seconds / statusSeconds(nodes))),
      unit: 'ratio',
      limit: 1,
      how: `${statuses} in ${all.seconds.toFixed(0)} s; one in ${statusSeconds(nodes).toFixed(0)} s, and two. Each is an event to every node`,
    },
    {
      what: `${what}: requests refused`,
      value: (sum(all.refused) / Math.max(1, all.total)) * 100,
      unit: '%',
      limit: 5,
      how: `${sum(all.refused)} of ${all.total}, each tried again; a server that shares two cores with all of these nodes is late when they speak at once. Of nodes: ${spelled(agents.refused)}; of the controller: ${spelled(controller.refused)}`,
    },
    {
      what: `${what}: bytes of a node`,
      value: per(all.wire.read + all.wire.written) / 1000,
      unit: 'kB',
      how: `both ways, TLS included; without it: ${bytesSpelled(agents.wire, nodes * 1000, 'kB')}`,
    },
    {
      what: `${what}: bytes of the controller, for each node`,
      value: per(bytesOfWire(controller.wire)) / 1000,
      unit: 'kB',
      how: `both ways, without TLS: ${bytesSpelled(controller.wire, nodes * 1000, 'kB')}`,
    },
    {
      what: `${what}: processor time of the API server, for each node`,
      value: per((all.cpu.apiserver - beside * all.seconds) * 1000),
      unit: 'ms',
      how: `${all.cpu.apiserver.toFixed(0)} s in all, which is ${((all.cpu.apiserver / all.seconds) * 100).toFixed(0)} % of a core; etcd ${ms(all.cpu.etcd)} ms; all nodes together had ${all.cpu.fleet.toFixed(0)} s of the same cores. Afterwards the API server has ${all.residentMb.toFixed(0)} MB, etcd ${account.etcdMb.toFixed(0)} MB`,
    },
    {
      what: `${what}: processor time of the controller, for each node`,
      value: per((after.cpuSeconds - before.cpuSeconds) * 1000),
      unit: 'ms',
      how: `${(after.cpuSeconds - before.cpuSeconds).toFixed(1)} s in all; ${passes} passes, of which deciding took ${decided.toFixed(0)} ms each`,
    },
    ...(doomed > 0 && what.includes('update')
      ? [
          {
            what: `${what}: times that the Shim was not Available`,
            value: course.lost,
            unit: 'count',
            limit: 0,
            how: `although on ${doomed} nodes the runtime did not start with it, and was put back`,
          } as const,
        ]
      : []),
  ];
};

export const rolloutRows = (given: GivenRollouts): readonly Row[] => {
  const { nodes, started, first, second } = given;
  const made = `rollout to ${nodes} nodes`;
  const changed = 'update with restarts';
  const peak = second.account.after;
  return [
    {
      what: `${made}: until Available`,
      value: first.course.available,
      unit: 's',
      how: `from kubectl apply of a new Shim: every node is proven to serve it, half of them by their kubelet, too, the last after ${first.course.lastProven.toFixed(0)} s`,
    },
    ...timesOf(made, first, given),
    ...costsOf(made, first, given),
    ...timesOf(changed, second, given),
    ...costsOf(changed, second, given),
    {
      what: 'most memory of the controller',
      value: peak.peakMb,
      unit: 'MB',
      limit: podMb,
      how: `resident, over start, two rollouts; its Pod may have 512 MiB. Its own (Pss_Anon) are ${peak.anonMb.toFixed(0)} MB afterwards, ${started.before.anonMb.toFixed(0)} MB with ${nodes} Nodes of which none had reported`,
    },
  ];
};
