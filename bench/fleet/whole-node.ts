/** A Node as a provider's machines have them, with what rcm-node wrote on it: what a controller receives for each of thousands. */
import { annotations, servedPrefix } from '../../protocol/node-annotations.ts';
import { version } from '../../protocol/version.ts';
import { nodeObject, runtimeHandlers, saysHandlers } from '../rollout/node-object.ts';

type Served = { readonly shim: string; readonly revision: string; readonly waits?: true };

/** What the agent of a node writes of one Shim: that it serves a revision, or waits for an approval of it. */
export const saidOf = (at: number, one?: Served) => {
  const entry = one && {
    n: one.shim,
    a: one.revision,
    ...(one.waits ? { s: 'pending', w: one.revision, p: 'rollout-pending' } : served(one.revision)),
  };
  return {
    [annotations.agent]: version,
    [annotations.applied]: '0123456789abcdef'.repeat(2),
    [annotations.desired]: '0123456789abcdef'.repeat(2),
    [annotations.reason]: one?.waits ? 'RolloutPending' : 'Converged',
    [annotations.state]: one?.waits ? 'Waiting' : 'Ready',
    [annotations.status]: JSON.stringify({
      v: 1,
      agent: version,
      runtime: 'containerd 2.1.5',
      identity: 'kubelet',
      since: new Date(Date.UTC(2027, 0, 15) + at * 1000).toISOString(),
      ...machineOf(at),
      shims: one && entry ? { [one.shim]: entry } : {},
    }),
  };
};

const served = (revision: string) => ({ s: 'served', r: revision, d: '0123456789ab', y: '0123456789ab' });

/** No two machines have these in common. */
const machineOf = (at: number) => {
  const digits = at.toString(16).padStart(8, '0');
  return { machine: digits.repeat(4), boot: `${digits}-89ab-4def-8123-0123${digits}` };
};

/** The labels of a managed node group; the zones go round. */
const labelsOf = (name: string, at: number) => {
  const zone = `eu-central-1${'abc'[at % 3]}`;
  return {
    'beta.kubernetes.io/arch': 'amd64',
    'beta.kubernetes.io/instance-type': 'm6i.4xlarge',
    'beta.kubernetes.io/os': 'linux',
    'eks.amazonaws.com/capacityType': 'ON_DEMAND',
    'eks.amazonaws.com/nodegroup': `workers-${zone}`,
    'eks.amazonaws.com/nodegroup-image': 'ami-0123456789abcdef0',
    'eks.amazonaws.com/sourceLaunchTemplateId': 'lt-0123456789abcdef0',
    'eks.amazonaws.com/sourceLaunchTemplateVersion': '12',
    'failure-domain.beta.kubernetes.io/region': 'eu-central-1',
    'failure-domain.beta.kubernetes.io/zone': zone,
    'k8s.io/cloud-provider-aws': '0123456789abcdef0123456789abcdef',
    'kubernetes.io/arch': 'amd64',
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'node.kubernetes.io/instance-type': 'm6i.4xlarge',
    'topology.ebs.csi.aws.com/zone': zone,
    'topology.k8s.aws/zone-id': `euc1-az${(at % 3) + 1}`,
    'topology.kubernetes.io/region': 'eu-central-1',
    'topology.kubernetes.io/zone': zone,
  };
};

type Bare = { readonly metadata: object; readonly status: { readonly nodeInfo: object } };

export const wholeNode = (name: string, at: number, one?: Served): object => {
  const bare = nodeObject(name, at) as Bare;
  const { machine, boot } = machineOf(at);
  return {
    ...bare,
    metadata: {
      ...bare.metadata,
      labels: {
        ...labelsOf(name, at),
        ...(one && !one.waits ? { [`${servedPrefix}${one.shim}`]: 'served' } : {}),
      },
      annotations: {
        'csi.volume.kubernetes.io/nodeid': `{"ebs.csi.aws.com":"i-${at.toString(16).padStart(17, '0')}"}`,
        'node.alpha.kubernetes.io/ttl': '300',
        'volumes.kubernetes.io/controller-managed-attach-detach': 'true',
        ...saidOf(at, one),
      },
    },
    spec: { providerID: `aws:///eu-central-1a/i-${at.toString(16).padStart(17, '0')}` },
    status: {
      ...bare.status,
      ...(saysHandlers(at) && one ? { runtimeHandlers: runtimeHandlers([one.shim]) } : {}),
      nodeInfo: { ...bare.status.nodeInfo, machineID: machine, bootID: boot },
    },
  };
};
