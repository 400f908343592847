/**
 * Where a release comes from: the commit, and its time, which is the time of every file in an archive. Both are of the tree and
 * not of the clock, so that the same tree gives the same bytes. Without git, SOURCE_COMMIT and SOURCE_DATE_EPOCH tell them.
 * https://reproducible-builds.org/specs/source-date-epoch/
 */
import { spawnSync } from 'node:child_process';

export type Source = {
  readonly commit: string | undefined;
  /** Seconds since 1970. */
  readonly time: number;
  /** Files that differ from the commit: a release of them is not what the commit says. */
  readonly changed: boolean;
};

const git = (root: string, ...argv: readonly string[]): string | undefined => {
  const { status, stdout } = spawnSync('git', ['-C', root, ...argv], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
};

export const sourceOf = (root: string, env: Readonly<Record<string, string | undefined>>): Source => {
  const told = env.SOURCE_DATE_EPOCH;
  if (told !== undefined && !/^\d{1,10}$/.test(told))
    throw new Error(`SOURCE_DATE_EPOCH is "${told}", not a number of seconds`);
  const commit = env.SOURCE_COMMIT ?? git(root, 'rev-parse', 'HEAD');
  const time = told ?? git(root, 'log', '-1', '--format=%ct') ?? '0';
  return { commit, time: Number(time), changed: (git(root, 'status', '--porcelain') ?? '') !== '' };
};
