/**
 * The proof beyond the list of CRI: start one sandbox with a handler, in the host network and with an image that is present, and
 * remove it. A shortage on the node is never a failure of a handler: a handler fails if two sandboxes with it were refused and
 * one of the default handler started in between. A sandbox that is slower than the proof can wait is no failure: the kubelet
 * waits for minutes, and a large shim on a busy node is slow.
 */
import { randomUUID } from 'node:crypto';
import { type Cri, endOfCall } from '../../../host/cri/cri.ts';
import type { Host } from '../../../host/host.ts';
import type { Observed } from '../../decide/observed.ts';
import { detailOf, Failure, logFields, type Problem, problemOf } from '../../../protocol/problem/problem.ts';
import type { Ledger } from '../../model/ledger.ts';
import type { Settings } from '../../model/settings.ts';
import {
  isProof,
  type KeptStart,
  proofKeys,
  proofLabel,
  proofNamespace,
  type Start,
} from '../../model/start.ts';
import { abilityOf } from './start-means.ts';

/** Deadlines for all sandboxes, and for one. */
type Patience = { readonly forMs: number; readonly mostMs: number };

export type Started = Start | { readonly kind: 'failed'; readonly problem: Problem };

/** A sandbox of the default handler starts in a quarter of a second; if it takes this long, the node is overloaded. */
const contrastMs = 3_000;
/** A shim of a hundred megabytes must be read from disk first. */
const mostInProofMs = 20_000;
const leastMs = 1_000;
const removeMs = 2_000;
/** A shim that does not remove its sandboxes must not delay each tick. */
const leftoversMs = 10_000;
/** In a proof, however long the check of the runtime before took. */
const leastStartMs = 10_000;

const listed = (why: string): Started => ({ kind: 'listed', why });

/** One handler after the other, within `forMs` in total; a handler without time left is listed, not started. */
export const startEach = async (
  host: Host,
  settings: Settings,
  socket: string,
  names: readonly string[],
  { forMs, mostMs }: Patience,
): Promise<Readonly<Record<string, Started>>> => {
  const end = host.clock.elapsed() + forMs;
  const cri = host.cri(host.files.real(socket));
  const results: Record<string, Started> = {};
  try {
    const isExcepted = (name: string): boolean =>
      settings.verifyExcept.includes('*') || settings.verifyExcept.includes(name);
    const able = names.every(isExcepted) ? undefined : await abilityOf(host, settings, cri);
    for (const name of names) {
      const result =
        able === undefined || isExcepted(name)
          ? listed('verifyExcept in /etc/rcm-node/config.toml says so')
          : able.kind === 'unable'
            ? listed(able.why)
            : await judgeOne(host, cri, name, able.cgroupParent, { end, mostMs });
      results[name] = result;
      if (result.kind === 'listed')
        host.log('info', `${name} is listed by CRI, not started: ${result.why}`, { handler: name });
    }
    return results;
  } finally {
    cri.close();
  }
};

type Unstarted = {
  readonly kind: 'refused' | 'late' | 'silent';
  readonly problem: Problem;
  readonly ms: number;
};
type Seen = { readonly kind: 'started' } | Unstarted;

const judgeOne = async (
  host: Host,
  cri: Cri,
  name: string,
  cgroupParent: string,
  { end, mostMs }: { readonly end: number; readonly mostMs: number },
): Promise<Started> => {
  const { clock } = host;
  const left = (): number => end - clock.elapsed();
  const tryIt = (handler: string, ms: number): Promise<Seen> =>
    tryOnce(host, cri, handler, cgroupParent, { ms: Math.min(ms, mostMs), end });
  if (left() < contrastMs + leastMs) return listed('the time for the proof had passed');
  const first = await tryIt(name, (left() - contrastMs) * 0.6);
  if (first.kind === 'started') return first;
  if (first.kind === 'late') return tooSlow(first);
  if (missesPod(first.problem)) return listed('it needs what only a Pod has (its own network, annotations)');
  // Another program restarted the runtime, or the attempt crashed it: then the second attempt crashes it too.
  if (first.kind === 'silent') await answersAgain(host, cri, Math.min(left() - contrastMs, 5_000));
  const contrast = await tryIt('', contrastMs);
  if (contrast.kind !== 'started')
    return listed(`a sandbox of the default handler does not start here either: ${contrast.problem.message}`);
  if (left() < leastMs)
    return first.kind === 'refused' ? failed(name, first) : listed('the time for the proof had passed');
  const second = await tryIt(name, left());
  if (second.kind === 'late') return tooSlow(second);
  return second.kind === 'started' ? second : failed(name, second.kind === 'silent' ? second : first);
};

