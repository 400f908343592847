/** The real controller: its process, under the rights and with the token of its service account, and what it costs. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { controllerName } from '../../controller/model/keys.ts';
import type { Cluster } from '../../testbed/cluster/cluster.ts';
import { tokenKubeconfig } from '../../testbed/kubernetes/kubeconfig.ts';
import { until } from '../../testbed/kubernetes/until.ts';
import { processorSeconds } from '../cluster/account.ts';
import type { Wire } from '../cluster/wire.ts';

export type ControllerSample = ProcessMemory & {
  readonly cpuSeconds: number;
  readonly wire: Wire;
  readonly passes: number;
  readonly passSeconds: number;
  readonly decideSeconds: number;
  readonly errors: number;
};

export type ControllerProcess = {
  readonly pid: number;
  sample(): Promise<ControllerSample>;
  /** What it said last. */
  log(): string;
  stop(): Promise<void>;
};

const root = join(import.meta.dirname, '../..');

export type ProcessMemory = {
  readonly residentMb: number;
  /** Since it started. */
  readonly peakMb: number;
  readonly anonMb: number;
};

const kB = (file: string, name: string): number =>
  (Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(file)?.[1]) * 1024) / 1e6;

export const processMemory = (pid: number): ProcessMemory => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    residentMb: kB(status, 'VmRSS'),
    peakMb: kB(status, 'VmHWM'),
    anonMb: kB(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss_Anon'),
  };
};

export const metricIn = (text: string, name: string): number =>
  [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  );

const tokenOf = async (cluster: Cluster): Promise<string> => {
  const path = `/api/v1/namespaces/rcm-node/serviceaccounts/${controllerName}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const answer = await cluster.admin.request('POST', path, { body });
  if (answer.status !== 201) throw new Error(`no token: ${answer.text}`);
  return (answer.json as { readonly status: { readonly token: string } }).status.token;
};

/** The path of a kubeconfig with the token of its service account. */
export const controllerKubeconfig = async (cluster: Cluster, folder: string): Promise<string> => {
  const file = join(folder, 'kubeconfig');
  writeFileSync(file, tokenKubeconfig(cluster.server, cluster.authority.certificate, await tokenOf(cluster)));
  return file;
};

/** Its permissions and no Pod: no controller runs that would create one. */
export const grantController = async (cluster: Cluster): Promise<void> => {
  for (const file of ['manifests/namespace.yaml', 'controller/access.yaml', 'controller/lease-access.yaml'])
    await cluster.kubectl(['apply', '-f', join(root, 'bootstrap', file)]);
};

export const startController = async (cluster: Cluster): Promise<ControllerProcess> => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-bench-'));
  const file = await controllerKubeconfig(cluster, folder);
  const said: string[] = [];
  const child = fork(
    join(root, 'cli/main.ts'),
    ['controller', '--kubeconfig', file, '--listen', '127.0.0.1:0', '--probes', '127.0.0.1:0'],
    {
      execArgv: ['--import', join(import.meta.dirname, '../cluster/tell-wire.ts')],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  );
  const port = { number: undefined as number | undefined };
  const take = (chunk: Buffer): void => {
    const text = chunk.toString();
    const found = /"port":(\d+)/.exec(text)?.[1];
    if (port.number === undefined && found !== undefined) port.number = Number(found);
    said.push(text);
    if (said.length > 200) said.shift();
  };
  child.stdout?.on('data', take);
  child.stderr?.on('data', take);
  const log = (): string => said.join('').slice(-4000);
  const pid = (): number => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) return child.pid;
    throw new Error(`the controller is not running; it said last:\n${log()}`);
  };
  const page = async (path: string): Promise<Response> => {
    pid();
    return fetch(`http://127.0.0.1:${port.number}${path}`);
  };
  await until(
    'the controller leads',
    async () =>
      port.number !== undefined &&
      metricIn(await (await page('/metrics')).text(), 'rcm_controller_leader') === 1,
    { explain: async () => log() },
  );
  return {
    pid: pid(),
    log,
    sample: async () => {
      const answer = once(child, 'message', { signal: AbortSignal.timeout(30_000) });
      child.send('wire');
      const wire = (await answer)[0] as Wire;
      const metrics = await (await page('/metrics')).text();
      return {
        cpuSeconds: processorSeconds(pid()),
        ...processMemory(pid()),
        wire,
        passes: metricIn(metrics, 'rcm_controller_passes_total'),
        passSeconds: metricIn(metrics, 'rcm_controller_pass_seconds_total'),
        decideSeconds: metricIn(metrics, 'rcm_controller_decide_seconds_total'),
        errors: metricIn(metrics, 'rcm_controller_errors_total'),
      };
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
