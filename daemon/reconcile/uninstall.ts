/**
 * Removes everything that the ledger proves to be ours, in the order configuration, restart, binaries, state. It also works
 * without the runtime: if it is stopped or removed, files are restored, and the result says what was not proven.
 */
import { fileOf, folderOf, ociStates, paths } from '../../protocol/host-paths.ts';
import { asides } from '../../host/files/aside.ts';
import type { Host } from '../../host/host.ts';
import { nothing } from '../model/desired.ts';
import { exitCodeOf, exitCodes } from '../model/outcome.ts';
import { Failure, type Problem } from '../../protocol/problem/problem.ts';
import type { Settings } from '../model/settings.ts';
import { runtimes, unitOf } from '../runtimes/table.ts';
import { observeBundles } from './observe/bundles.ts';
import { leaveCluster } from '../cluster/leave.ts';
import { observeMapped } from './observe/observe.ts';
import { consider, type Tick } from './consider.ts';
import { once, type Ticked } from './once.ts';
import {
  afterTakeover,
  byDesign,
  filled,
  folders,
  isDown,
  ownedFolders,
  type Remains,
  removed,
  stuck,
  type Unproven,
  unproven,
} from './remains.ts';
import { askCri } from './observe/runtime.ts';
import { persisted, readState } from '../state/state.ts';

export type Uninstalled = {
  readonly ticked: Ticked;
  /** Whether everything of ours is removed, except what `left` names. */
  readonly complete: boolean;
  readonly removed: readonly string[];
  readonly left: readonly Remains[];
  readonly unproven: Unproven | undefined;
};

const serviceUnit = 'rcm-node.service';

/** Stops the service, which would restore what is removed. Returns whether it ran. */
const stopService = async (host: Host): Promise<boolean> => {
  const unit = await host.systemd?.unit(serviceUnit);
  if (!host.systemd || !unit || unit.load !== 'loaded') return false;
  await host.systemd.disable(serviceUnit);
  if (unit.active !== 'inactive') {
    const ended = await host.systemd.stop(serviceUnit, 330_000);
    if (ended !== 'done') {
      await host.systemd.enable(serviceUnit);
      throw new Failure({
        code: 'activation-failed',
        message: `${serviceUnit} could not be stopped (the job ended as "${ended}"), and would write the removed files again; nothing was changed`,
        hint: `systemctl status ${serviceUnit}; then run it again.`,
      });
    }
  }
  host.log('info', `stopped and disabled ${serviceUnit}`);
  return unit.active !== 'inactive';
};

const startService = async (host: Host): Promise<void> => {
  await host.systemd?.enable(serviceUnit);
  await host.systemd?.start(serviceUnit, 90_000);
  host.log('warn', `started ${serviceUnit} again, not everything could be removed`);
};

/** Refuses the whole uninstall: a partial one would leave handlers that no service repairs. */
const refuse = (settings: Settings, { before }: Considered): void => {
  const { runtime, ledger } = before;
  if (!settings.closed) return;
  // The unit is a guess then; another unit may read our configuration.
  const read = new Set(runtime.name === 'none' ? [] : runtime.config.map((file) => file.path));
  const elsewhere = Object.keys(ledger.files).find((path) => !read.has(path));
  if (elsewhere !== undefined)
    throw new Failure({
      code: 'bad-settings',
      message: `the settings cannot be used, and ${unitOf(settings.unit)} does not read ${elsewhere}, which is ours`,
      where: { file: paths.settings },
      hint: 'Correct the file, or write one that names the unit of the runtime ([runtime] unit) and nothing else.',
    });
};

type Considered = Awaited<ReturnType<typeof consider>>;

/** The way on this host: with the runtime, or without it if it is down or removed. */
const tickFor = async (host: Host, tick: Tick, { before, decision }: Considered): Promise<Tick> => {
  const { runtime } = before;
  const { plan } = decision;
  if (runtime.name === 'none') {
    if (runtime.problem.code !== 'no-runtime') return tick;
    for (const { usual } of host.systemd ? runtimes : [])
      if ((await askCri(host, usual.socket)).fact.kind === 'answers')
        throw new Failure({
          code: 'no-runtime',
          message: `${runtime.problem.message}, and yet a runtime answers at ${usual.socket}`,
          where: { file: paths.settings },
          hint: 'Name its unit in the settings ([runtime] unit), then run the uninstall again.',
        });
    return { ...tick, orphaned: true };
  }
  const isSick =
    plan.kind === 'refused' && ['runtime-unreachable', 'unit-masked'].includes(plan.problem.code);
  // It is unknown what a running runtime that does not answer has loaded.
  if (!isSick || !(isDown(runtime) || tick.force)) return tick;
  return { ...tick, activate: false, force: true, orphaned: true };
};

const inUse = (what: string): Problem => ({
  code: 'handler-in-use',
  message: `no runtime answers, and ${what}`,
  hint: 'End these Pods, or take their programs out of service all the same: rcm-node uninstall --force.',
});

