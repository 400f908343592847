/** What the controller may do in a cluster and on the node where it runs: exactly this. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { controllerName } from '../../controller/model/marks.ts';
import { objectOf, objectsOf, type Resource } from './objects.ts';

const folder = join(import.meta.dirname, '..', '..', 'bootstrap');
const objects = objectsOf(readFileSync(join(folder, 'bootstrap.yaml'), 'utf8'));
const one = (kind: string, name: string = controllerName): Resource => objectOf(objects, kind, name);
const pod = () => one('Deployment').spec.template.spec;

t.test('it has these rights, and no others', async (t) => {
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
        { ...shims, resources: ['shims/status'], verbs: ['patch'] },
        { ...core, resources: ['nodes'], verbs: ['list', 'watch', 'patch'] },
        {
          apiGroups: ['node.k8s.io'],
          resources: ['runtimeclasses'],
          verbs: ['list', 'watch', 'create', 'patch', 'delete'],
        },
        { ...core, resources: ['pods'], verbs: ['list'] },
      ],
    ],
    ['Role default', [{ ...core, resources: ['events'], verbs: ['create'] }]],
    [
      'Role rcm-node',
      [
        { ...leases, verbs: ['create'] },
        { ...leases, resourceNames: [controllerName], verbs: ['get', 'update'] },
      ],
    ],
  ]);
});

t.test('what RBAC cannot tell apart, policies do, and they fail closed', async (t) => {
  for (const resource of ['nodes', 'shims', 'classes']) {
    const name = `${controllerName}-${resource}`;
    t.match(one('ValidatingAdmissionPolicy', name).spec, {
      failurePolicy: 'Fail',
      matchConditions: [
        { expression: `request.userInfo.username == "system:serviceaccount:rcm-node:${controllerName}"` },
      ],
    });
    t.match(one('ValidatingAdmissionPolicyBinding', name).spec, {
      policyName: name,
      validationActions: ['Deny'],
    });
  }
});

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

t.test('one of two works, and the other is elsewhere where there is an elsewhere', async (t) => {
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

t.test(
  'its Pods, its Service and its quota mean no Pod of the DaemonSet, nor the other way round',
  async (t) => {
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
  },
);

t.test('it runs the image of the nodes, and is asked on the port that it is told', async (t) => {
  const [container] = pod().containers;
  t.equal(
    container.image,
    one('DaemonSet', 'rcm-node-bootstrap').spec.template.spec.initContainers?.[0].image,
  );
  t.same(container.args, ['controller', '--listen', ':8080']);
  t.same(container.ports, [{ name: 'metrics', containerPort: 8080 }]);
  t.match(container, {
    livenessProbe: { httpGet: { path: '/healthz', port: 'metrics' } },
    readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' } },
    resources: { requests: { cpu: String, memory: String }, limits: { memory: String } },
  });
  t.match(one('Service').spec, { ports: [{ port: 8080, targetPort: 'metrics' }] });
});
