/**
 * A whole Kubernetes around test nodes: the control plane runs on this machine, each node is a booted Debian with its
 * own kubelet. All of it goes away with `stop`, and with the process however that ends.
 */
import { readFileSync } from 'node:fs';
import type { Test } from 'tap';
import { attempt, type CommandOptions, type Progress, type Said } from '../machine/command.ts';
import {
  claim,
  type Estate,
  estateOf,
  forget,
  freshCgroups,
  raze,
  razeAtExit,
  razeLeftovers,
} from '../machine/estate.ts';
import { prepareMachine } from '../machine/machine.ts';
import type { OciImage } from '../artifacts/oci.ts';
import { apiserverOf, type Binaries, kubernetesBinaries } from '../kubernetes/binaries.ts';
import { type Client, clientFor, type Identity } from './client.ts';
import { type ControlPlaneOptions, makeControlPlane } from '../kubernetes/control-plane.ts';
import {
  type CertificateLife,
  type ClusterNode,
  type JoinOptions,
  joinNode,
  mintNodeCertificate,
} from './join.ts';
import { clusterLogs } from './logs.ts';
import { makeNetwork } from '../kubernetes/network.ts';
import type { Authority, Certificate } from '../kubernetes/pki.ts';
import { type ControlPlaneProcess, controlPlaneProcess, type ProcessOptions } from '../kubernetes/process.ts';
import { serveServiceAddress } from '../kubernetes/service-address.ts';
import { type UntilOptions, until } from '../kubernetes/until.ts';

export type ClusterOptions = ControlPlaneOptions & {
  readonly progress?: Progress;
  /** The version of the API server alone, where it is another one: v1.28.15, say. Then no controller and no scheduler runs. */
  readonly version?: string;
};

/** One line of the API server's audit log. */
export type AuditEvent = {
  /** `ResponseStarted` of a watch alone; `ResponseComplete` of everything that was answered. */
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly userAgent?: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code: number };
  readonly requestReceivedTimestamp: string;
};

export type Cluster = {
  /** Where nodes, Pods and this machine reach the API server. */
  readonly server: string;
  readonly authority: Authority;
  /** Path of the admin's kubeconfig. */
  readonly kubeconfig: string;
  /** The API server as `system:masters`. */
  readonly admin: Client;
  /** The API server as another user. */
  as(identity: Identity): Client;
  readonly etcd: ControlPlaneProcess;
  readonly apiserver: ControlPlaneProcess;
  readonly controllers: ControlPlaneProcess;
  readonly scheduler: ControlPlaneProcess;
  /** Another program beside the nodes, not yet started; it ends with the cluster. */
  program(options: Omit<ProcessOptions, 'estate'>): ControlPlaneProcess;
  /** The path of one of Kubernetes' own programs. */
  binary(name: 'kubectl'): string;
  readonly nodes: readonly ClusterNode[];
  /** Boots a node and returns when it is Ready. */
  joinNode(options: JoinOptions): Promise<ClusterNode>;
  /** Shuts it down and deletes its Node. */
  removeNode(node: ClusterNode): Promise<void>;
  mintNodeCertificate(node: string, life?: CertificateLife): Certificate;
  /** Into every node there is by now; returns the name for a Pod's `image`. */
  importImage(image: OciImage): Promise<string>;
  /** As the admin; anything but exit code 0 is an error. Returns stdout. */
  kubectl(
    argv: readonly string[],
    options?: Pick<CommandOptions, 'input' | 'cwd' | 'timeoutMs'>,
  ): Promise<string>;
  /** As the admin; returns whatever came of it. */
  tryKubectl(
    argv: readonly string[],
    options?: Pick<CommandOptions, 'input' | 'cwd' | 'timeoutMs'>,
  ): Promise<Said>;
  /** `kubectl apply` of YAML or JSON text. */
  apply(text: string): Promise<string>;
  /** Asks until the answer is neither undefined nor false; the error tells how the cluster looked. */
  waitFor<T>(what: string, probe: () => Promise<T | undefined | false>, options?: UntilOptions): Promise<T>;
  /** What the API server was asked so far. */
  audit(): readonly AuditEvent[];
  /** The file of the audit log, for a test that reads it in parts. */
  readonly auditFile: string;
  /** Nodes, Pods, events, and what each part said last. */
  logs(): Promise<string>;
  stop(): Promise<void>;
};

