/** etcd, API server, controllers and scheduler of one cluster, as an installer would set them up, on this machine. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Estate } from '../machine/estate.ts';
import type { Binaries } from './binaries.ts';
import { type Client, clientFor } from '../cluster/client.ts';
import { kubeconfig } from './kubeconfig.ts';
import type { ClusterNetwork } from './network.ts';
import { type Authority, makeAuthority, makeTokenKey } from './pki.ts';
import { type ControlPlaneProcess, controlPlaneProcess } from './process.ts';

export type ControlPlane = {
  readonly authority: Authority;
  readonly server: string;
  /** Group `system:masters`. */
  readonly admin: Client;
  /** The path of the admin's kubeconfig. */
  readonly adminFile: string;
  readonly auditFile: string;
  readonly etcd: ControlPlaneProcess;
  readonly apiserver: ControlPlaneProcess;
  readonly controllers: ControlPlaneProcess;
  readonly scheduler: ControlPlaneProcess;
};

const auditPolicy = `${JSON.stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
})}\n`;

export type ControlPlaneOptions = {
  readonly apiserver?: readonly string[];
  readonly controllers?: readonly string[];
};

/** Writes all files and starts nothing. */
export const makeControlPlane = async (
  estate: Estate,
  network: ClusterNetwork,
  binaries: Binaries,
  options: ControlPlaneOptions,
): Promise<ControlPlane> => {
  const folder = join(estate.dir, 'pki');
  await mkdir(folder);
  const place = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const server = `https://${network.address}:6443`;
  const authority = makeAuthority('kubernetes');
  const ca = await place('ca.crt', authority.certificate);
  const caKey = await place('ca.key', authority.key);
  // No front proxy runs here, but controllers log an error every few seconds without this CA.
  const proxies = await place('front-proxy-ca.crt', makeAuthority('front-proxy-ca').certificate);
  const tokens = makeTokenKey();
  const tokenKey = await place('sa.key', tokens.key);
  const tokenCheck = await place('sa.pub', tokens.publicKey);
  const masters = { organizations: ['system:masters'] };

  const identity = async (commonName: string, file: string): Promise<string> =>
    place(file, kubeconfig(server, authority.certificate, authority.issue({ commonName })));
  const serving = authority.issue({
    commonName: 'kube-apiserver',
    servedAs: [
      network.address,
      network.serviceAddress,
      '127.0.0.1',
      'localhost',
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
    ],
  });
  const toKubelets = authority.issue({ commonName: 'kube-apiserver-kubelet-client', ...masters });
  const adminCertificate = authority.issue({ commonName: 'kubernetes-admin', ...masters });
  const admin = clientFor(server, authority.certificate, adminCertificate);
  const adminFile = await place('admin.conf', kubeconfig(server, authority.certificate, adminCertificate));

  const auditFile = join(estate.dir, 'audit.log');

  const etcdUrl = `http://${network.loopback}:2379`;
  const etcd = controlPlaneProcess({
    name: 'etcd',
    estate,
    argv: [
      binaries.path('etcd'),
      `--data-dir=${join(estate.dir, 'etcd')}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=http://${network.loopback}:2380`,
      `--initial-advertise-peer-urls=http://${network.loopback}:2380`,
      `--initial-cluster=default=http://${network.loopback}:2380`,
      '--unsafe-no-fsync', // this cluster lives for minutes
      '--log-level=warn',
    ],
    isReady: async () => (await fetch(`${etcdUrl}/health`, { signal: AbortSignal.timeout(5_000) })).ok,
  });
  const apiserver = controlPlaneProcess({
    name: 'kube-apiserver',
    estate,
    argv: [
      binaries.path('kube-apiserver'),
      `--bind-address=${network.address}`,
      `--advertise-address=${network.address}`,
      '--secure-port=6443',
      `--etcd-servers=${etcdUrl}`,
      `--service-cluster-ip-range=${network.services}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged=true',
      `--client-ca-file=${ca}`,
      `--tls-cert-file=${await place('apiserver.crt', serving.certificate)}`,
      `--tls-private-key-file=${await place('apiserver.key', serving.key)}`,
      `--kubelet-client-certificate=${await place('kubelets.crt', toKubelets.certificate)}`,
      `--kubelet-client-key=${await place('kubelets.key', toKubelets.key)}`,
      '--kubelet-preferred-address-types=InternalIP',
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${tokenCheck}`,
      `--service-account-signing-key-file=${tokenKey}`,
      `--requestheader-client-ca-file=${proxies}`,
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      '--shutdown-watch-termination-grace-period=1s', // without it, a stop waits a minute for the watches of others
      `--audit-policy-file=${await place('audit.json', auditPolicy)}`,
      `--audit-log-path=${auditFile}`,
      ...(options.apiserver ?? []),
    ],
    isReady: async () => (await admin.request('GET', '/readyz', { timeoutMs: 5_000 })).status === 200,
  });
  const controllersFile = await identity('system:kube-controller-manager', 'controllers.conf');
  const controllers = controlPlaneProcess({
    name: 'kube-controller-manager',
    estate,
    argv: [
      binaries.path('kube-controller-manager'),
      `--bind-address=${network.loopback}`,
      `--kubeconfig=${controllersFile}`,
      `--authentication-kubeconfig=${controllersFile}`,
      `--authorization-kubeconfig=${controllersFile}`,
      '--leader-elect=false',
      '--use-service-account-credentials=true',
      `--root-ca-file=${ca}`,
      `--service-account-private-key-file=${tokenKey}`,
      `--cluster-signing-cert-file=${ca}`,
      `--cluster-signing-key-file=${caKey}`,
      ...(options.controllers ?? []),
    ],
    // It is ready when it has done its first work, without which no Pod is admitted.
    isReady: async () =>
      (await admin.request('GET', '/api/v1/namespaces/default/serviceaccounts/default')).status === 200,
  });
  const schedulerFile = await identity('system:kube-scheduler', 'scheduler.conf');
  const scheduler = controlPlaneProcess({
    name: 'kube-scheduler',
    estate,
    argv: [
      binaries.path('kube-scheduler'),
      `--bind-address=${network.loopback}`,
      `--kubeconfig=${schedulerFile}`,
      `--authentication-kubeconfig=${schedulerFile}`,
      `--authorization-kubeconfig=${schedulerFile}`,
      '--leader-elect=false',
    ],
    isReady: async () => true, // nothing waits for it but Pods, which do so by themselves
  });
  return { authority, server, admin, adminFile, auditFile, etcd, apiserver, controllers, scheduler };
};
