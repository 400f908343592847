/** One boot of a root file system by systemd-nspawn, in cgroups of its own, and the process that is its PID 1. */
import { spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Estate, freshCgroups } from './estate.ts';

export type Machine = { readonly leader: number; ended(): Promise<void> };

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
  freshCgroups(estate);
  const console = openSync(estate.console, 'a');
  const nspawn = spawn(
    'sh',
    [
      '-c',
      // The node has cgroups of its own, so that two nodes do not share one and all of it can be killed at once.
      'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"',
      'sh',
      ...estate.cgroups,
      '--',
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
    {
      detached: true,
      stdio: ['ignore', console, console],
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    },
  );
  nspawn.on('error', () => undefined);
  // A forgotten node does not keep the process alive; so waiting for its end needs a timer, not an event.
  nspawn.unref();
  const ended = async (): Promise<void> => {
    for (let waited = 0; nspawn.exitCode === null && nspawn.signalCode === null; waited += 20) {
      if (waited > 100_000) throw new Error(`node ${name} does not shut down`);
      await sleep(20);
    }
  };
  for (;;) {
    const leader = children(nspawn.pid ?? 0).find(isLeader);
    if (leader !== undefined) return { leader, ended };
    if (nspawn.exitCode !== null || nspawn.pid === undefined)
      throw new Error(`node ${name} did not boot: ${readFileSync(estate.console, 'utf8').slice(-2000)}`);
    await sleep(20);
  }
};
