/** The controller as its Deployment runs it: the built executable, the Pod's memory limit, the rights of its service account. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import { processorSeconds } from '../cluster/account.ts';
import {
  controllerKubeconfig,
  metricIn,
  processMemory,
  type ProcessMemory,
} from '../rollout/controller-process.ts';
import { makeMemoryGroup } from './memory-group.ts';

export type BuiltController = {
  sample(): ProcessMemory & { readonly cpuSeconds: number; readonly groupMb: number };
  metric(name: string): Promise<number>;
  log(): string;
  stop(): Promise<void>;
};

const deployment = join(import.meta.dirname, '../../bootstrap/controller/deployment.yaml');

export const podLimitMib = (): number => {
  const text = readFileSync(deployment, 'utf8');
  const found = /^ +limits:\n +memory: (\d+)Mi$/m.exec(text)?.[1];
  if (found === undefined) throw new Error(`${deployment} has no memory limit in Mi`);
  return Number(found);
};

export const startBuiltController = async (cluster: Cluster, program: string): Promise<BuiltController> => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-node-bench-'));
  const group = makeMemoryGroup(podLimitMib() * 2 ** 20);
  const argv = ['controller', '--kubeconfig', await controllerKubeconfig(cluster, folder)];
  const ports = ['--listen', '127.0.0.1:0', '--probes', '127.0.0.1:0'];
  const [command = '', ...before] = group.enter;
  const child = spawn(command, [...before, program, ...argv, ...ports], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  const state = { port: undefined as number | undefined };
  const take = (chunk: Buffer): void => {
    said.push(chunk.toString());
    state.port ??= Number(/"port":(\d+)/.exec(said.join(''))?.[1]) || undefined;
    if (said.length > 200) said.shift();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const log = (): string => said.join('').slice(-4000);
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const pid = (): number => {
    if (child.pid !== undefined && !isOver()) return child.pid;
    throw new Error(`the controller is not running; it said last:\n${log()}`);
  };
  return {
    log,
    sample: () => ({
      ...processMemory(pid()),
      cpuSeconds: processorSeconds(pid()),
      groupMb: group.mostMb(),
    }),
    metric: async (name) => {
      pid();
      if (state.port === undefined) return Number.NaN;
      return metricIn(await (await fetch(`http://127.0.0.1:${state.port}/metrics`)).text(), name);
    },
    stop: async () => {
      if (!isOver()) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      group.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
