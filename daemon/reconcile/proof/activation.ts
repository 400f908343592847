/** Restart and proof of the runtime: the only disruptive operation, with deadlines of its own. */
import { evaluateProof } from '../../decide/report/outcome.ts';
import type { Host } from '../../../host/host.ts';
import type { JobResult, Systemd } from '../../../host/systemd/systemd.ts';
import { Failure, type Problem, problemOf } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import { restartDeadline, watchedBy } from '../../runtimes/distros.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import { askCri } from '../observe/runtime.ts';
import { type SocketWait, waitBySocket } from './socket-wait.ts';

/**
 * Restarts the unit unless that has happened: `from` is the invocation when the restart was first planned, possibly by a killed
 * run. `intend` makes that durable before the restart. Returns the result of the job.
 */
export const activate = async (
  host: Host,
  name: string,
  from: string | undefined,
  hooks: { readonly intend: (invocation: string) => Promise<void> },
): Promise<JobResult> => {
  const { systemd } = host;
  if (!systemd) throw new Failure({ code: 'internal', message: 'there is no service manager in this root' });
  const unit = await systemd.unit(name);
  if (from !== undefined && unit.invocation !== from && unit.invocation !== '') return 'done';
  if (from === undefined) await hooks.intend(unit.invocation);
  // systemd counts our restarts too: without this it would refuse the sixth start within 10 s, possibly the rollback, and
  // leave the runtime down (StartLimitBurst, systemd.unit(5)).
  await systemd.resetFailed(name);
  const verb = watchedBy(name) === undefined ? 'restarting' : 'waiting for the next runtime of';
  host.log('info', `${verb} ${name}`, { invocation: unit.invocation });
  return systemd.restart(name, restartDeadline(name));
};

/** As `activate`; a restart that does not end in time fails the proof. */
export const mustActivate = async (...given: Parameters<typeof activate>): Promise<void> => {
  const result = await activate(...given);
  if (result !== 'done')
    throw new Failure({
      code: 'activation-failed',
      message: `${given[1]} was not restarted: the job ended with "${result}"`,
    });
};

export type Gate = {
  readonly unit: string;
  readonly serve: readonly string[];
  readonly keep: readonly string[];
  readonly deadlineMs: number;
  /** How often a stopped unit is started: with its previous configuration it must run again. */
  readonly revive?: number;
};

/** Returns the invocation that was healthy with all handlers for `settings.stable` seconds; throws if none was. */
export const prove = async (host: Host, settings: Settings, socket: string, gate: Gate): Promise<string> => {
  const wait = waitBySocket(host, socket);
  try {
    return await proveWith(host, settings, socket, gate, wait);
  } finally {
    wait.close();
  }
};

const proveWith = async (
  host: Host,
  settings: Settings,
  socket: string,
  gate: Gate,
  wait: SocketWait,
): Promise<string> => {
  const { systemd, clock } = host;
  if (!systemd) throw new Failure({ code: 'internal', message: 'there is no service manager in this root' });
  const end = clock.elapsed() + gate.deadlineMs;
  let baseline: number | undefined;
  let steady: { readonly invocation: string; readonly since: number } | undefined;
  let last: Problem = { code: 'not-ready', message: 'nothing was seen yet' };
  let lives = gate.revive ?? 0;
  while (clock.elapsed() < end) {
    const unit = await lookAtUnit(systemd, gate.unit);
    if ('code' in unit) {
      last = unit;
      steady = undefined;
      await clock.sleep(200);
      continue;
    }
    if (lives > 0 && (unit.active === 'inactive' || unit.active === 'failed')) {
      lives -= 1;
      // A start of ours resets the count of automatic restarts.
      baseline = undefined;
      host.log('warn', `starting ${gate.unit}, it is ${unit.active}`);
      await revive(systemd, gate.unit, end - clock.elapsed());
      await clock.sleep(1000);
      continue;
    }
    if ((unit.active === 'inactive' || unit.active === 'deactivating') && (await isStopping(systemd)))
      throw new Failure({ code: 'host-stopping', message: `the host shuts down, and ${gate.unit} with it` });
    baseline ??= unit.restarts;
    const { fact } = await askCri(host, socket);
    const verdict = evaluateProof({ serve: gate.serve, keep: gate.keep, baseline }, unit, fact);
    if (verdict.kind === 'disproven') throw new Failure(verdict.problem);
    if (verdict.kind === 'waiting') {
      last = verdict.for;
      steady = undefined;
    } else if (steady?.invocation !== unit.invocation)
      steady = { invocation: unit.invocation, since: clock.elapsed() };
    else if (clock.elapsed() - steady.since >= settings.stable * 1000) return unit.invocation;
    await (steady ? clock.sleep(500) : wait.pause());
  }
  throw new Failure({
    ...last,
    message: `not proven within ${Math.round(gate.deadlineMs / 1000)} s: ${last.message}`,
  });
};

