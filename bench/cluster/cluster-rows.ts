/** The figures of a cluster, from the accounts of what was done in it. */
import { type Account, type Counts, sum } from './account.ts';
import type { Row } from '../row.ts';

export type Phase =
  | 'baseline'
  | 'beatsAlone'
  | 'start'
  | 'idle'
  | 'beats'
  | 'change'
  | 'relabel'
  | 'deletion'
  | 'restart';

export type Given = {
  readonly accounts: Readonly<Record<Phase, Account>>;
  readonly nodes: number;
  /** How many of them were given another label. */
  readonly relabelled: number;
  readonly processes: number;
};

const writes = (asked: Counts): number =>
  sum(
    Object.fromEntries(Object.entries(asked).filter(([what]) => /^(PATCH|CREATE|UPDATE|DELETE) /.test(what))),
  );

const merged = (all: readonly Counts[]): Counts => {
  const found: Record<string, number> = {};
  for (const counts of all)
    for (const [key, count] of Object.entries(counts)) found[key] = (found[key] ?? 0) + count;
  return found;
};

const spelled = (counts: Counts): string =>
  Object.entries(counts)
    .map(([what, count]) => `${count} ${what}`)
    .join(', ') || 'none';

const wireOf = ({ wire }: Account): number => wire.read + wire.written;

export const clusterRows = ({ accounts, nodes, relabelled, processes }: Given): readonly Row[] => {
  const { baseline, beatsAlone, start, idle, beats, change, relabel, deletion, restart } = accounts;
  const per = (value: number): number => value / nodes;
  const beside = baseline.cpu.apiserver / baseline.seconds;
  /** Milliseconds of the API server's processor time for each node, without what it needs for itself. */
  const cpuOf = (account: Account): number => per((account.cpu.apiserver - beside * account.seconds) * 1000);
  const cpu = (account: Account): string =>
    `${cpuOf(account).toFixed(1)} ms of the API server's processor time for each node, ${per(account.cpu.etcd * 1000).toFixed(1)} ms of etcd's`;
  const percent = (account: Account): string => ((account.cpu.apiserver / account.seconds) * 100).toFixed(1);
  const calm = [start, idle, beats, change, relabel, deletion];
  const refused = merged(calm.map((account) => account.refused));
  return [
    {
      what: 'requests of a node in step',
      value: per(idle.total) / (idle.seconds / 60),
      unit: '/min',
      limit: 0.1,
      how: `${idle.total} requests of ${nodes} nodes in ${Math.round(idle.seconds)} s; each renews its two watches every 30 to 60 minutes, 0.04 a minute. By the audit log, by user agent; no kubelet runs here`,
    },
    {
      what: `writes of ${nodes} nodes in step`,
      value: writes(idle.asked) + writes(beats.asked),
      unit: 'count',
      limit: 0,
      how: 'also while their kubelets write',
    },
    {
      what: 'bytes of a node in step',
      value: per(wireOf(idle)) / 1000 / (idle.seconds / 60),
      unit: 'kB',
      limit: 1,
      how: 'in a minute, both ways, TLS included: a bookmark on each of its two watches',
    },
    {
      what: `processor time of the API server with ${nodes} nodes in step`,
      value: Number(percent(idle)),
      unit: '%',
      limit: 10,
      how: `of one core; ${percent(baseline)} % in the ${Math.round(baseline.seconds)} s before any of them started. Its memory grew from ${baseline.residentMb.toFixed(0)} to ${idle.residentMb.toFixed(0)} MB, what it has not yet given back after their start included`,
    },
    {
      what: 'bytes to a node when its kubelet writes',
      value: per(beats.wire.read) / 1000,
      unit: 'kB',
      limit: 5,
      how: `every five minutes, a Node of ${((beatsAlone.watched.nodes ?? 0) / (beatsAlone.events.nodes ?? 1) / 1000).toFixed(1)} kB; ${per((beats.cpu.apiserver - beatsAlone.cpu.apiserver) * 1000).toFixed(1)} ms of the API server's processor time more than without us`,
    },
    {
      what: `${nodes} nodes that start at once: until all have reported`,
      value: start.last,
      unit: 's',
      how: `spread over 10 s by themselves; ${cpu(start)}; ${processes} processes are the nodes, and had ${start.cpu.fleet.toFixed(0)} s of the two cores that they share with API server and etcd`,
    },
    {
      what: 'requests of a node that starts',
      value: per(start.total),
      unit: 'mean',
      limit: 7.5,
      how: `${spelled(start.asked)}; at most ${start.peak} in a second`,
    },
    {
      what: 'requests of a node for a change of one Shim',
      value: per(change.total),
      unit: 'mean',
      limit: 2.5,
      how: `${spelled(change.asked)}; at most ${change.peak} in a second; ${cpu(change)}`,
    },
    {
      what: 'bytes of a node for a change of one Shim',
      value: per(wireOf(change)) / 1000,
      unit: 'kB',
      limit: 30,
      how: 'both ways: the Shim, what is written to the Node and comes back, an Event, a new TLS connection for these, and its kubeconfig',
    },
    {
      what: 'change of one Shim, until the last node reported',
      value: change.last,
      unit: 's',
      how: `nodes that serve at once whatever they are asked for; they report spread over 5 s, and what is more are these cores, of which they had ${change.cpu.fleet.toFixed(0)} s`,
    },
    {
      what: 'requests of a node for a deletion of one Shim',
      value: per(deletion.total),
      unit: 'mean',
      limit: 4.5,
      how: `${spelled(deletion.asked)}; spread by the confirmation, at most ${deletion.peak} in a second, the last after ${deletion.last.toFixed(0)} s; ${cpu(deletion)}`,
    },
    {
      what: `requests of ${nodes} nodes when ${relabelled} get another label`,
      value: relabel.total,
      unit: 'count',
      limit: 2 * relabelled,
      how: `${spelled(relabel.asked)}: no other node has anything to say`,
    },
    {
      what: 'requests refused in all of this',
      value: sum(refused),
      unit: 'count',
      limit: 0,
      how: `but for those of the restart; by status: ${spelled(refused)}`,
    },
    {
      what: 'restart of the API server: until all nodes watch again',
      value: restart.last,
      unit: 's',
      limit: 60,
      how: `from its SIGTERM; ${spelled(restart.asked)}, of these refused ${spelled(restart.refused)}; at most ${restart.peak} in a second`,
    },
    {
      what: 'requests of a node for a restart of the API server',
      value: per(restart.total),
      unit: 'mean',
      limit: 12,
      how: 'that reach it: a watch that it has forgotten, a list from its memory and a watch, of Node and Shims each',
    },
  ];
};
