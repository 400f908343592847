/**
 * `rcm-node shim mirror`: one location after the other, each complete before the lock file names it, so that an interrupted run goes on
 * where it ended, and a second one for the same Shims copies nothing.
 */
import { printUrl } from '../../protocol/problem/mask.ts';
import { type Problem, printProblem, problemOf } from '../../protocol/problem/problem.ts';
import type { Entry, LockFile } from './lock-file.ts';
import { type Needed, neededBy, type Text } from './needed.ts';
import { megabytes, type Sources } from './sources.ts';
import { type Mirror, openTarget, type Target } from './targets.ts';

export type Mirroring = Sources & {
  /** A folder, or `oci://HOST/NAME`. */
  readonly to: string;
  readonly texts: readonly Text[];
};

export type Copied = {
  /** Without user, password and query. */
  readonly location: string;
  readonly did: 'copied' | 'unchanged' | 'left' | 'failed';
  readonly entry?: Entry;
  readonly problem?: Problem;
};

export type Mirrored = {
  readonly to: string;
  readonly lock: string;
  readonly copied: readonly Copied[];
  /** What config.toml of the nodes has to say; of a folder, where it is at the same place there. */
  readonly mirrors: readonly Mirror[];
};

/** With the file at fault, which may be that of the credentials; the failure of a download names the location itself. */
export const failedLine = (location: string, problem: Problem): string => {
  const text = printProblem(problem);
  return text.startsWith(`${location}: `) ? text : `${location}: ${text}`;
};

const merged = (entry: Entry, shims: readonly string[]): Entry => ({
  ...entry,
  shims: [...new Set([...entry.shims, ...shims])].sort(),
});

/** Known from an earlier run, with the digest that is asked for now. */
const isThere = async (target: Target, needed: Needed, known: Entry | undefined): Promise<boolean> =>
  known !== undefined &&
  (needed.sha256 ?? known.sha256) === known.sha256 &&
  (await target.isComplete(needed, known));

/** Tries every location; what fails does not keep the others. */
export const mirror = async (mirroring: Mirroring): Promise<Mirrored> => {
  const { texts, to, say } = mirroring;
  const all = neededBy(texts);
  const target = await openTarget(mirroring, to);
  try {
    target.check(all);
    let lock: LockFile = await target.readLock();
    const copied: Copied[] = [];
    for (const needed of all) {
      const { location, shims } = needed;
      // Without what may be a secret in the address: everyone may read the lock file.
      const shown = printUrl(location);
      const known = lock[shown];
      if (location.startsWith('file:')) {
        say(`left      ${shown}: a file of the node itself`);
        copied.push({ location: shown, did: 'left' });
        continue;
      }
      try {
        const isDone = await isThere(target, needed, known);
        const entry = isDone && known ? known : await target.take(needed, known);
        lock = { ...lock, [shown]: merged(entry, [...(known?.shims ?? []), ...shims]) };
        await target.writeLock(lock);
        say(`${isDone ? 'unchanged' : 'copied   '} ${shown} (${megabytes(entry.bytes)})`);
        copied.push({ location: shown, did: isDone ? 'unchanged' : 'copied', entry });
      } catch (error) {
        const problem = problemOf(error);
        say(`failed    ${failedLine(shown, problem)}`);
        copied.push({ location: shown, did: 'failed', problem });
      }
    }
    const mirrors = target.mirrors.filter(({ prefix }) =>
      Object.keys(lock).some((location) => location.startsWith(prefix)),
    );
    return { to: target.at, lock: target.lock, copied, mirrors };
  } finally {
    await target.close();
  }
};
