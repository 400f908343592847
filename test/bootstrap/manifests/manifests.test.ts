/** What the manifests promise, and that the one rendered file says the same as the kustomization. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import t from 'tap';
import { unable } from '../../../controller/decide/rollout/unable.ts';
import { awayKey } from '../../../controller/model/keys.ts';
import { render } from '../../../packaging/manifests.ts';
import { imagesOf, objectOf, objectsOf, type Resource } from './objects.ts';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, 'bootstrap');
const text = readFileSync(join(folder, 'bootstrap.yaml'), 'utf8');

const objects = objectsOf(text);
const one = (kind: string, name: string): Resource => objectOf(objects, kind, name);
const pod = () => one('DaemonSet', 'rcm-node-bootstrap').spec.template.spec;

t.test('the rendered file is in step: node packaging/manifests.ts writes it', async (t) => {
  t.equal(text, render(folder));
});

const missing =
  spawnSync('kubectl', ['version', '--client']).error === undefined ? false : 'kubectl is not installed';

/** By folder: kubectl takes a second for each, and nothing here changes them. */
const rendered = new Map<string, string>();
const kustomized = (name: string): readonly Resource[] => {
  const text = rendered.get(name) ?? kubectlKustomize(name);
  if (!name.startsWith('/')) rendered.set(name, text);
  return objectsOf(text);
};
const kubectlKustomize = (name: string): string => {
  const { stdout, stderr, status } = spawnSync('kubectl', ['kustomize', resolve(folder, name)], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${name}: ${stderr}`);
  return stdout;
};
const argumentsIn = (all: readonly Resource[]) =>
  objectOf(all, 'DaemonSet', 'rcm-node-bootstrap').spec.template.spec.initContainers?.[0].args;
const isOfController = ({ metadata }: Resource): boolean => /^rcm-node-controller/.test(metadata.name);

t.test('kubectl renders the kustomization to the same text', { skip: missing }, async (t) => {
  t.same(kustomized('.'), objects);
});

t.test('the nodes can be installed without the controller', { skip: missing }, async (t) => {
  // No controller writes a status there, so tools that read it must not wait for one.
  const awaited = /"default":\{"observedGeneration":0\},/;
  const [all, nodes] = [objects.filter((object) => !isOfController(object)), kustomized('nodes')];
  t.match(JSON.stringify(all), awaited);
  t.same(nodes, JSON.parse(JSON.stringify(all).replace(awaited, '')));
  t.same(kustomized('controller'), objects.filter(isOfController), 'and it without them');
});

t.test(
  'the uninstalling kustomization is the same DaemonSet with another command',
  { skip: missing },
  async (t) => {
    const other = kustomized('uninstall');
    t.same(argumentsIn(other), ['bootstrap', '--uninstall']);
    t.notOk(other.some(isOfController), 'whatever is there of the controller is left as it is');
    t.notOk(
      other.some(({ kind }) => kind === 'CustomResourceDefinition'),
      'and so are the Shims',
    );
  },
);

t.test(
  'with a token instead of the kubelet’s identity all else is the same',
  { skip: missing },
  async (t) => {
    const other = kustomized('serviceaccount');
    t.same(argumentsIn(other), ['bootstrap', '--token', '/identity/token']);
    t.same(
      objectOf(other, 'RoleBinding', 'rcm-node-controller-lease').subjects,
      [{ kind: 'ServiceAccount', name: 'rcm-node', namespace: 'rcm-node' }],
      'the Lease is for those who speak with it, too',
    );
    const same = ({ kind, metadata }: Resource) =>
      isOfController({ kind, metadata } as Resource) && metadata.name !== 'rcm-node-controller-lease';
    t.same(other.filter(same), objects.filter(same));
    const nodes = other.filter(({ subjects }) => JSON.stringify(subjects ?? '').includes('system:nodes'));
    t.same(nodes, [], 'and nodes themselves get no right');
  },
);

t.test(
  'the limits and permissions of a node’s token stay when the controller is removed',
  { skip: missing },
  async (t) => {
    const controllers = new Set(kustomized('controller').map(({ kind, metadata }) => kind + metadata.name));
    const left = kustomized('serviceaccount').filter(
      ({ kind, metadata }) => !controllers.has(kind + metadata.name),
    );
    type Policy = {
      readonly matchConstraints: { readonly resourceRules: readonly { readonly resources: string[] }[] };
      readonly matchConditions: readonly { readonly expression: string }[];
    };
    const limited = left
      .filter(({ kind }) => kind === 'ValidatingAdmissionPolicy')
      .map(({ spec }) => spec as unknown as Policy)
      .filter(({ matchConditions }) => matchConditions[0]?.expression.includes("check('act-as-agent')"))
      .flatMap(({ matchConstraints }) =>
        matchConstraints.resourceRules.flatMap(({ resources }) => resources),
      );
    const written = left
      .filter(
        ({ kind, metadata }) => kind === 'ClusterRole' && /^rcm-node-(agent|token)$/.test(metadata.name),
      )
      .flatMap(({ rules }) => rules as readonly { verbs: string[]; resources: string[] }[])
      .filter(({ verbs }) => verbs.some((verb) => !/^(get|list|watch|act-as-.*)$/.test(verb)))
      .flatMap(({ resources }) => resources);
    t.same([...written].sort(), ['events', 'nodes', 'serviceaccounts/token']);
    for (const one of written) t.ok(limited.includes(one), one);
  },
);

t.test('no container is privileged, has a capability, a token, or a namespace of the host', async (t) => {
  const spec = pod();
  for (const key of ['hostPID', 'hostNetwork', 'hostIPC'] as const) t.notOk(spec[key], key);
  t.equal(spec.automountServiceAccountToken, false);
  t.equal(one('ServiceAccount', 'rcm-node-bootstrap').automountServiceAccountToken, false);
  t.same(spec.securityContext.seccompProfile, { type: 'RuntimeDefault' });
  for (const { name, securityContext } of [...(spec.initContainers ?? []), ...spec.containers]) {
    t.notOk(securityContext.privileged, name);
    t.equal(securityContext.allowPrivilegeEscalation, false, name);
    t.equal(securityContext.readOnlyRootFilesystem, true, name);
    t.same(securityContext.capabilities, { drop: ['ALL'] }, name);
  }
});

t.test('bootstrap mounts only the folders that it writes, and three that it reads', async (t) => {
  const spec = pod();
  const paths = new Map(spec.volumes?.map(({ name, hostPath }) => [name, hostPath?.path]));
  const mounts = spec.initContainers?.[0].volumeMounts ?? [];
  const writable = mounts.filter(({ readOnly }) => !readOnly).map(({ name }) => paths.get(name));
  const readable = mounts.filter(({ readOnly }) => readOnly).map(({ name }) => paths.get(name));
  t.same(writable, ['/opt/rcm-node', '/etc/rcm-node', '/etc/systemd/system']);
  t.same(readable, ['/run/rcm-node', '/run/dbus', '/run/systemd', undefined], 'and the ConfigMap');
  for (const { name, mountPath } of mounts)
    if (paths.get(name) !== undefined)
      t.equal(mountPath, `/host${paths.get(name)}`, 'below --host as on the host');
  t.notOk(spec.containers[0].volumeMounts, 'what stays sees nothing of the host');
});

t.test('the DaemonSet runs on every supported node', async (t) => {
  const spec = pod();
  t.same(spec.tolerations, [{ operator: 'Exists' }]);
  t.same(spec.nodeSelector, { 'kubernetes.io/os': 'linux' });
  t.equal(spec.priorityClassName, 'system-node-critical');
});

t.test('a node may additionally read Shims and the Lease of the controller', async (t) => {
  const bound = objects.filter(({ subjects }) => JSON.stringify(subjects ?? '').includes('system:nodes'));
  const rules = bound.flatMap(({ roleRef, metadata }) => {
    const role = one(roleRef?.kind ?? '', roleRef?.name ?? '');
    t.equal(role.metadata.namespace, metadata.namespace);
    return role.rules ?? [];
  });
  t.same(rules, [
    { apiGroups: ['runtime.spinkube.dev'], resources: ['shims'], verbs: ['get', 'list', 'watch'] },
    {
      apiGroups: ['coordination.k8s.io'],
      resources: ['leases'],
      resourceNames: ['rcm-node-controller'],
      verbs: ['get'],
    },
  ]);
});

t.test('Knative needs one more argument and one ConfigMap', { skip: missing }, async (t) => {
  const own = join(t.testdir({ own: {} }), 'own');
  const [resources, component] = ['.', 'knative'].map((name) => relative(own, join(folder, name)));
  writeFileSync(
    join(own, 'kustomization.yaml'),
    `{resources: [${resources}], components: [${component}], images: [{name: rcm-node, newTag: "9"}]}\n`,
  );
  const other = kustomized(own);
  const [container] = objectOf(other, 'Deployment', 'rcm-node-controller').spec.template.spec.containers;
  t.same(container.args, ['controller', '--listen', ':8080', '--probes', ':8081', '--knative']);
  t.equal(container.image, 'rcm-node:9', 'the image is named once for all');
  const more = other.filter(({ metadata }) => metadata.name === 'rcm-node-controller-knative');
  t.same(more.map(({ kind }) => kind).sort(), [
    'ClusterRole',
    'ClusterRoleBinding',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
  ]);
  t.same(objectOf(more, 'ClusterRole', 'rcm-node-controller-knative').rules, [
    {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: ['config-features'],
      verbs: ['get', 'patch'],
    },
  ]);
  t.equal(other.length, objects.length + more.length);
});

t.test('no rule grants all verbs of a resource, or a Secret', async (t) => {
  const roles = (missing === false ? ['.', 'serviceaccount', 'policies', 'knative'] : [])
    .flatMap(kustomized)
    .concat(objects)
    .filter(({ kind }) => /Role$/.test(kind));
  t.ok(roles.length > 0);
  for (const { metadata, rules } of roles)
    t.notMatch(JSON.stringify(rules), /"\*"|secrets|impersonate|escalate|"bind"/, metadata.name);
});

t.test('the roles for people: reading goes with view, writing with admin and no less', async (t) => {
  const shims = { apiGroups: ['runtime.spinkube.dev'] };
  const aggregation = 'rbac.authorization.k8s.io/aggregate-to-';
  const found = (name: string) => {
    const { metadata, rules } = one('ClusterRole', name);
    const to = Object.keys(metadata.labels ?? {}).filter((key) => key.startsWith(aggregation));
    return { to: to.map((key) => key.slice(aggregation.length)), rules };
  };
  const read = ['get', 'list', 'watch'];
  t.same(found('rcm-node-shims-viewer'), {
    to: ['view'],
    rules: [{ ...shims, resources: ['shims', 'shims/status'], verbs: read }],
  });
  const write = ['create', 'update', 'patch', 'delete', 'deletecollection'];
  t.same(found('rcm-node-shims-editor'), {
    to: ['admin'],
    rules: [{ ...shims, resources: ['shims'], verbs: [...read, ...write] }],
  });
  const bound = objects.filter(({ roleRef }) => /^rcm-node-shims-(viewer|editor)$/.test(roleRef?.name ?? ''));
  t.same(bound, [], 'whom they are given to is for others to say');
});

t.test(
  'no image is named by a tag alone but our own, which each cluster names',
  { skip: missing },
  async (t) => {
    const named = imagesOf(['.', 'nodes', 'serviceaccount', 'uninstall'].flatMap(kustomized));
    t.ok(named.length > 0);
    for (const image of named) t.match(image, /^rcm-node:\d|@sha256:[0-9a-f]{64}$/);
  },
);

/** What one object says of others, by kind and name; `namespace` where it says that, too. */
type Reference = { readonly kind: string; readonly name: string; readonly namespace?: string };

type Referring = {
  readonly kind?: string;
  readonly apiGroup?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly serviceAccount?: Omit<Reference, 'kind'>;
  readonly serviceAccountName?: string;
  readonly policyName?: string;
  readonly paramRef?: Omit<Reference, 'kind'>;
  readonly configMap?: { readonly name: string; readonly optional?: boolean };
  readonly resources?: readonly string[] | object;
  readonly resourceNames?: readonly string[];
};

const referencesIn = (value: unknown): readonly Reference[] => {
  if (typeof value !== 'object' || value === null) return [];
  const { kind = '', name = '', ...rest }: Referring = value;
  const { apiGroup, namespace, serviceAccount, policyName, paramRef, configMap, resources } = rest;
  const account = (given: string, more: object = {}) => ({ kind: 'ServiceAccount', name: given, ...more });
  const isOfTokens = Array.isArray(resources) && resources.includes('serviceaccounts/token');
  return [
    ...(kind === 'ServiceAccount' && name ? [account(name, namespace ? { namespace } : {})] : []),
    ...(/^(Cluster)?Role$/.test(kind) && apiGroup ? [{ kind, name }] : []),
    ...(serviceAccount ? [account(serviceAccount.name, serviceAccount)] : []),
    ...(rest.serviceAccountName ? [account(rest.serviceAccountName)] : []),
    ...(policyName ? [{ kind: 'ValidatingAdmissionPolicy', name: policyName }] : []),
    ...(paramRef ? [{ ...paramRef, kind: 'ConfigMap' }] : []),
    ...(configMap?.optional === false ? [{ kind: 'ConfigMap', name: configMap.name }] : []),
    ...(isOfTokens ? (rest.resourceNames ?? []).map((one) => account(one)) : []),
    ...Object.values(value).flatMap(referencesIn),
  ];
};

t.test(
  'in another namespace and with other names, every reference is updated',
  { skip: missing },
  async (t) => {
    const own = join(t.testdir({ own: {} }), 'own');
    const at = (names: readonly string[]) =>
      names.map((name) => relative(own, join(folder, name))).join(', ');
    for (const [resources, components] of [
      [
        ['.', 'policies'],
        ['knative', 'network-policy'],
      ],
      [
        ['serviceaccount', 'policies'],
        ['knative', 'network-policy'],
      ],
      [['nodes'], []],
      [['controller'], []],
      [['uninstall'], []],
    ] as const) {
      writeFileSync(
        join(own, 'kustomization.yaml'),
        `{namespace: other, namePrefix: my-, nameSuffix: -x, resources: [${at(resources)}], components: [${at(components)}]}\n`,
      );
      const all = kustomized(own);
      const there = new Set(all.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
      let count = 0;
      for (const object of all) {
        const who = `${resources[0]}: ${object.kind} ${object.metadata.name}`;
        if (object.metadata.namespace !== undefined) t.equal(object.metadata.namespace, 'other', who);
        for (const { kind, name, namespace = 'other' } of referencesIn({ ...object, kind: '' })) {
          count += 1;
          t.ok(there.has(`${kind} ${name}`), `${who}: ${kind} ${name}`);
          t.equal(namespace, 'other', who);
        }
        if (object.kind === 'ValidatingAdmissionPolicy')
          t.notMatch(JSON.stringify(object.spec), /system:serviceaccount/, who);
        // The nodes know it by this name alone.
        for (const { resources = [], resourceNames = [] } of (object.rules ?? []) as readonly {
          resources?: readonly string[];
          resourceNames?: readonly string[];
        }[])
          if (resources.includes('leases') && resourceNames.length > 0)
            t.same(resourceNames, ['rcm-node-controller'], who);
      }
      t.ok(count > 0, resources[0]);
      const policies = all.filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');
      t.equal(policies.length, { '.': 7, serviceaccount: 10, controller: 5 }[resources[0] as string] ?? 0);
      t.equal(all.filter(({ kind }) => kind === 'ValidatingAdmissionPolicyBinding').length, policies.length);
    }
  },
);

/** What older versions of Kubernetes do not serve: a kind that is new here needs its row in docs/install.md. */
const since: Readonly<Record<string, string>> = {
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy': '1.30',
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding': '1.30',
  'flowcontrol.apiserver.k8s.io/v1 FlowSchema': '1.29',
};
/** Served by all versions from 1.25 on, if not earlier. */
const always =
  /^(v1|apps\/v1|rbac\.authorization\.k8s\.io\/v1|policy\/v1|networking\.k8s\.io\/v1|apiextensions\.k8s\.io\/v1) /;

t.test(
  'the required APIs are listed, and before 1.30 a component leaves them out',
  { skip: missing },
  async (t) => {
    const own = join(t.testdir({ own: {} }), 'own');
    const at = (name: string) => relative(own, join(folder, name));
    const versioned = (all: readonly Resource[]) =>
      [...new Set(all.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`))]
        .filter((one) => !always.test(one))
        .sort();
    const readme = readFileSync(join(folder, '../docs/install.md'), 'utf8');
    for (const name of ['.', 'nodes', 'serviceaccount', 'uninstall', 'policies'])
      for (const one of versioned(kustomized(name)))
        t.match(
          readme,
          new RegExp(`^\\| ${since[one]} \\| .*${one.split(' ')[1]?.replace('Binding', '')}`, 'm'),
          `${name}: ${one}`,
        );
    for (const name of ['.', 'nodes', 'uninstall', 'serviceaccount']) {
      writeFileSync(
        join(own, 'kustomization.yaml'),
        `{namespace: other, namePrefix: my-, resources: [${at(name)}], components: [${at('knative')}, ${at('kubernetes-1.28')}]}\n`.replace(
          name === 'nodes' || name === 'uninstall' ? `${at('knative')}, ` : '#',
          '',
        ),
      );
      const all = kustomized(own);
      const policies = [
        'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy',
        'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding',
      ];
      t.same(
        versioned(all),
        // Where policies are all that limits a token, the apply shall be refused.
        [...(name === 'serviceaccount' ? policies : []), 'flowcontrol.apiserver.k8s.io/v1beta3 FlowSchema'],
        name,
      );
      // kubectl applies the rest of what it refuses: without its policies no token may do anything.
      const ofAgent = all.filter(({ subjects }) => /"my-rcm-node"/.test(JSON.stringify(subjects ?? '')));
      t.same(
        ofAgent.map(({ roleRef }) => roleRef?.name),
        name === 'serviceaccount' ? ['my-rcm-node-controller-lease'] : [],
        name,
      );
      const pods = objectOf(all, 'DaemonSet', 'my-rcm-node-bootstrap').spec.template;
      t.notMatch(JSON.stringify(pods.spec), /appArmorProfile/);
      t.match(pods.metadata, {
        annotations: { 'container.apparmor.security.beta.kubernetes.io/bootstrap': 'unconfined' },
      });
    }
  },
);

