/** A test node that joins a cluster, and stays a test node: `host` has all that other node tests use. */
import { bootNode, type NodeOptions } from '../node/node.ts';
import { importImage, type OciImage } from '../artifacts/oci.ts';
import type { Binaries } from '../kubernetes/binaries.ts';
import { type Client, clientFor } from './client.ts';
import type { ControlPlane } from '../kubernetes/control-plane.ts';
import { kubeletKubeconfig } from '../kubernetes/kubeconfig.ts';
import {
  currentCertificate,
  kubeletFiles,
  kubeletProgram,
  pkiFolder,
  setUpFiles,
} from '../kubernetes/kubelet.ts';
import type { ClusterNetwork } from '../kubernetes/network.ts';
import type { TestNode } from '../node/test-node.ts';
import type { Certificate } from '../kubernetes/pki.ts';

/** What tests read of a Node. */
export type NodeObject = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly unschedulable?: boolean };
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly message: string;
    }[];
    readonly nodeInfo: {
      readonly containerRuntimeVersion: string;
      readonly kubeletVersion: string;
      readonly machineID: string;
      readonly bootID: string;
    };
    readonly runtimeHandlers?: readonly { readonly name: string }[];
  };
};

/** Brings a node into the cluster in the place of the testbed: `files` are there before its first boot, and `join` runs after it. */
export type Installer = {
  files(node: {
    readonly name: string;
    readonly address: string;
    readonly labels: Readonly<Record<string, string>>;
  }): Readonly<Record<string, string>>;
  readonly binds: NonNullable<NodeOptions['binds']>;
  join(host: TestNode): Promise<void>;
};

export type JoinOptions = Pick<NodeOptions, 'suite' | 'binds' | 'files' | 'progress'> & {
  /** Of the Node object; the machine has another hostname, as on many clouds. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly installer?: Installer;
  /** Boots another node than Debian's: that of kind. */
  readonly boot?: (options: NodeOptions) => Promise<TestNode>;
};

export type ClusterNode = {
  readonly name: string;
  readonly address: string;
  readonly host: TestNode;
  /** The API server, as this node. */
  readonly client: Client;
  /** The Node object as it is now. */
  object(): Promise<NodeObject>;
  /** Whether the control plane calls it Ready. */
  isReady(): Promise<boolean>;
  importImage(image: OciImage): Promise<string>;
  /** Puts another certificate in the place of the kubelet's, as it does itself: a new file, then the link. */
  installCertificate(certificate: Certificate): Promise<void>;
};

export type CertificateLife = { readonly notBefore?: Date; readonly notAfter?: Date };

export const mintNodeCertificate = (
  plane: ControlPlane,
  name: string,
  life: CertificateLife = {},
): Certificate =>
  plane.authority.issue({ commonName: `system:node:${name}`, organizations: ['system:nodes'], ...life });

const isReady = ({ status }: NodeObject): boolean =>
  status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');

export const joinNode = async (
  plane: ControlPlane,
  network: ClusterNetwork,
  binaries: Binaries,
  number: number,
  options: JoinOptions,
): Promise<ClusterNode> => {
  const name = options.name ?? `${options.suite}-${number}`;
  const { address } = network.node(number);
  const ca = plane.authority.certificate;
  const { installer, labels = {}, boot = bootNode } = options;
  const settings = { name, number, labels, network, ca };
  const host = await boot({
    suite: options.suite,
    ...(options.progress ? { progress: options.progress } : {}),
    bridge: network.bridge,
    binds: {
      [kubeletProgram]: { from: binaries.path('kubelet'), readOnly: true },
      ...installer?.binds,
      ...options.binds,
    },
    files: {
      ...(installer === undefined
        ? kubeletFiles({ ...settings, kubeconfig: kubeletKubeconfig(plane.server, ca, currentCertificate) })
        : { ...setUpFiles(network, number), ...installer.files({ name, address, labels }) }),
      ...options.files,
    },
  });
  let certificates = 0;
  const installCertificate: ClusterNode['installCertificate'] = async ({ certificate, key }) => {
    certificates += 1;
    const file = `kubelet-client-${certificates}.pem`;
    await host.writeFile(`${pkiFolder}/${file}`, certificate + key, 0o600);
    await host.run(['ln', '-sfn', file, `${currentCertificate}.new`]);
    await host.run(['mv', '-fT', `${currentCertificate}.new`, currentCertificate]);
  };
  const first = mintNodeCertificate(plane, name);
  const object = (): Promise<NodeObject> => plane.admin.get<NodeObject>(`/api/v1/nodes/${name}`);
  const node: ClusterNode = {
    name,
    address,
    host,
    client: clientFor(plane.server, ca, first),
    object,
    isReady: async () => isReady(await object()),
    importImage: (image) => importImage(host, image),
    installCertificate,
  };
  await network.routePods(number);
  if (installer === undefined) {
    await installCertificate(first);
    await host.run(['systemctl', 'start', 'kubelet']);
  } else await installer.join(host);
  return node;
};
