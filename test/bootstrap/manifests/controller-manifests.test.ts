/** What the controller may do in a cluster and on the node where it runs: exactly this. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { controllerName, startupTaints } from '../../../controller/model/keys.ts';
import { objectOf, objectsOf, type Resource } from './objects.ts';

const folder = join(import.meta.dirname, '../../../bootstrap');
const objects = objectsOf(readFileSync(join(folder, 'bootstrap.yaml'), 'utf8'));
const one = (kind: string, name: string = controllerName): Resource => objectOf(objects, kind, name);
const missing =
  spawnSync('kubectl', ['version', '--client']).error === undefined ? false : 'kubectl is not installed';
const pod = () => one('Deployment').spec.template.spec;

/** By which the policies know an account; a role that allows something without it would be free of them. */
const marker = (...verbs: readonly string[]) => ({
  apiGroups: ['rcm.spinkube.dev'],
  resources: ['identities'],
  verbs,
});

t.test('the controller has these permissions, and no others', async (t) => {
  const bindings = objects.filter(
    ({ kind, subjects }) =>
      kind.endsWith('RoleBinding') && JSON.stringify(subjects).includes(`"${controllerName}"`),
  );
  const granted = bindings.map(({ metadata, roleRef }) => [
    `${roleRef?.kind} ${metadata.namespace ?? ''}`.trim(),
    one(roleRef?.kind ?? '', roleRef?.name).rules,
  ]);
  const core = { apiGroups: [''] };
  const shims = { apiGroups: ['runtime.spinkube.dev'] };
  const leases = { apiGroups: ['coordination.k8s.io'], resources: ['leases'] };
  t.same(granted, [
    [
      'ClusterRole',
      [
        { ...shims, resources: ['shims'], verbs: ['list', 'watch', 'patch'] },
        {
          apiGroups: ['apiextensions.k8s.io'],
          resources: ['customresourcedefinitions'],
          resourceNames: ['shims.runtime.spinkube.dev'],
          verbs: ['get'],
        },
        { ...shims, resources: ['shims/status'], verbs: ['patch'] },
        { ...core, resources: ['nodes'], verbs: ['list', 'watch', 'patch'] },
        {
          apiGroups: ['node.k8s.io'],
          resources: ['runtimeclasses'],
          verbs: ['list', 'watch', 'create', 'patch', 'delete'],
        },
        { ...core, resources: ['pods'], verbs: ['list'] },
        { ...core, resources: ['events'], verbs: ['create'] },
        marker('act-as-controller'),
      ],
    ],
    [
      'Role rcm-node',
      [
        { ...leases, verbs: ['create'] },
        { ...leases, resourceNames: [controllerName], verbs: ['get', 'update'] },
      ],
    ],
  ]);
});

t.test(
  'policies limit what RBAC cannot, in every namespace, and deny when they cannot be read',
  async (t) => {
    for (const [resource, group, kind] of [
      ['nodes', '', 'nodes'],
      ['shims', 'runtime.spinkube.dev', 'shims'],
      ['classes', 'node.k8s.io', 'runtimeclasses'],
    ] as const) {
      const name = `${controllerName}-${resource}`;
      const kubelets = resource === 'nodes' ? "!('system:nodes' in request.userInfo.groups) && " : '';
      t.match(one('ValidatingAdmissionPolicy', name).spec, {
        failurePolicy: 'Fail',
        matchConditions: [
          {
            expression: `${kubelets}[authorizer.group('rcm.spinkube.dev').resource('identities').check('act-as-controller')] .exists(one, one.allowed() || one.errored()) && !authorizer.group('${group}').resource('${kind}').check('update').allowed()`,
          },
        ],
      });
      t.match(one('ValidatingAdmissionPolicyBinding', name).spec, {
        policyName: name,
        validationActions: ['Deny'],
      });
    }
  },
);