t.test('each node gets its namespace, whatever the arguments are', { skip: missing }, async (t) => {
  for (const name of ['.', 'serviceaccount', 'uninstall']) {
    const daemonSet = objectOf(kustomized(name), 'DaemonSet', 'rcm-node-bootstrap');
    t.match(daemonSet.spec.template.spec.initContainers?.[0], {
      env: [{ name: 'RCM_NODE_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } }],
    });
  }
});

t.test('the image is of this version', async (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  t.equal(pod().initContainers?.[0].image, `rcm-node:${version}`);
});

t.test('the DaemonSet leaves out nodes that can never run rcm-node, and nodes that are away', async (t) => {
  const { nodeSelector, affinity, terminationGracePeriodSeconds } = pod();
  const [term, ...others] =
    affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms ?? [];
  t.same(others, []);
  const expected = unable.flatMap((one) => {
    const { key } = one;
    if ('not' in one) return [{ key, operator: 'NotIn', values: one.not }];
    if ('only' in one) return key === 'kubernetes.io/os' ? [] : [{ key, operator: 'In', values: one.only }];
    return [{ key, operator: 'DoesNotExist' }];
  });
  t.same(term?.matchExpressions, [...expected, { key: awayKey, operator: 'DoesNotExist' }]);
  t.same(nodeSelector, { 'kubernetes.io/os': 'linux' });
  t.equal(terminationGracePeriodSeconds, 0, 'Pods of dead nodes do not stay');
});
