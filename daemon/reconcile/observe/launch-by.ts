/**
 * A runtime that another program starts, as distributions do that bring their own: the unit tells nothing of its
 * configuration, so the process is asked. Where none runs, the row of the distribution says where things are.
 */
import { fileOf, folderOf, resolvePath } from '../../../protocol/host-paths.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import type { Host } from '../../../host/host.ts';
import { findRunning } from '../../../host/processes/main-process.ts';
import { runningProgram } from '../../../host/processes/processes.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Runner } from '../../runtimes/distro.ts';
import type { Runtime } from '../../runtimes/runtime.ts';
import type { Launch } from './launch.ts';

export const launchBy = async (
  host: Host,
  runtime: Runtime,
  runner: Runner,
  unit: UnitFacts | undefined,
): Promise<Launch> => {
  const usual = runtime.configOf(runner.argv);
  if (unit && unit.mainPid > 0) {
    const { isProgram } = runtime;
    const running = await findRunning(unit.mainPid, isProgram, host.files.real('/proc'), host.root);
    const called = fileOf(running?.argv[0] ?? '');
    const program =
      running &&
      (isProgram(running.name) || isProgram(called)) &&
      (await runningProgram(host.files, running.pid));
    if (running && program) {
      // One program under several names prints a configuration only under the right one, which is beside it.
      const isReplaced = program.startsWith('/proc/');
      const beside = isReplaced ? runner.argv[0] : resolvePath(folderOf(program), called);
      const binary = isProgram(running.name) ? program : beside;
      await host.files.trust(binary);
      const { main, ...given } = runtime.configOf(running.argv, running.environment);
      const named = main === runtime.usual.configPath ? usual.main : resolvePath(running.cwd, main);
      return { binary, config: { ...given, main: named }, notes: [] };
    }
    // Not "no-runtime": an uninstall would take it for one that was removed, and restart nothing.
    throw new Failure({
      code: 'runtime-unreachable',
      message: `${unit.name} runs, and no ${runtime.name} of it`,
      hint: `It may be starting: journalctl -u ${unit.name}. A controller of k0s runs one with --enable-worker alone.`,
    });
  }
  const [binary] = runner.argv;
  await host.files.trust(binary);
  return { binary, config: usual, notes: [] };
};
