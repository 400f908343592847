/** What the manifests promise, and that the one rendered file says the same as the kustomization. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { render } from '../../packaging/manifests.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'bootstrap');
const text = readFileSync(join(folder, 'bootstrap.yaml'), 'utf8');

type Container = {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly securityContext: {
    readonly privileged?: boolean;
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: object;
  };
  readonly volumeMounts?: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
};

type PodSpec = {
  readonly hostPID?: boolean;
  readonly hostNetwork?: boolean;
  readonly hostIPC?: boolean;
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: { readonly seccompProfile: object };
  readonly tolerations: readonly object[];
  readonly nodeSelector: object;
  readonly priorityClassName: string;
  readonly initContainers: readonly [Container];
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
};

/** The fields of any object that these tests look at. */
type Resource = {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: { readonly template: { readonly spec: PodSpec } };
  readonly automountServiceAccountToken?: boolean;
  readonly rules?: readonly object[];
  readonly subjects?: readonly object[];
};

const objectsOf = (yaml: string): readonly Resource[] =>
  parseAllDocuments(yaml)
    .map((one) => one.toJS() as Resource | null)
    .filter((one) => one !== null)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
const nameOf = ({ kind, metadata }: Resource): string =>
  `${kind} ${metadata.namespace ?? ''} ${metadata.name}`;

const objects = objectsOf(text);
const one = (kind: string): Resource => {
  const found = objects.find((object) => object.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind}`);
  return found;
};
const pod = () => one('DaemonSet').spec.template.spec;

t.test('the rendered file is in step: node packaging/manifests.ts writes it', async (t) => {
  t.equal(text, render(folder));
});

const kubectl = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
const missing = kubectl.error === undefined ? false : 'kubectl is not installed';

t.test('kubectl makes the same of the kustomization', { skip: missing }, async (t) => {
  t.equal(kubectl.status, 0, kubectl.stderr);
  t.same(objectsOf(kubectl.stdout), objects);
});

t.test('the second kustomization is the same DaemonSet, which uninstalls', { skip: missing }, async (t) => {
  const { stdout, stderr, status } = spawnSync('kubectl', ['kustomize', join(folder, 'uninstall')], {
    encoding: 'utf8',
  });
  t.equal(status, 0, stderr);
  const [other] = objectsOf(stdout).filter(({ kind }) => kind === 'DaemonSet');
  t.same(other?.spec.template.spec.initContainers[0].args, ['bootstrap', '--uninstall']);
  t.equal(other?.metadata.name, one('DaemonSet').metadata.name);
});

t.test('no container is privileged, has a capability, a token, or a namespace of the host', async (t) => {
  const spec = pod();
  for (const key of ['hostPID', 'hostNetwork', 'hostIPC'] as const) t.notOk(spec[key], key);
  t.equal(spec.automountServiceAccountToken, false);
  t.equal(one('ServiceAccount').automountServiceAccountToken, false);
  t.same(spec.securityContext.seccompProfile, { type: 'RuntimeDefault' });
  for (const { name, securityContext } of [...spec.initContainers, ...spec.containers]) {
    t.notOk(securityContext.privileged, name);
    t.equal(securityContext.allowPrivilegeEscalation, false, name);
    t.equal(securityContext.readOnlyRootFilesystem, true, name);
    t.same(securityContext.capabilities, { drop: ['ALL'] }, name);
  }
});

t.test('the folders of the host are the few that bootstrap writes, and two that it reads', async (t) => {
  const spec = pod();
  const paths = new Map(spec.volumes.map(({ name, hostPath }) => [name, hostPath?.path]));
  const mounts = spec.initContainers[0].volumeMounts ?? [];
  const writable = mounts.filter(({ readOnly }) => !readOnly).map(({ name }) => paths.get(name));
  const readable = mounts.filter(({ readOnly }) => readOnly).map(({ name }) => paths.get(name));
  t.same(writable, ['/opt/rcm-node', '/etc/rcm-node', '/etc/systemd/system']);
  t.same(readable, ['/run/rcm-node', '/run/dbus', undefined], 'and the ConfigMap');
  for (const { name, mountPath } of mounts)
    if (paths.get(name) !== undefined)
      t.equal(mountPath, `/host${paths.get(name)}`, 'below --host as on the host');
  t.notOk(spec.containers[0].volumeMounts, 'what stays sees nothing of the host');
});

t.test('it goes to every node that it is made for', async (t) => {
  const spec = pod();
  t.same(spec.tolerations, [{ operator: 'Exists' }]);
  t.same(spec.nodeSelector, { 'kubernetes.io/os': 'linux' });
  t.equal(spec.priorityClassName, 'system-node-critical');
});

t.test('the extra rights are to read Shims', async (t) => {
  const roles = objects.filter(({ kind }) => /Role$/.test(kind));
  t.same(
    roles.map(({ kind, rules }) => ({ kind, rules })),
    [
      {
        kind: 'ClusterRole',
        rules: [
          { apiGroups: ['runtime.spinkube.dev'], resources: ['shims'], verbs: ['get', 'list', 'watch'] },
        ],
      },
    ],
  );
  const [binding] = objects.filter(({ kind }) => /RoleBinding$/.test(kind));
  t.match(binding?.subjects, [{ kind: 'Group', name: 'system:nodes' }]);
});

t.test('the image is of this version', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  t.equal(pod().initContainers[0].image, `rcm-node:${version}`);
});
