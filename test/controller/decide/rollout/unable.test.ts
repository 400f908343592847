import t from 'tap';
import { unableBy } from '../../../../controller/decide/rollout/unable.ts';

const linux = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };

t.test('a node that can run rcm-node is not listed as unable', async (t) => {
  for (const labels of [
    {},
    linux,
    { ...linux, 'kubernetes.io/arch': 'arm64', type: 'gpu', virtualization: 'kvm' },
    { ...linux, 'eks.amazonaws.com/compute-type': 'ec2' },
    { ...linux, 'eks.amazonaws.com/compute-type': 'hybrid' },
    { ...linux, 'node.kubernetes.io/instance-type': 'S5.MEDIUM4', 'rcm.spinkube.dev/bootstrap': 'yes' },
  ])
    t.equal(unableBy(labels), undefined, JSON.stringify(labels));
});

t.test(
  'another system, another architecture, a virtual node, and a node that a person left out are unable',
  async (t) => {
    for (const [key, value] of [
      ['kubernetes.io/os', 'windows'],
      ['kubernetes.io/arch', 's390x'],
      ['type', 'virtual-kubelet'],
      ['type', 'kwok'],
      ['liqo.io/type', 'virtual-node'],
      ['virtualization', 'virtualnode2'],
      ['node.kubernetes.io/instance-type', 'eklet'],
      ['vcluster.loft.sh/fake-node', 'true'],
      ['eks.amazonaws.com/compute-type', 'fargate'],
      ['eks.amazonaws.com/compute-type', 'auto'],
      ['rcm.spinkube.dev/bootstrap', 'skip'],
    ] as const)
      t.equal(unableBy({ ...linux, [key]: value }), `${key}=${value}`);
  },
);
