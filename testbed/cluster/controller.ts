/**
 * The controller as processes of this machine, run from the sources, with the identity and the rights that the manifests
 * give it: who leads can be killed, paused and looked at like any program of the control plane.
 */
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { controllerName } from '../../controller/model/keys.ts';
import type { Cluster } from './cluster.ts';
import { tokenKubeconfig } from '../kubernetes/kubeconfig.ts';
import type { ControlPlaneProcess } from '../kubernetes/process.ts';
import { bootstrapFolder } from './manifests.ts';

const root = join(import.meta.dirname, '..', '..');
const namespace = 'rcm-node';

/** Where the manifests put it, unless a kustomization around them says otherwise. */
export type Place = { readonly namespace: string; readonly account: string };
const usual: Place = { namespace, account: controllerName };

/** What would run in Pods here runs on this machine, or is what a test puts on its nodes itself. */
const workloads = ['Deployment', 'DaemonSet'];

/** All that `kubectl apply -k bootstrap/` brings, without what runs in Pods. */
export const admitController = async (cluster: Cluster): Promise<void> => {
  const items = parseAllDocuments(await cluster.kubectl(['kustomize', bootstrapFolder]))
    .map((document) => document.toJS() as { kind: string })
    .filter(({ kind }) => !workloads.includes(kind));
  await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
};

export type Controller = ControlPlaneProcess & {
  /** Whether it says that it is the one that leads. */
  leads(): Promise<boolean>;
  /** What Prometheus would read. */
  metrics(): Promise<string>;
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });

/** One that is paused takes connections, and never answers. */
const ask = (url: string): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(30_000) });

/** As the Deployment's Pods get it from their kubelet. */
const tokenOf = async (cluster: Cluster, { namespace, account }: Place): Promise<string> => {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const answer = await cluster.admin.request('POST', path, { body });
  if (answer.status !== 201) throw new Error(`no token for the controller: ${answer.text}`);
  return (answer.json as { status: { token: string } }).status.token;
};

/** Not started yet; `name` tells it from others in the logs, `more` are arguments beside those of the Deployment. */
export const controllerOf = async (
  cluster: Cluster,
  name: string,
  more: readonly string[] = [],
  place = usual,
): Promise<Controller> => {
  const file = join(dirname(cluster.kubeconfig), `${name}.conf`);
  const token = await tokenOf(cluster, place);
  await writeFile(file, tokenKubeconfig(cluster.server, cluster.authority.certificate, token), {
    mode: 0o600,
  });
  const listen = `127.0.0.1:${await freePort()}`;
  const probes = `127.0.0.1:${await freePort()}`;
  const process_ = cluster.program({
    name,
    argv: [
      ...[process.execPath, join(root, 'cli', 'main.ts'), 'controller'],
      ...['--kubeconfig', file, '--listen', listen, '--probes', probes],
      ...['--namespace', place.namespace],
      ...more,
    ],
    isReady: async () => (await ask(`http://${probes}/healthz`)).ok,
  });
  const metrics = async (): Promise<string> => (await ask(`http://${listen}/metrics`)).text();
  return Object.assign(Object.create(process_) as ControlPlaneProcess, {
    metrics,
    leads: async () => /^rcm_controller_leader 1$/m.test(await metrics()),
  });
};

/** Two of them, both running, the one that leads first. */
export const twoControllers = async (
  cluster: Cluster,
): Promise<readonly [leader: Controller, other: Controller]> => {
  const [one, two] = [
    await controllerOf(cluster, 'controller-1'),
    await controllerOf(cluster, 'controller-2'),
  ];
  await Promise.all([one.start(), two.start()]);
  return cluster.waitFor('one of two controllers leads', async () => {
    const leads = await Promise.all([one.leads(), two.leads()]);
    if (leads[0] === leads[1]) return undefined;
    return leads[0] ? ([one, two] as const) : ([two, one] as const);
  });
};

export type Lease = {
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseTransitions?: number;
    readonly renewTime?: string;
  };
};

export const leaseOf = (cluster: Cluster): Promise<Lease> =>
  cluster.admin.get(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${controllerName}`);