let started = 0;

/** An API server with etcd, controllers and scheduler; nodes join later. */
export const startCluster = async (options: ClusterOptions = {}): Promise<Cluster> => {
  const progress = options.progress ?? (() => undefined);
  await prepareMachine(progress);
  const { version } = options;
  const current = await kubernetesBinaries(progress);
  const older = version === undefined ? undefined : await apiserverOf(version, progress);
  const binaries: Binaries = {
    path: (program) => (program === 'kube-apiserver' ? older : undefined) ?? current.path(program),
  };
  for (const left of razeLeftovers()) progress(`removed ${left}, left behind by a killed run`);
  started += 1;
  const name = `cluster-${process.pid}-${started}`;
  const estate: Estate = estateOf(name);
  razeAtExit(name);
  claim(estate);
  freshCgroups(estate);
  const network = await makeNetwork(estate, `rcm${process.pid.toString(36)}-${started}`);
  const plane = await makeControlPlane(estate, network, binaries, options);
  const services = await serveServiceAddress(network);
  const { admin, etcd, apiserver, controllers, scheduler } = plane;
  await etcd.start();
  await apiserver.start();
  // Those of a newer version cannot work with an older API server.
  if (older === undefined) await Promise.all([controllers.start(), scheduler.start()]);

  const nodes: ClusterNode[] = [];
  const programs: ControlPlaneProcess[] = [etcd, apiserver, controllers, scheduler];
  let numbers = 0;
  const tryKubectl: Cluster['tryKubectl'] = (argv, given) =>
    attempt([binaries.path('kubectl'), ...argv], {
      timeoutMs: 120_000,
      ...given,
      cleanEnv: true,
      env: { KUBECONFIG: plane.adminFile, HOME: estate.dir, PATH: process.env.PATH ?? '' },
    });
  const kubectl: Cluster['kubectl'] = async (argv, given) => {
    const said = await tryKubectl(argv, given);
    if (said.code !== 0) throw new Error(`kubectl ${argv.join(' ')} ended with ${said.code}: ${said.stderr}`);
    return said.stdout;
  };
  const logs = (): Promise<string> => clusterLogs(tryKubectl, programs, nodes);
  return {
    ...{ server: plane.server, authority: plane.authority, kubeconfig: plane.adminFile, admin },
    ...{ etcd, apiserver, controllers, scheduler, nodes, kubectl, tryKubectl, logs },
    as: (identity) => clientFor(plane.server, plane.authority.certificate, identity),
    program: (program) => {
      programs.push(controlPlaneProcess({ ...program, estate }));
      return programs.at(-1)!;
    },
    binary: (name) => binaries.path(name),
    joinNode: async (joining) => {
      numbers += 1;
      const node = await joinNode(plane, network, binaries, numbers, { progress, ...joining });
      nodes.push(node);
      await until(`node ${node.name} is Ready`, node.isReady, { explain: logs });
      return node;
    },
    removeNode: async (node) => {
      nodes.splice(nodes.indexOf(node), 1);
      await node.host.stop();
      await kubectl(['delete', 'node', node.name]);
    },
    mintNodeCertificate: (node, life) => mintNodeCertificate(plane, node, life),
    importImage: async (image) => {
      for (const node of nodes) await node.importImage(image);
      return image.name;
    },
    apply: (text) => kubectl(['apply', '-f', '-'], { input: text }),
    waitFor: (what, probe, given) => until(what, probe, { explain: logs, ...given }),
    audit: () =>
      readFileSync(plane.auditFile, 'utf8')
        .split('\n')
        .filter((line) => line.endsWith('}')) // the last one may be half written
        .map((line) => JSON.parse(line) as AuditEvent),
    auditFile: plane.auditFile,
    stop: async () => {
      await Promise.all(nodes.map(({ host }) => host.stop()));
      services.close();
      raze(name);
      forget(name);
    },
  };
};

/** The same for a test: it ends with the test, and when that failed its logs are shown first. */
export const clusterFor = async (t: Test, options: ClusterOptions = {}): Promise<Cluster> => {
  const cluster = await startCluster({ progress: (line) => t.comment(line), ...options });
  t.teardown(async () => {
    if (!t.passing()) t.comment(await cluster.logs());
    await cluster.stop();
  });
  return cluster;
};
