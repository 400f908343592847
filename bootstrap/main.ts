/** `rcm-node bootstrap`: what the image runs on each node, in the init container of the DaemonSet. */
import { inWords } from '../daemon/decide/backoff.ts';
import { acquireLock, type Lock } from '../host/files/lock.ts';
import { exitCodes } from '../daemon/model/outcome.ts';
import { Failure, hintOf, printProblem } from '../protocol/problem/problem.ts';
import { install } from './install.ts';
import { remove } from './remove.ts';
import { checkSite, makeTarget, mustBeServed, type Target } from './target.ts';
import { places } from './state.ts';
import { bringToken } from './token.ts';

export type BootstrapCommand = {
  /** Where the host's folders are mounted. */
  readonly host: string;
  /** Where the ConfigMap is mounted. */
  readonly settings: string;
  /** Where a token of this Pod is mounted, in the serviceaccount overlay. */
  readonly token?: string;
  readonly uninstall: boolean;
  readonly downgrade: boolean;
  readonly force: boolean;
};

/** The longest time of another run: the end of a tick, a start, and a rollback. */
const patienceMs = 900_000;

const lockSite = async (site: Target): Promise<Lock> => {
  // Made first, because its error shows whether the file system is read-only or a folder is missing.
  await site.host.makeFolder(places.bin);
  const path = site.host.real(places.lock);
  try {
    return await acquireLock(path, { waitMs: 0 });
  } catch (error) {
    if (!(error instanceof Failure) || error.problem.code !== 'locked') throw error;
    site.say(`waiting for another bootstrap on this node, at most ${inWords(patienceMs)}`);
    return acquireLock(path, { waitMs: patienceMs });
  }
};

export const bootstrap = async (
  command: BootstrapCommand,
  given: Pick<Target, 'payload' | 'version' | 'namespace' | 'clock' | 'say'> & { readonly arch: string },
): Promise<number> => {
  const site = makeTarget({ ...command, ...given });
  await checkSite(site, given.arch);
  if (!command.uninstall) await mustBeServed(site);
  const lock = await lockSite(site);
  try {
    if (command.uninstall) {
      await remove(site);
      // Held until now: no other run can be in between. A run that waits finds the lock file gone, and makes a new one.
      await site.host.removeTree(places.lock);
      await site.host.dropFolder(places.bin);
      return exitCodes.settled;
    }
    if (command.token !== undefined) await bringToken(site, command.token);
    const installed = await install(site, command);
    if (installed.kind === 'up') return exitCodes.settled;
    given.say(`error: ${printProblem(installed.problem)} (${installed.problem.code})`);
    given.say(`  ${hintOf(installed.problem)}`);
    return exitCodes.refused;
  } finally {
    await lock.release();
  }
};
