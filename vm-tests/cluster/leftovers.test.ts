/** What a killed test leaves of a cluster, and that none of it stays. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import t from 'tap';
import { attempt } from '../../testbed/machine/command.ts';
import { estateOf, razeLeftovers } from '../../testbed/machine/estate.ts';
import { kubernetesBinaries } from '../../testbed/kubernetes/binaries.ts';
import { until } from '../../testbed/until.ts';

await kubernetesBinaries((line) => t.comment(line));

/** Another process with a cluster of its own, and what shows of that on this machine. */
const cluster = async () => {
  const program = `
    const { startCluster } = await import('${import.meta.dirname}/../../testbed/cluster/cluster.ts');
    await startCluster();
    console.log('up');
    process.stdin.on('end', () => process.exit()).resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    // It ends with this process at the latest, however that ends.
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  for await (const line of createInterface({ input: child.stdout })) if (line === 'up') break;
  const { dir } = estateOf(`cluster-${child.pid}-1`);
  const bridge = `rcm${child.pid?.toString(36)}-1`;
  return {
    kill: async (signal: NodeJS.Signals): Promise<void> => {
      child.kill(signal);
      await until(() => child.exitCode !== null || child.signalCode !== null);
    },
    traces: async (): Promise<readonly string[]> => [
      ...(existsSync(dir) ? [dir] : []),
      ...readdirSync('/sys/class/net').filter((name) => name === bridge),
      ...(await attempt(['pgrep', '-f', dir])).stdout.split('\n').filter(Boolean),
    ],
  };
};

t.test('Ctrl-C leaves nothing of a cluster', async (t) => {
  const { kill, traces } = await cluster();
  t.ok((await traces()).length >= 6, 'a folder, a bridge and four programs');
  await kill('SIGINT');
  t.same(await traces(), []);
});

t.test('leftovers of a cluster after SIGKILL are removed by the next start', async (t) => {
  const { kill, traces } = await cluster();
  await kill('SIGKILL');
  t.ok((await traces()).length >= 6, 'a folder, a bridge and four programs');
  razeLeftovers();
  t.same(await traces(), []);
});
