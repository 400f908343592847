/** Many simulated nodes: their Node objects as kubelets make them, their credentials, and the processes that they live in. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../vm-tests/cluster/cluster.ts';
import { kubeconfig } from '../vm-tests/cluster/kubeconfig.ts';
import type { Complaints, Order } from './crowd-process.ts';

export const nodeNames = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `node-${String(at).padStart(5, '0')}`);

const conditions = (): readonly object[] => {
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const pressures = ['Memory', 'Disk', 'PID'].map((what) => ({
    type: `${what}Pressure`,
    status: 'False',
    reason: `KubeletHasSufficient${what}`,
    message: `kubelet has sufficient ${what.toLowerCase()} available`,
  }));
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    message: 'kubelet is posting ready status',
  };
  return [...pressures, ready].map((one) => ({
    ...one,
    lastHeartbeatTime: now,
    lastTransitionTime: '2027-01-15T08:00:00Z',
  }));
};

/** As large as a real one, which is mostly the fifty images that a kubelet lists. */
const nodeObject = (name: string): object => {
  const capacity = {
    cpu: '16',
    memory: '64Gi',
    pods: '110',
    'ephemeral-storage': '200Gi',
    'hugepages-2Mi': '0',
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/arch': 'amd64',
        'kubernetes.io/os': 'linux',
        'node.kubernetes.io/instance-type': 'large',
        'topology.kubernetes.io/zone': 'zone-a',
      },
    },
    status: {
      capacity,
      allocatable: capacity,
      conditions: conditions(),
      addresses: [{ type: 'Hostname', address: name }],
      nodeInfo: {
        machineID: '0123456789abcdef0123456789abcdef',
        systemUUID: '01234567-89ab-cdef-0123-456789abcdef',
        bootID: '01234567-89ab-cdef-0123-456789abcdef',
        kernelVersion: '6.12.0-amd64',
        osImage: 'Debian GNU/Linux 13 (trixie)',
        containerRuntimeVersion: 'containerd://2.1.5',
        kubeletVersion: 'v1.36.3',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
      images: Array.from({ length: 50 }, (_, at) => ({
        names: [
          `registry.example.com/team/service-${at}@sha256:${String(at).padStart(2, '0').repeat(32)}`,
          `registry.example.com/team/service-${at}:1.${at}.0`,
        ],
        sizeBytes: 10_000_000 + at,
      })),
    },
  };
};

/** So many at once; a server that is asked a thousand things at once only gets slower. */
const inParallel = async <T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  width = 16,
): Promise<void> => {
  const left = [...items];
  const one = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: width }, one));
};

const ask = async (cluster: Cluster, method: string, path: string, body: object): Promise<void> => {
  const answer = await cluster.admin.request(method, path, { body });
  if (answer.status >= 300) throw new Error(`${method} ${path} answers ${answer.status}: ${answer.text}`);
};

export const registerNodes = (cluster: Cluster, names: readonly string[]): Promise<void> =>
  inParallel(names, (name) => ask(cluster, 'POST', '/api/v1/nodes', nodeObject(name)));

/** What a kubelet writes every five minutes. */
export const beat = (cluster: Cluster, names: readonly string[]): Promise<void> =>
  inParallel(
    names,
    (name) => ask(cluster, 'PATCH', `/api/v1/nodes/${name}/status`, { status: { conditions: conditions() } }),
    4,
  );

export const relabel = (cluster: Cluster, names: readonly string[], label: object): Promise<void> =>
  inParallel(names, (name) =>
    ask(cluster, 'PATCH', `/api/v1/nodes/${name}`, { metadata: { labels: label } }),
  );

export type Crowd = {
  readonly pids: readonly number[];
  /** All nodes start at the same moment, as after a power cut. */
  start(): void;
  /** What went wrong for them, for an error that has to explain itself. */
  complaints(): Promise<string>;
  stop(): Promise<void>;
};

/** Credentials as a kubelet has them, a certificate each: the Node authorizer judges a thousand nodes, and not one. */
export const prepareCrowd = async (
  cluster: Cluster,
  names: readonly string[],
  processes: number,
): Promise<Crowd> => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-bench-'));
  const files = names.map((name) => {
    const file = join(folder, name);
    const certificate = cluster.mintNodeCertificate(name);
    writeFileSync(file, kubeconfig(cluster.server, cluster.authority.certificate, certificate));
    return file;
  });
  const children = Array.from({ length: processes }, () =>
    fork(join(import.meta.dirname, 'crowd-process.ts'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
  );
  const tell = (child: ChildProcess, order: Order): void => void child.send(order);
  return {
    pids: children.map(({ pid }) => pid ?? 0),
    start: () => {
      for (const [at, child] of children.entries())
        tell(child, { start: files.filter((_, index) => index % processes === at) });
    },
    complaints: async () => {
      const said = children.map(async (child) => {
        const answer = once(child, 'message', { signal: AbortSignal.timeout(5_000) });
        tell(child, 'complain');
        return (await answer)[0] as Complaints;
      });
      return JSON.stringify(await Promise.all(said));
    },
    stop: async () => {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