/** What the uninstall waits for. */
const waitsFor = async (
  host: Host,
  how: Tick,
  asked: Tick,
  { before, decision }: Considered,
): Promise<readonly Problem[]> => {
  if (how === asked)
    return decision.handlers.flatMap((one) => (one.state === 'removing' && one.problem ? [one.problem] : []));
  if (asked.force || Object.keys(before.store).length === 0) return [];
  const used = (await observeMapped(host)).filter((key) => key in before.store);
  if (used.length > 0)
    return [inUse(`processes of Pods run programs of ours (${used.length} in ${paths.store})`)];
  const ours = new Set(Object.keys(before.links).map((path) => fileOf(folderOf(path))));
  const needed = (await observeBundles(host, before.runtime)).filter((name) => ours.has(name));
  return needed.length > 0
    ? [inUse(`containers run that only programs of ours can end (${needed.join(', ')})`)]
    : [];
};

/** Without a known identity in the settings, the cluster is not contacted. */
const leave = async (host: Host, settings: Settings): ReturnType<typeof leaveCluster> => {
  if (!settings.closed) return leaveCluster(host, settings.cluster);
  const wasFollowed =
    (await host.files.stat(paths.cluster)) || (await asides(host.files, paths.cluster)).length > 0;
  if (!wasFollowed) return [];
  const why = `its annotations and labels stay: ${paths.settings} cannot be used, which says who this node is to its cluster`;
  return [{ path: 'Node', why }];
};

/** Removes state and files of the service; files in use, and foreign files, stay. */
const clear = async (host: Host, handlers: readonly string[]): Promise<void> => {
  const states = handlers.map((name) => `${ociStates}/${name}`);
  // Their parent is only looked at where an OCI runtime of ours ran.
  const ran = (await folders(host, states)).length > 0;
  for (const path of ran ? [...states, ociStates] : []) await host.files.dropFolder(path);
  for (const path of [paths.incoming, paths.trials, paths.status, paths.metrics])
    await host.files.removeTree(path);
  for (const path of [paths.links, paths.store]) await host.files.dropFolder(path);
  for (const path of [
    paths.lastSettings,
    paths.clusterScratch,
    folderOf(paths.token),
    ...persisted,
    ...(await Promise.all(persisted.map((one) => asides(host.files, one)))).flat(),
  ])
    await host.files.removeTree(path);
  for (const path of [paths.state, paths.home]) await host.files.dropFolder(path);
};

const open = (rows: readonly { path: string; why: string }[]): readonly Remains[] =>
  rows.map((row) => ({ ...row, open: 'wrong' }));

export const uninstall = async (
  host: Host,
  settings: Settings,
  options: { readonly activate: boolean; readonly force: boolean },
): Promise<Uninstalled> => {
  const asked: Tick = { ...options, deep: false, now: true, desired: nothing, unbudgeted: true };
  const look = async () => {
    const { ledger } = await readState(host);
    const rules = { force: asked.force, since: undefined };
    const considered = await consider(host, settings, ledger, asked, rules);
    refuse(settings, considered);
    return { ledger, considered, tick: await tickFor(host, asked, considered) };
  };
  const { ledger, considered, tick } = await look();
  const waits = await waitsFor(host, tick, asked, considered);
  const rest = { removed: [], unproven: undefined };
  if (waits.length > 0) {
    const ticked: Ticked = { ...considered, outcome: { kind: 'waiting', for: waits }, did: [], ledger };
    return { ...rest, ticked, complete: false, left: [] };
  }
  const were = await ownedFolders(host, ledger);
  const ran = await stopService(host);
  // A runtime that seemed to be down may have been in a restart by the service, which ended with it.
  const now = ran && tick !== asked ? look() : Promise.resolve({ tick });
  const ticked = await now
    .then((found) => once(host, settings, found.tick))
    .catch(async (error: unknown) => {
      if (ran) await startService(host);
      throw error;
    });
  const { outcome } = ticked;
  // The content of the lost state is derived from the host, or reported below; a retry would not restore it.
  const damaged =
    outcome.kind === 'degraded' && outcome.problems.every((one) => one.code === 'state-damaged')
      ? outcome.problems
      : undefined;
  const complete = outcome.kind === 'converged' || damaged !== undefined;
  if (!complete) {
    if (ran) await startService(host);
    return { ...rest, ticked, complete, left: await byDesign(host) };
  }
  const lost = (damaged ?? []).map(({ where, message }) => ({
    path: where?.file ?? paths.state,
    why: `it was damaged (${message}): empty folders that rcm-node had made beside the configuration may stay`,
  }));
  // Another root is no node of a cluster; the kubeconfig would be that of this host.
  const marks = host.systemd ? await leave(host, settings) : [];
  await clear(host, Object.keys(ledger.handlers));
  return {
    ticked,
    complete,
    removed: await removed(host, ledger, were),
    left: [
      ...stuck(host, ticked),
      ...lost,
      ...open(marks),
      ...afterTakeover(ticked.ledger),
      ...(await filled(host)),
      ...(await byDesign(host)),
    ],
    unproven: unproven(ticked, (await now).tick.activate),
  };
};

/** 0 only if nothing is left to do; what stays by design does not count. */
export const exitCodeOfUninstall = ({ ticked, complete, left, unproven }: Uninstalled): number => {
  const { outcome, decision, did } = ticked;
  const code = exitCodeOf({ outcome, handlers: decision.handlers, did });
  if (!complete || code !== exitCodes.settled) return code;
  if (left.some((one) => one.open === 'wrong')) return exitCodes.failed;
  const waits = left.some((one) => one.open === 'waits') || unproven?.command !== undefined;
  return waits ? exitCodes.pending : exitCodes.settled;
};
