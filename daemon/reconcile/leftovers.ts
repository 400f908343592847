/**
 * What a run that was killed leaves behind: half a download, a temporary file beside its target. Only for the holder of
 * the lock, and only where nobody writes without it: /run has trials of `plan` going on, and is cleared by every boot.
 */
import { folderOf, paths } from '../decide/paths.ts';
import type { Host } from '../host/host.ts';
import type { Journal } from '../model/ledger.ts';
import { Failure } from '../model/problem.ts';

/** As host/files.ts names them. */
const temporary = /^\.rcm-node-[0-9a-f]{12}$/;

/** A leftover that stays is no reason to do nothing: it is logged, and the next tick tries again. */
export const sweep = async (host: Host, journal: Journal | undefined): Promise<void> => {
  const writes = journal?.plan.steps.flatMap((step) => (step.kind === 'write' ? [folderOf(step.path)] : []));
  await clear(host, paths.incoming, () => true);
  for (const folder of new Set([paths.state, ...(writes ?? [])]))
    await clear(host, folder, (name) => temporary.test(name));
};

const clear = async (host: Host, folder: string, goes: (name: string) => boolean): Promise<void> => {
  try {
    for (const name of (await host.files.names(folder)) ?? [])
      if (goes(name)) await host.files.removeTree(`${folder}/${name}`);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    host.log('warn', `what an interrupted run left stays for now: ${error.message}`);
  }
};
