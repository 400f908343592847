/** What promtool says of metrics; for tests that run where it is built. */
import { spawnSync } from 'node:child_process';
import { builtPromtool } from './promtool.ts';

const program = builtPromtool();

/** For tests: the reason why they do not run. */
export const skip =
  program === undefined && 'promtool is not built here: npx node testbed/prometheus/promtool.ts builds it';

export const promtool = (argv: readonly string[], input = ''): { code: number | null; said: string } => {
  const { status, stdout, stderr } = spawnSync(program ?? '', argv, { input, encoding: 'utf8' });
  return { code: status, said: stdout + stderr };
};

/** Empty where the format, the names and the help are as Prometheus wants them. */
export const faultsOf = (metrics: string): string => {
  const { code, said } = promtool(['check', 'metrics', '--lint=all'], metrics);
  return code === 0 ? said : `ended with ${code}: ${said}`;
};
