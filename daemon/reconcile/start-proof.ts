/**
 * The part of a proof that CRI's list is not: one sandbox is started with a handler, in the host's network and with the image
 * that is there already, and removed. What the node itself has no means or no room for is never held against a handler:
 * it has failed when two sandboxes with it did not start, and one of the default handler did in between.
 */
import { randomUUID } from 'node:crypto';
import { type Cri, endOfCall, member } from '../host/cri.ts';
import type { Host } from '../host/host.ts';
import type { Observed } from '../model/observed.ts';
import { tooLittle } from '../model/pressure.ts';
import { detailOf, Failure, logFields, type Problem, problemOf } from '../model/problem.ts';
import type { Ledger } from '../model/ledger.ts';
import type { Settings } from '../model/settings.ts';
import { isProof, proofLabel, proofNamespace, type Start } from '../model/start.ts';
import { parseToml } from '../model/toml.ts';
import { pauseImageIn } from '../runtimes/containerd.ts';
import { observeRuntime } from './runtime.ts';

export type Started = Start | { readonly kind: 'failed'; readonly problem: Problem };

/** A sandbox of the default handler is there in a quarter of a second; where it takes this long the node is in trouble. */
const contrastMs = 3_000;
/** Shims of a hundred megabytes are read from the disk first. */
const mostMs = 20_000;
const leastMs = 1_000;
const removeMs = 2_000;
/** In a proof, whatever the look at the runtime before took. */
const leastStartMs = 10_000;

const listed = (why: string): Started => ({ kind: 'listed', why });

/** One handler after the other, within `forMs` in all; what there is no time for is listed, and not started. */
export const startEach = async (
  host: Host,
  settings: Settings,
  socket: string,
  names: readonly string[],
  forMs: number,
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
            : await judgeOne(host, cri, name, able.cgroupParent, end);
      results[name] = result;
      if (result.kind === 'listed')
        host.log('info', `${name} is listed by CRI, and was not started: ${result.why}`, { handler: name });
    }
    return results;
  } finally {
    cri.close();
  }
};

type Ability =
  | { readonly kind: 'able'; readonly cgroupParent: string }
  | { readonly kind: 'unable'; readonly why: string };

const abilityOf = async (host: Host, settings: Settings, cri: Cri): Promise<Ability> => {
  const unable = (why: string): Ability => ({ kind: 'unable', why });
  try {
    const loaded = await cri.configuration();
    const image = textIn(member(loaded, 'sandboximage')) ?? (await dumpedImage(host, settings));
    if (image === undefined) return unable('which image sandboxes run cannot be found out');
    // The runtime would pull it, from wherever that leads, for as long as that takes.
    if (!(await cri.hasImage(image))) return unable(`the image of sandboxes is not on this node: ${image}`);
    const root = textIn(member(loaded, 'containerdrootdir')) ?? '/var/lib/containerd';
    const why = tooLittle(await host.pressure(host.files.real(root)));
    return why === undefined ? { kind: 'able', cgroupParent: cgroupParentIn(loaded) } : unable(why);
  } catch (error) {
    return unable(problemOf(error).message);
  }
};

const textIn = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= 1024 ? value : undefined;

/** As the kubelet does it: where runc has systemd make cgroups, a sandbox has to be in a slice. */
const cgroupParentIn = (loaded: unknown): string => {
  const containerd = member(loaded, 'containerd');
  const name = textIn(member(containerd, 'defaultruntimename')) ?? 'runc';
  const options = member(member(member(containerd, 'runtimes'), name.toLowerCase()), 'options');
  const isSystemd = [member(options, 'systemdcgroup'), member(loaded, 'systemdcgroup')].includes(true);
  return isSystemd ? 'system.slice' : '';
};

/** containerd 2.x does not show it over CRI. */
const dumpedImage = async (host: Host, settings: Settings): Promise<string | undefined> => {
  const runtime = await observeRuntime(host, settings);
  if (runtime.name === 'none') return undefined;
  const isThere = (await host.files.look(runtime.configPath)).kind !== 'absent';
  const words = isThere ? ['--config', runtime.configPath, 'config', 'dump'] : ['config', 'default'];
  const result = await host.tools.run([runtime.binary, ...words], {
    deadlineMs: 5_000,
    maxOutputBytes: 16 * 1024 * 1024,
  });
  if (result.kind !== 'ran' || result.code !== 0) return undefined;
  return textIn(pauseImageIn(parseToml(result.stdout, 'containerd config dump', 'broken-config')));
};

