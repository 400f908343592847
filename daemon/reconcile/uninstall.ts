/**
 * Takes everything away that the ledger proves to be ours, in the order configuration, restart, binaries, state. What
 * stays, and why, is named.
 */
import { folderOf, paths } from '../decide/paths.ts';
import { asides } from '../host/aside.ts';
import type { Host } from '../host/host.ts';
import { nothing } from '../model/desired.ts';
import { Failure, printWhere } from '../model/problem.ts';
import type { Settings } from '../model/settings.ts';
import { leaveCluster } from './leave-cluster.ts';
import { consider, once, type Tick, type Ticked } from './once.ts';
import { persisted, readState } from './state.ts';

export type Uninstalled = {
  readonly ticked: Ticked;
  /** Whether everything that was ours is gone. */
  readonly complete: boolean;
  readonly left: readonly { readonly path: string; readonly why: string }[];
};

const serviceUnit = 'rcm-node.service';

/** A service that still ran would put back what is taken away. Answers whether it ran. */
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
        message: `${serviceUnit} could not be stopped (the job ended as "${ended}"), and would write again what is taken away; nothing was changed`,
        hint: `systemctl status ${serviceUnit}; then run it again.`,
      });
    }
  }
  host.log('info', `${serviceUnit} is stopped and disabled`);
  return unit.active !== 'inactive';
};

const startService = async (host: Host): Promise<void> => {
  await host.systemd?.enable(serviceUnit);
  await host.systemd?.start(serviceUnit, 90_000);
  host.log('warn', `${serviceUnit} runs again: not everything could be taken away`);
};

/** All or nothing: half an uninstall would leave handlers that no service looks after. */
const wait = async (host: Host, settings: Settings, tick: Tick): Promise<Ticked | undefined> => {
  const { ledger } = await readState(host);
  const considered = await consider(host, settings, ledger, tick, { force: tick.force, since: undefined });
  const { runtime } = considered.before;
  if (settings.closed && runtime.name !== 'none') {
    // The unit is guessed then, and may be another one than the one that reads what is ours.
    const read = new Set(runtime.config.map((file) => file.path));
    const elsewhere = Object.keys(ledger.files).find((path) => !read.has(path));
    if (elsewhere !== undefined)
      throw new Failure({
        code: 'bad-settings',
        message: `the settings cannot be used, and ${settings.unit} does not read ${elsewhere}, which is ours`,
        where: { file: paths.settings },
        hint: 'Correct the file, or write one that names the unit of the runtime ([runtime] unit) and nothing else.',
      });
  }
  const problems = considered.decision.handlers.flatMap((one) =>
    one.state === 'removing' && one.problem ? [one.problem] : [],
  );
  if (problems.length === 0) return undefined;
  return { ...considered, outcome: { kind: 'waiting', for: problems }, did: [], ledger };
};

/** Where the settings do not say who this node is to its cluster, it does not speak to it. */
const leave = async (host: Host, settings: Settings): ReturnType<typeof leaveCluster> => {
  if (!settings.closed) return leaveCluster(host, settings.cluster);
  const wasFollowed =
    (await host.files.stat(paths.cluster)) || (await asides(host.files, paths.cluster)).length > 0;
  if (!wasFollowed) return [];
  const why = `its annotations and labels stay: ${paths.settings} cannot be used, which says who this node is to its cluster`;
  return [{ path: 'Node', why }];
};

export const uninstall = async (
  host: Host,
  settings: Settings,
  options: { readonly activate: boolean; readonly force: boolean },
): Promise<Uninstalled> => {
  const tick: Tick = { ...options, deep: false, now: true, desired: nothing, unbudgeted: true };
  const waiting = await wait(host, settings, tick);
  if (waiting) return { ticked: waiting, complete: false, left: [] };
  const ran = await stopService(host);
  const ticked = await once(host, settings, tick).catch(async (error: unknown) => {
    if (ran) await startService(host);
    throw error;
  });
  const left: { path: string; why: string }[] = [];
  const { outcome } = ticked;
  // What the state had told is known from the host as well, or named below; to try again would not bring it back.
  const damaged =
    outcome.kind === 'degraded' && outcome.problems.every((one) => one.code === 'state-damaged')
      ? outcome.problems
      : undefined;
  const complete = outcome.kind === 'converged' || damaged !== undefined;
  if (ran && !complete) await startService(host);
  if (complete) {
    // What is no longer part of the configuration, and could not be taken back.
    for (const { where, message } of ticked.decision.notes)
      if (where && where.file in ticked.ledger.files) left.push({ path: where.file, why: message });
    // Our programs stay for these: without them the runtime would serve handlers that start nothing.
    for (const { where } of ticked.decision.notes.filter((one) => one.code === 'copied'))
      if (where)
        left.push({
          path: printWhere(where),
          why: 'another program wrote this table, and it leads to our program, which stays for it. Take the table out, restart the runtime, and run the uninstall again',
        });
    for (const { where, message } of damaged ?? [])
      left.push({
        path: where?.file ?? paths.state,
        why: `it was damaged (${message}): empty folders that rcm-node had made beside the configuration may stay`,
      });
    // Another root is no node of a cluster, and its kubeconfig would be read from this one.
    if (host.systemd) left.push(...(await leave(host, settings)));
    for (const path of [paths.incoming, paths.trials, paths.status, paths.metrics])
      await host.files.removeTree(path);
    for (const path of [paths.links, paths.store]) await host.files.dropFolder(path);
    for (const path of [
      paths.lastSettings,
      folderOf(paths.token),
      ...persisted,
      ...(await Promise.all(persisted.map((one) => asides(host.files, one)))).flat(),
    ])
      await host.files.removeTree(path);
    for (const path of [paths.state, paths.home]) await host.files.dropFolder(path);
    for (const path of [paths.links, paths.store, paths.state])
      if (await host.files.isFolder(path))
        left.push({ path, why: 'it is not empty: something in it is not ours, or still in use' });
  }
  for (const path of [paths.settings, paths.shims])
    if ((await host.files.isFolder(path)) || (await host.files.stat(path)))
      left.push({ path, why: 'it is yours: settings and wishes are not removed' });
  if (await host.files.isFolder(`${paths.home}/bin`))
    left.push({
      path: `${paths.home}/bin`,
      why: 'this program runs from there; remove it with its unit',
    });
  return { ticked, complete, left };
};