t.test('its Pods are restricted, whatever the namespace would allow', async (t) => {
  const spec = pod();
  for (const key of ['hostPID', 'hostNetwork', 'hostIPC'] as const) t.notOk(spec[key], key);
  t.notOk(spec.volumes, 'nothing of the host, nor of anything else');
  t.match(spec.securityContext, {
    runAsNonRoot: true,
    runAsUser: /^[1-9]\d+$/,
    runAsGroup: /^[1-9]\d+$/,
    seccompProfile: { type: 'RuntimeDefault' },
  });
  t.equal(spec.containers.length, 1);
  t.notOk(spec.initContainers);
  t.match(spec.containers[0].securityContext, {
    privileged: false,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  t.equal(one('ServiceAccount').automountServiceAccountToken, false, 'its token is for its Pods alone');
  t.equal(spec.automountServiceAccountToken, true);
  t.equal(spec.serviceAccountName, controllerName);
});

t.test('it runs on nodes with the startup taint, and may change no other taint', async (t) => {
  const policy = one('ValidatingAdmissionPolicy', `${controllerName}-nodes`).spec as unknown as {
    readonly validations: readonly { readonly expression: string }[];
  };
  const taints = policy.validations
    .map(({ expression }) => expression)
    .filter((one) => one.includes('oldTaints'));
  t.equal(taints.length, 1);
  for (const key of startupTaints) {
    t.ok(
      pod().tolerations.some((one) => JSON.stringify(one) === JSON.stringify({ key, operator: 'Exists' })),
      key,
    );
    t.ok(taints[0]?.includes(`'${key}'`), key);
  }
});

t.test('of two replicas one leads, and the other runs in another zone where there is one', async (t) => {
  const { spec } = one('Deployment');
  t.equal(spec.replicas, 2);
  t.match(spec.template.spec, {
    topologySpreadConstraints: [
      { topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
      { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' },
    ],
  });
  t.match(one('PodDisruptionBudget').spec, { maxUnavailable: 1, selector: spec.selector });
});

t.test('its Service and its quota select no Pod of the DaemonSet, nor the reverse', async (t) => {
  const { labels } = one('Deployment').spec.template.metadata;
  t.same(one('Deployment').spec.selector.matchLabels, labels);
  t.same(one('Service').spec.selector, labels);
  const other = one('DaemonSet', 'rcm-node-bootstrap').spec;
  t.not(other.selector.matchLabels['app.kubernetes.io/name'], labels['app.kubernetes.io/name']);
  const quotas = objects
    .filter(({ kind }) => kind === 'ResourceQuota')
    .map(({ spec }) => JSON.stringify(spec));
  for (const { priorityClassName } of [pod(), other.template.spec])
    t.equal(quotas.filter((spec) => spec.includes(`"${priorityClassName}"`)).length, 1, priorityClassName);
});

t.test('its network policy is optional, and allows what it needs', { skip: missing }, async (t) => {
  t.notOk(
    objects.some(({ kind }) => kind === 'NetworkPolicy'),
    'without the component there is none',
  );
  const own = join(t.testdir({ own: {} }), 'own');
  const [base, component] = ['.', 'network-policy'].map((name) => relative(own, join(folder, name)));
  writeFileSync(
    join(own, 'kustomization.yaml'),
    `{namespace: other, resources: [${base}], components: [${component}]}\n`,
  );
  const { stdout, status } = spawnSync('kubectl', ['kustomize', own], { encoding: 'utf8' });
  t.equal(status, 0);
  const policy = objectOf(objectsOf(stdout), 'NetworkPolicy', controllerName);
  t.equal(policy.metadata.namespace, 'other');
  t.same(policy.spec, {
    podSelector: one('Deployment').spec.selector,
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      { ports: [{ protocol: 'TCP', port: 'probes' }] },
      {
        ports: [{ protocol: 'TCP', port: 'metrics' }],
        from: [{ namespaceSelector: { matchLabels: { 'rcm.spinkube.dev/metrics': 'reader' } } }],
      },
    ],
    egress: [{ ports: [443, 6443].map((port) => ({ protocol: 'TCP', port })) }],
  });
  const names = pod().containers[0].ports?.map(({ name }) => name);
  for (const port of ['probes', 'metrics']) t.ok(names?.includes(port), port);
});

t.test('it runs the image of the nodes, and is probed on its configured port', async (t) => {
  const [container] = pod().containers;
  t.equal(
    container.image,
    one('DaemonSet', 'rcm-node-bootstrap').spec.template.spec.initContainers?.[0].image,
  );
  t.same(container.args, ['controller', '--listen', ':8080', '--probes', ':8081']);
  t.same(container.ports, [
    { name: 'metrics', containerPort: 8080 },
    { name: 'probes', containerPort: 8081 },
  ]);
  t.match(container, {
    livenessProbe: { httpGet: { path: '/healthz', port: 'probes' } },
    readinessProbe: { httpGet: { path: '/readyz', port: 'probes' } },
    resources: { requests: { cpu: String, memory: String }, limits: { memory: String } },
  });
  t.match(one('Service').spec, { ports: [{ port: 8080, targetPort: 'metrics' }] });
});
