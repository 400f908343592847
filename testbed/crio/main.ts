#!/usr/bin/env node
/**
 * A stand-in for CRI-O, which no package registry has: it is not CRI-O. Its configuration, its messages and its answers are held to
 * what a real CRI-O 1.36.3 was recorded to do (test/fixtures/crio/, test/testbed/crio/); Pods run by Debian's conmon and crun.
 * What no case of the record shows follows CRI-O's source, or is not there.
 *
 *     crio [-c FILE] [-d FOLDER] [flags]      the daemon
 *     crio config [--default] · crio version [--json] · crio --version · crio status config|info
 *
 * CRIO_LIKE_ROOT: a folder that stands for `/` (tests).
 */
import { execFileSync } from 'node:child_process';
import { programOf } from './cli.ts';
import { conmonIn } from './run/conmon.ts';
import { startDaemon } from './serve/daemon.ts';

const root = process.env.CRIO_LIKE_ROOT ?? '/';

const code = programOf(process.argv.slice(2), {
  root,
  path: process.env.PATH,
  environment: process.env,
  out: (said) => process.stdout.write(said),
  error: (said) => process.stderr.write(said),
  daemon: async (config, host) => {
    const daemon = await startDaemon(config, host, { root, monitor: conmonIn });
    process.on('SIGHUP', daemon.reload);
    if (process.env.NOTIFY_SOCKET !== undefined) execFileSync('systemd-notify', ['--ready']);
    // crun would take it for the container's, and wait until that says that it is ready.
    delete process.env.NOTIFY_SOCKET;
    await new Promise<void>((end) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end());
    });
    // Recorded at every ordinary stop.
    host.log('error', 'close of closed channel');
    daemon.stop();
  },
});
void code.then((ended) => {
  process.exitCode = ended;
});
