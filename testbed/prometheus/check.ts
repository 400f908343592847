/** What promtool says; for tests that run where it is built. */
import { spawnSync } from 'node:child_process';
import { built, missing } from './programs.ts';

export const skip = missing('promtool');

export const promtool = (argv: readonly string[], input = ''): { code: number | null; said: string } => {
  const { status, stdout, stderr } = spawnSync(built('promtool') ?? '', argv, { input, encoding: 'utf8' });
  return { code: status, said: stdout + stderr };
};

/** Empty where the format, the names and the help are as Prometheus wants them. */
export const faultsOf = (metrics: string): string => {
  const { code, said } = promtool(['check', 'metrics', '--lint=all'], metrics);
  return code === 0 ? said : `ended with ${code}: ${said}`;
};
