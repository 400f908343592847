/** One boot of a root file system by systemd-nspawn, in cgroups of its own, and the process that is its PID 1. */
import { readFileSync } from 'node:fs';
import type { Estate } from './estate.ts';
import { type Process, spawnIn } from './spawn.ts';

export type Machine = Process & { readonly leader: number };

export type Boot = {
  /** Options of systemd-nspawn beside those that all nodes have. */
  readonly options: readonly string[];
  /** A command that runs the one behind it, or nothing. */
  readonly launcher: readonly string[];
};

const children = (pid: number): readonly number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
};

/** nspawn has helpers too; the node's PID 1 is the child that is number 1 in its own namespace and runs systemd. */
const isLeader = (pid: number): boolean => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return /^NSpid:\s+\d+\s+1$/m.test(status) && /^Name:\s+systemd$/m.test(status);
  } catch {
    return false;
  }
};

export const launch = async (name: string, estate: Estate, boot: Boot): Promise<Machine> => {
  const nspawn = spawnIn(
    estate,
    [
      ...boot.launcher,
      'systemd-nspawn',
      '--quiet',
      `--directory=${estate.root}`,
      `--machine=${name}`,
      '--boot',
      '--register=no',
      '--keep-unit',
      '--capability=all',
      '--private-network',
      '--console=pipe',
      '--system-call-filter=@keyring bpf',
      '--resolv-conf=off',
      '--timezone=off',
      '--link-journal=no',
      ...boot.options,
    ],
    { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
  );
  const leader = await nspawn.until(() => children(nspawn.pid).find(isLeader));
  return { ...nspawn, leader };
};