const tooSlow = ({ ms }: Unstarted): Started =>
  listed(`no sandbox with it started within ${Math.round(ms / 1000)} s, the longest wait`);

const failed = (name: string, { kind, problem }: Unstarted): Started => {
  const how = kind === 'silent' ? 'ends the runtime instead of starting' : 'does not start';
  return {
    kind: 'failed',
    problem: {
      code: 'not-started',
      handler: name,
      message: `CRI lists "${name}", but a sandbox with it ${how}, and one of the default handler does start`,
      ...detailOf(problem),
    },
  };
};

/**
 * Kata says "Host networking requested, not supported by runtime": a Pod with its own network may start. Other shims need its
 * network namespace, or annotations of a Pod. A match that is too broad only means that a shim is not counted as failed.
 */
const missesPod = ({ detail }: Problem): boolean => /network|netns|annotation/i.test(detail ?? '');

const tryOnce = async (
  host: Host,
  cri: Cri,
  handler: string,
  cgroupParent: string,
  { ms, end }: { readonly ms: number; readonly end: number },
): Promise<Seen> => {
  const name = handler === '' ? 'default' : handler;
  try {
    const id = await cri.startSandbox(
      {
        handler,
        namespace: proofNamespace,
        name,
        uid: randomUUID(),
        labels: { [proofLabel]: name },
        cgroupParent,
      },
      ms,
    );
    if (id === '') throw new Failure({ code: 'not-started', message: 'the runtime gave no id' });
    await removeOne(host, cri, id, 'warn');
    return { kind: 'started' };
  } catch (error) {
    const kind = endOfCall(error);
    // It may still start after the deadline.
    if (kind === 'late') await removeProofs(host, cri, end);
    return { kind, problem: problemOf(error), ms };
  }
};

type Level = 'warn' | 'debug';

const removeOne = async (host: Host, cri: Cri, id: string, level: Level): Promise<void> => {
  try {
    await cri.removeSandbox(id, removeMs);
  } catch (error) {
    const problem = problemOf(error);
    host.log(level, `cannot remove the sandbox of a proof: ${problem.message}`, logFields(problem));
  }
};

/** The next tick removes sandboxes that are left. */
const removeProofs = async (host: Host, cri: Cri, end: number): Promise<void> => {
  const found = await cri.sandboxes(proofKeys).catch(() => []);
  for (const one of found)
    if (isProof(one) && host.clock.elapsed() < end) await removeOne(host, cri, one.id, 'warn');
};

/** Removes sandboxes of a killed run. Only for the holder of the lock: no other proof is running then. */
export const removeLeftovers = async (host: Host, runtime: Observed['runtime']): Promise<void> => {
  const ids = runtime.name !== 'none' && runtime.cri.kind === 'answers' ? (runtime.cri.proofs ?? []) : [];
  if (runtime.name === 'none' || ids.length === 0) return;
  const cri = host.cri(host.files.real(runtime.socket));
  const end = host.clock.elapsed() + leftoversMs;
  try {
    for (const id of ids) if (host.clock.elapsed() < end) await removeOne(host, cri, id, 'debug');
  } finally {
    cri.close();
  }
};

const answersAgain = async ({ clock }: Host, cri: Cri, ms: number): Promise<void> => {
  const end = clock.elapsed() + ms;
  while (clock.elapsed() < end) {
    if (await cri.version().catch(() => undefined)) return;
    await clock.sleep(200);
  }
};

export type Proven = {
  readonly starts: Ledger['starts'];
  /** Handlers with which no sandbox starts, for a reason that is not the node. */
  readonly failed: Readonly<Record<string, Problem>>;
};

export const proveStarts = async (
  host: Host,
  settings: Settings,
  socket: string,
  ids: Readonly<Record<string, string>>,
  end: number,
): Promise<Proven> => {
  const forMs = Math.max(leastStartMs, end - host.clock.elapsed());
  const results = Object.entries(
    await startEach(host, settings, socket, Object.keys(ids), { forMs, mostMs: mostInProofMs }),
  );
  const starts = results.flatMap(([name, one]): [string, KeptStart][] => {
    if (one.kind === 'failed') return [];
    return [[name, { of: ids[name] ?? '', ...(one.kind === 'listed' ? { why: one.why } : {}) }]];
  });
  const failed = results.flatMap(([name, one]): [string, Problem][] =>
    one.kind === 'failed' ? [[name, one.problem]] : [],
  );
  return { starts: Object.fromEntries(starts), failed: Object.fromEntries(failed) };
};