/** A shutdown of the host stops the runtime, and refuses our restarts: that says nothing about a change. */
export const isStopping = async (systemd: Systemd | undefined): Promise<boolean> =>
  (await systemd?.state().catch(() => '')) === 'stopping';

/** A restart of the bus is no evidence about the runtime: the proof asks again within its deadline. */
const lookAtUnit = async (systemd: Systemd, name: string): Promise<UnitFacts | Problem> => {
  try {
    return await systemd.unit(name);
  } catch (error) {
    if (error instanceof Failure && error.problem.code === 'systemd-unreachable') return error.problem;
    throw error;
  }
};

const revive = async (systemd: Systemd, name: string, deadlineMs: number): Promise<void> => {
  try {
    await systemd.resetFailed(name);
    await systemd.start(name, deadlineMs);
  } catch (error) {
    if (!(error instanceof Failure && error.problem.code === 'systemd-unreachable')) throw error;
  }
};

/**
 * Waits until no container is being created: a restart during StartContainer leaves the container in "created" forever. Two
 * reads must agree. A runtime that does not answer is not quiet: it is slowest when it creates most, and a connected kubelet may
 * still use a runtime whose socket is gone. After `seconds` the restart continues with a warning, because a container may be
 * stuck in "created" already, and a hanging runtime needs the restart. `first`: a read that was taken before other work.
 */
export const quiet = async (
  host: Host,
  socket: string,
  seconds: number,
  first?: Promise<FirstLook>,
): Promise<void> => {
  const end = host.clock.elapsed() + seconds * 1000;
  const before = await first;
  let seen = before?.socket === socket && before.look.kind === 'answers' ? before.look.all : undefined;
  if (before && seen !== undefined)
    await host.clock.sleep(Math.max(0, before.at + betweenMs - host.clock.elapsed()));
  let why = '';
  while (host.clock.elapsed() < end) {
    host.progress();
    const look = await lookAtContainers(host, socket);
    if (look.kind === 'answers' && look.creating === 0 && look.all === seen) return;
    seen = look.kind === 'answers' ? look.all : undefined;
    why =
      look.kind === 'answers'
        ? 'containers are being created'
        : `cannot find out whether containers are being created: ${look.why}`;
    await host.clock.sleep(betweenMs);
  }
  host.log('warn', `restarting after ${seconds} s without a quiet moment: ${why}`);
};

/** Between two reads that must agree. */
const betweenMs = 300;

/** `at`: of the host's monotonic clock. */
export type FirstLook = { readonly socket: string; readonly at: number; readonly look: Containers };

/** For `quiet`, at the begin of a tick. */
export const lookFirst = (host: Host, socket: string): Promise<FirstLook> => {
  const looked = lookAtContainers(host, socket).then((look) => ({ socket, at: host.clock.elapsed(), look }));
  // It is attended to later, or not at all.
  looked.catch(() => undefined);
  return looked;
};

type Containers =
  | { readonly kind: 'answers'; readonly creating: number; readonly all: string }
  | { readonly kind: 'silent'; readonly why: string };

const lookAtContainers = async (host: Host, socket: string): Promise<Containers> => {
  const cri = host.cri(host.files.real(socket));
  try {
    const [containers, sandboxes] = await Promise.all([cri.containers(), cri.sandboxes([])]);
    const ids = [...containers.map((one) => one.id), ...sandboxes.map((one) => one.id)].sort();
    const creating = containers.filter((one) => one.state === 'created').length;
    return { kind: 'answers', creating, all: ids.join() };
  } catch (error) {
    return { kind: 'silent', why: problemOf(error).message };
  } finally {
    cri.close();
  }
};
