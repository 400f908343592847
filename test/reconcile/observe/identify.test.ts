import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { identify } from '../../../daemon/reconcile/observe/identify.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

/** A tree with these files; a path that ends in "/" is a folder. */
const tree = (t: Test, files: Readonly<Record<string, string>>) => {
  const root = makeRoot(t);
  const node = openNode(root, { version: '2.1.4' });
  for (const [path, text] of Object.entries(files))
    if (path.endsWith('/')) mkdirSync(join(root, path), { recursive: true });
    else node.write(path, text);
  const { host } = bareRoot(root);
  return {
    root,
    who: async (unit?: string): Promise<unknown> => {
      try {
        return (await identify(host, { unit })).distro?.name;
      } catch (error) {
        return problemOf(error);
      }
    },
  };
};

const unit = (name: string) => ({ [`/etc/systemd/system/${name}.service`]: '[Service]\n' });
const release = (text: string) => ({ '/etc/os-release': text });
const flags = { '/var/lib/kubelet/kubeadm-flags.env': '' };
const snap = (confinement: string) => ({
  ...unit('snap.microk8s.daemon-containerd'),
  '/snap/microk8s/current/meta/snap.yaml': `name: microk8s\nconfinement: ${confinement}\n`,
});

for (const [name, files] of [
  [undefined, {}],
  [undefined, release('ID=debian\n')],
  ['kubeadm', flags],
  ['kind', { ...flags, '/kind/version': 'v1.36.0' }],
  ['minikube', { ...flags, '/var/lib/minikube/binaries/': '' }],
  ['k3s', { ...unit('k3s-agent'), '/var/lib/rancher/k3s/agent/': '' }],
  ['k3s', { ...unit('k3s-edge'), '/var/lib/rancher/k3s/agent/': '', ...release('ID=flatcar\n') }],
  ['RKE2', { '/usr/local/lib/systemd/system/rke2-agent.service': '', '/var/lib/rancher/rke2/agent/': '' }],
  ['k0s', { ...unit('k0sworker'), '/var/lib/k0s/': '' }],
  ['MicroK8s', snap('classic')],
  ['kops', { ...unit('kops-configuration'), ...release('ID=debian\n') }],
  ['kubespray', { ...flags, '/etc/kubernetes/kubelet.env': '' }],
  ['AKS', { '/opt/azure/containers/': '' }],
  ['EKS on Amazon Linux 2023', { ...unit('nodeadm-run'), ...release('ID="amzn"\nVERSION_ID="2023"\n') }],
  ['GKE on Ubuntu', { '/home/kubernetes/bin/': '', ...release('ID=ubuntu\n') }],
  ['OpenShift', { '/etc/machine-config-daemon/currentconfig': '{}', ...release('ID="rhcos"\n') }],
  ['Flatcar', { ...flags, ...release('ID=flatcar\n') }],
  ['Fedora CoreOS', release('ID=fedora\nVARIANT_ID=coreos\n')],
  [undefined, release('ID=fedora\nVARIANT_ID=server\n')],
  [undefined, unit('k3s-backup')],
  [undefined, { '/var/lib/rancher/k3s/agent/': '' }],
] as const)
  t.test(
    `${name ?? 'a plain host'} is recognised by ${Object.keys(files).join(' and ') || 'nothing'}`,
    async (t) => {
      t.equal(await tree(t, files).who(), name);
    },
  );

for (const [name, files] of [
  ['Talos Linux', release('ID=talos\n')],
  ['Bottlerocket', release('ID=bottlerocket\n')],
  ['Container-Optimized OS', { ...release('ID=cos\n'), '/home/kubernetes/bin/': '' }],
  ['MicroK8s with strict confinement', snap('strict')],
] as const)
  t.test(`${name} is refused with the reason and the way out`, async (t) => {
    t.match(await tree(t, files).who(), {
      code: 'unsupported-host',
      message: `this is ${name}: `,
      hint: /\.$/,
    });
  });

t.test('a container in which k3s is process 1 counts as k3d', async (t) => {
  const { root, who } = tree(t, {});
  mkdirSync(join(root, 'proc/1'), { recursive: true });
  symlinkSync('/bin/k3s', join(root, 'proc/1/exe'));
  t.match(await who(), { code: 'unsupported-host', message: /k3d/ });
});

t.test('traces of two distributions are refused, and the unit that a person names decides', async (t) => {
  const both = tree(t, {
    ...unit('k3s'),
    '/var/lib/rancher/k3s/agent/': '',
    ...unit('rke2-server'),
    '/var/lib/rancher/rke2/agent/': '',
  });
  t.match(await both.who(), { code: 'unsupported-host', message: /k3s and RKE2/ });
  t.equal(await both.who('rke2-server.service'), 'RKE2');
});

t.test('files that another user can have made are no evidence', async (t) => {
  const { root, who } = tree(t, {
    ...unit('k3s'),
    '/var/lib/rancher/k3s/agent/': '',
    ...release('ID=talos\n'),
  });
  chmodSync(join(root, 'var/lib/rancher'), 0o777);
  chmodSync(join(root, 'etc/os-release'), 0o666);
  t.equal(await who(), undefined);
  chmodSync(join(root, 'etc/systemd/system'), 0o777);
  t.equal(await who(), undefined);
});

t.test('unreadable evidence is not absent: nothing is known of this host', async (t) => {
  for (const [file, files] of [
    ['/snap/microk8s/current/meta/snap.yaml', snap('strict')],
    ['/etc/os-release', { ...release('ID=cos\n'), '/usr/lib/os-release': 'ID=debian\n' }],
  ] as const) {
    const { root } = tree(t, files);
    const { host } = bareRoot(root);
    const broken: typeof host.files = {
      ...host.files,
      lookTrusted: async (path) =>
        path === file ? { kind: 'unreadable', why: 'EIO', errno: 'EIO' } : host.files.lookTrusted(path),
    };
    const problem = await identify({ ...host, files: broken }, { unit: undefined }).catch(problemOf);
    t.match(problem, { code: 'unreadable-source', where: { file } });
  }
});