type Seen =
  | { readonly kind: 'started' }
  | { readonly kind: 'refused' | 'late' | 'silent'; readonly problem: Problem; readonly ms: number };

const judgeOne = async (
  host: Host,
  cri: Cri,
  name: string,
  cgroupParent: string,
  end: number,
): Promise<Started> => {
  const { clock } = host;
  const left = (): number => end - clock.elapsed();
  const tryIt = (handler: string, ms: number): Promise<Seen> =>
    tryOnce(host, cri, handler, cgroupParent, Math.min(ms, mostMs));
  if (left() < contrastMs + leastMs) return listed('the time for the proof was over');
  const first = await tryIt(name, (left() - contrastMs) * 0.6);
  if (first.kind === 'started') return first;
  if (refusesHostNetwork(first.problem)) return listed('its sandboxes cannot be in the network of the host');
  // Somebody restarted the runtime, or it died of the attempt: then it dies of the second one, too.
  if (first.kind === 'silent') await answersAgain(host, cri, Math.min(left() - contrastMs, 5_000));
  const contrast = await tryIt('', contrastMs);
  if (contrast.kind !== 'started')
    return listed(`a sandbox of the default handler does not start here either: ${contrast.problem.message}`);
  if (left() < leastMs)
    return first.kind === 'refused' ? failed(name, first) : listed('the time for the proof was over');
  const second = await tryIt(name, left());
  return second.kind === 'started' ? second : failed(name, second.kind === 'silent' ? second : first);
};

const failed = (name: string, { kind, problem, ms }: Exclude<Seen, { kind: 'started' }>): Started => {
  const how = {
    refused: 'does not start',
    late: `does not start within ${Math.round(ms / 1000)} s`,
    silent: 'ends the runtime instead of starting',
  }[kind];
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

/** Kata's words are "Host networking requested, not supported by runtime": a Pod in a network of its own may well start. */
const refusesHostNetwork = ({ detail }: Problem): boolean => /host[ -]?network/i.test(detail ?? '');

const tryOnce = async (
  host: Host,
  cri: Cri,
  handler: string,
  cgroupParent: string,
  ms: number,
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
    // It may come up all the same, when nobody waits for it any more.
    if (kind === 'late') await removeProofs(host, cri);
    return { kind, problem: problemOf(error), ms };
  }
};

const removeOne = async (host: Host, cri: Cri, id: string, level: 'warn' | 'debug'): Promise<void> => {
  try {
    await cri.removeSandbox(id, removeMs);
  } catch (error) {
    const problem = problemOf(error);
    host.log(level, `a sandbox of a proof is still there: ${problem.message}`, logFields(problem));
  }
};

const removeProofs = async (host: Host, cri: Cri): Promise<void> => {
  try {
    for (const one of await cri.sandboxes()) if (isProof(one)) await removeOne(host, cri, one.id, 'warn');
  } catch (error) {
    host.log('debug', problemOf(error).message);
  }
};

/** What a killed run left. For the holder of the lock: no other proof is under way then. */
export const removeLeftovers = async (host: Host, runtime: Observed['runtime']): Promise<void> => {
  const ids = runtime.name !== 'none' && runtime.cri.kind === 'answers' ? (runtime.cri.proofs ?? []) : [];
  if (runtime.name === 'none' || ids.length === 0) return;
  const cri = host.cri(host.files.real(runtime.socket));
  try {
    for (const id of ids) await removeOne(host, cri, id, 'debug');
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

/** Throws where a sandbox does not start for a reason that is not the node's. */
export const proveStarts = async (
  host: Host,
  settings: Settings,
  socket: string,
  ids: Readonly<Record<string, string>>,
  end: number,
): Promise<Ledger['starts']> => {
  const forMs = Math.max(leastStartMs, end - host.clock.elapsed());
  const results = Object.entries(await startEach(host, settings, socket, Object.keys(ids), forMs));
  const bad = results.flatMap(([, one]) => (one.kind === 'failed' ? [one.problem] : []));
  const [first] = bad;
  if (first) throw new Failure({ ...first, ...detailOf(...bad) });
  return Object.fromEntries(
    results.map(([name, one]) => [
      name,
      { of: ids[name] ?? '', ...(one.kind === 'listed' ? { why: one.why } : {}) },
    ]),
  );
};
