/**
 * Uninstalls rcm-node from a node, from the Pod: has systemd run `rcm-node uninstall` there, waits until no Pod uses its
 * handlers, then removes what bootstrap wrote. Files that others changed stay and are named.
 */
import { paths } from '../protocol/host-paths.ts';
import { asides } from '../host/files/aside.ts';
import { Failure } from '../protocol/problem/problem.ts';
import { isOurs } from './files.ts';
import { folderOfLink, readState } from './observe.ts';
import { sweepIncoming } from './place.ts';
import { unitPath } from './plan.ts';
import { mustStop, type Target } from './target.ts';
import { emptyState, places, service, uninstaller } from './state.ts';
import { fields, isFields, parseJson } from '../protocol/json.ts';

const uninstallerPath = `${places.units}/${uninstaller}`;
/** A little longer than its own TimeoutStartSec=. */
const uninstallMs = 930_000;
const pauses = [5_000, 10_000, 20_000, 40_000, 60_000];

/** The caller holds the lock. Returns when the node is clean; throws if waiting cannot make it clean. */
export const remove = async (site: Target): Promise<void> => {
  const state = await readState(site);
  const linked = folderOfLink((await site.host.linkAt(places.link)).target);
  // A service that never came up has served nothing. Without a state file, only the link tells.
  const served = linked !== null && (state.good !== null || state === emptyState);
  if (served) await uninstallOnHost(site);
  else await stop(site);
  // First, because a missing link tells the next run, after a kill, that `rcm-node uninstall` is done.
  await site.host.point(places.link, null);
  await sweep(site);
  site.say('this node is clean');
};

const stop = async (site: Target): Promise<void> => {
  const unit = await site.systemd.unit(service);
  if (unit.load !== 'loaded') return;
  await site.systemd.disable(service);
  // A running service would write again what is removed below.
  if (unit.active !== 'inactive') await mustStop(site, service, 450_000);
};

const uninstallOnHost = async (site: Target): Promise<void> => {
  const shipped = await site.own.look(`${site.payload}/${uninstaller}`);
  if (shipped.kind !== 'regular')
    throw new Failure({
      code: 'unsupported-host',
      message: `${site.payload} lacks ${uninstaller}: this is not the image`,
    });
  await site.host.put(uninstallerPath, shipped.text, 0o644);
  await site.systemd.daemonReload();
  for (let attempt = 0; ; attempt += 1) {
    site.say(`running rcm-node uninstall on the host`);
    await site.systemd.resetFailed(uninstaller);
    const result = await site.systemd.start(uninstaller, uninstallMs);
    const said = await answer(site);
    if (said?.complete) {
      // Of the files that are left, the executable is removed here, and the admin's files are checked again below.
      for (const { path, why } of said.left)
        if (path !== places.bin && path !== paths.shims && path !== paths.settings)
          site.say(`note: ${path} is kept: ${why}`);
      return;
    }
    const pause = pauses[Math.min(attempt, pauses.length - 1)] ?? 60_000;
    const reasons = said?.reasons ?? [];
    site.say(
      reasons.length > 0
        ? `not yet: ${reasons.join('; ')}`
        : `not yet: the job ended as "${result}"; on the node: journalctl -u ${uninstaller}`,
    );
    site.say(`trying again in ${pause / 1000} s`);
    await site.clock.sleep(pause);
  }
};

type Answer = {
  readonly complete: boolean;
  readonly left: readonly { readonly path: string; readonly why: string }[];
  readonly reasons: readonly string[];
};

/** The output of `rcm-node uninstall --json`; undefined if it cannot be parsed. */
const answer = async (site: Target): Promise<Answer | undefined> => {
  const fact = await site.host.look(places.uninstalled);
  const value = fact.kind === 'regular' ? parseJson(fact.text) : undefined;
  if (!isFields(value)) return undefined;
  const outcome = fields(fields(value.report).outcome);
  const problems = [value.error, outcome.problem, ...[outcome.for, outcome.problems].flat()];
  return {
    complete: value.complete === true,
    left: (Array.isArray(value.left) ? value.left : []) as Answer['left'],
    reasons: problems.flatMap((one) =>
      isFields(one) && typeof one.message === 'string' ? [one.message] : [],
    ),
  };
};

/** Everything that bootstrap wrote, in an order in which, after a kill, the next run finds the rest. */
const sweep = async (site: Target): Promise<void> => {
  const state = await readState(site);
  for (const path of Object.keys(state.wrote).filter((one) => one !== unitPath)) {
    const fact = await site.host.look(path);
    if (isOurs(fact, path, state.wrote)) await site.host.removeTree(path);
    else if (fact.kind !== 'absent') site.say(`note: ${path} is kept: it was changed since it was written`);
  }
  const unit = await site.host.look(unitPath);
  if (isOurs(unit, unitPath, state.wrote)) await site.host.removeTree(unitPath);
  else if (unit.kind !== 'absent')
    site.say(`note: ${unitPath} is kept: it was changed since it was written; it is disabled`);
  await site.host.removeTree(uninstallerPath);
  await site.systemd.daemonReload();
  await site.systemd.resetFailed(service);
  await sweepIncoming(site);
  for (const folder of Object.keys(state.builds)) await site.host.removeTree(`${places.versions}/${folder}`);
  await site.host.dropFolder(places.versions);
  for (const path of [places.state, ...(await asides(site.host, places.state))])
    await site.host.removeTree(path);
  await site.host.dropFolder(paths.shims);
  for (const path of [places.versions, paths.shims])
    if (await site.host.isFolder(path))
      site.say(`note: ${path} is kept: it holds files that rcm-node did not write`);
};
