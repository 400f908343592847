/** What Helm makes of the chart: with each set of values the objects of a kustomization, and a reason where it makes none. */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t, { type Test } from 'tap';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { operatorRules } from '../../../packaging/monitoring/rules.ts';
import { builtHelm } from '../../../testbed/kubernetes/helm.ts';
import { objectOf, objectsOf, type Resource } from '../../bootstrap/manifests/objects.ts';

const root = join(import.meta.dirname, '../../..');
const bootstrap = join(root, 'bootstrap');
const chart = join(root, 'charts/rcm-node');
const helm = builtHelm();
const skip =
  helm === undefined
    ? 'Helm is not built here: npx node testbed/kubernetes/helm.ts builds it'
    : spawnSync('kubectl', ['version', '--client']).error !== undefined && 'kubectl is not installed';

type Values = Readonly<Record<string, unknown>>;
type Place = { readonly namespace?: string; readonly version?: string };

const templated = (t: Test, values: Values, { namespace = 'rcm-node', version = '1.36.0' }: Place = {}) => {
  const file = join(t.testdir({}), 'values.yaml');
  writeFileSync(file, stringify(values));
  const place = ['--namespace', namespace, '--kube-version', version, '--values', file];
  return spawnSync(helm ?? '', ['template', 'rcm-node', chart, ...place], { encoding: 'utf8' });
};
/** By the values of the chart; the namespace is an object of every kustomization. */
const rendered = (t: Test, values: Values, place: Place = {}): readonly Resource[] => {
  const { stdout, stderr, status } = templated(t, { namespace: { create: true }, ...values }, place);
  if (status !== 0) throw new Error(stderr);
  return objectsOf(stdout);
};

type Kustomization = { readonly resources: readonly string[]; readonly components?: readonly string[] };
const kustomized = (t: Test, { resources, components = [], ...more }: Kustomization & Values) => {
  const own = t.testdir({ own: {} });
  const at = (names: readonly string[]) => names.map((name) => relative(own, join(bootstrap, name)));
  const text = stringify({ ...more, resources: at(resources), components: at(components) });
  writeFileSync(join(own, 'kustomization.yaml'), text);
  const { stdout, stderr, status } = spawnSync('kubectl', ['kustomize', own], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return objectsOf(stdout);
};

/** What the chart has in addition, each for a reason of Helm's: stays behind at an uninstall, starts Pods when settings change. */
const helmsOwn = ['helm.sh/resource-policy', 'checksum/settings'];
/** kustomize gives these a namespace, too, since it does not know them as objects of the cluster; API servers drop it. */
const ofCluster = /^(FlowSchema|ValidatingAdmissionPolicy(Binding)?)$/;
const left = (given: object, gone: readonly string[]): object | undefined => {
  const entries = Object.entries(given).filter(([name]) => !gone.includes(name));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
};
const compared = (objects: readonly Resource[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    objects.map((object) => {
      const { kind, metadata } = object;
      const own = ofCluster.test(kind) ? left(metadata, ['namespace']) : metadata;
      const value: unknown = JSON.parse(JSON.stringify({ ...object, metadata: own }), (key, value) =>
        key === 'annotations' ? left(value, helmsOwn) : value,
      );
      return [`${kind} ${metadata.name}`, value];
    }),
  );

const digest = `sha256:${'5'.repeat(64)}`;
const images = [
  { name: 'rcm-node', newName: 'registry.example.com:5000/group/rcm-node', digest },
  { name: 'registry.k8s.io/pause', newName: 'mirror.example.com/pause' },
];
const monitored = {
  serviceMonitor: { enabled: true },
  rules: { enabled: true },
  dashboard: { enabled: true },
};
/** As docs/monitoring.md has it. */
const withoutController = ['PrometheusRule', 'ServiceMonitor'].map((kind) => ({
  target: { kind, labelSelector: 'app.kubernetes.io/name=rcm-node-controller' },
  patch: `$patch: delete\napiVersion: monitoring.coreos.com/v1\nkind: ${kind}\nmetadata:\n  name: any\n`,
}));
const variants: Readonly<Record<string, readonly [Values, Kustomization & Values, Place?]>> = {
  'the defaults': [{}, { resources: ['.'] }],
  'nodes only': [{ controller: { enabled: false } }, { resources: ['nodes'] }],
  'a token for each node': [{ identity: 'serviceaccount' }, { resources: ['serviceaccount'] }],
  policies: [{ policies: { enabled: true } }, { resources: ['.', 'policies'] }],
  components: [
    { knative: { enabled: true }, networkPolicy: { enabled: true } },
    { resources: ['.'], components: ['knative', 'network-policy'] },
  ],
  'alerts and a dashboard': [{ monitoring: monitored }, { resources: ['.'], components: ['monitoring'] }],
  'alerts and a dashboard for nodes only': [
    {
      controller: { enabled: false },
      monitoring: { ...monitored, serviceMonitor: { enabled: false } },
    },
    { resources: ['nodes'], components: ['monitoring'], patches: withoutController },
  ],
  'all at once, in another namespace': [
    {
      ...{ identity: 'serviceaccount', policies: { enabled: true }, monitoring: monitored },
      ...{ knative: { enabled: true }, networkPolicy: { enabled: true } },
    },
    {
      namespace: 'other',
      resources: ['serviceaccount', 'policies'],
      components: ['knative', 'network-policy', 'monitoring'],
    },
    { namespace: 'other' },
  ],
  'images of a registry': [
    {
      image: { repository: 'registry.example.com:5000/group/rcm-node', digest },
      pause: { repository: 'mirror.example.com/pause' },
    },
    { resources: ['.'], images },
  ],
  'Kubernetes 1.28': [
    { knative: { enabled: true } },
    { resources: ['.'], components: ['knative', 'kubernetes-1.28'] },
    { version: '1.28.15' },
  ],
};

for (const [name, [values, kustomization, place]] of Object.entries(variants))
  t.test(`it is what kustomize makes: ${name}`, { skip }, async (t) => {
    const [made, expected] = [rendered(t, values, place), kustomized(t, kustomization)];
    t.ok(made.length >= 10);
    t.equal(made.length, expected.length);
    t.same(compared(made), compared(expected));
  });

t.test('with the uninstall all else stays as it is', { skip }, async (t) => {
  for (const identity of ['kubelet', 'serviceaccount']) {
    const made = rendered(t, { identity, uninstall: { enabled: true } });
    const installed = rendered(t, { identity });
    const isNodes = ({ kind }: Resource): boolean => kind === 'DaemonSet';
    const others = ({ kind }: Resource): boolean => kind !== 'DaemonSet';
    t.same(compared(made.filter(others)), compared(installed.filter(others)), identity);
    const expected = kustomized(t, { resources: ['uninstall'] }).filter(isNodes);
    t.same(compared(made.filter(isNodes)), compared(expected), identity);
  }
});

t.test('before it is deleted, a Job does the same to the DaemonSet', { skip }, async (t) => {
  const all = rendered(t, { uninstall: { onDelete: { enabled: true } } });
  const hooks = all.filter(({ metadata }) => metadata.name === 'rcm-node-uninstall');
  t.same(hooks.map(({ kind }) => kind).sort(), ['ConfigMap', 'Job', 'Role', 'RoleBinding', 'ServiceAccount']);
  for (const { metadata } of hooks) t.match(metadata, { annotations: { 'helm.sh/hook': 'pre-delete' } });
  const { data } = objectOf(hooks, 'ConfigMap', 'rcm-node-uninstall') as unknown as {
    readonly data: Readonly<Record<string, string>>;
  };
  const given = parse(data['daemonset.yaml'] ?? '') as Resource;
  const expected = objectOf(rendered(t, { uninstall: { enabled: true } }), 'DaemonSet', given.metadata.name);
  t.same(given, expected);
  t.same(objectOf(hooks, 'Role', 'rcm-node-uninstall').rules, [
    {
      ...{ apiGroups: ['apps'], resources: ['daemonsets'], resourceNames: [given.metadata.name] },
      verbs: ['get', 'list', 'watch', 'update'],
    },
  ]);
});

t.test(
  'tolerations, node selectors, pull secrets and the like reach both kinds of Pods',
  { skip },
  async (t) => {
    const tolerations = [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }];
    const all = rendered(t, {
      imagePullSecrets: [{ name: 'mine' }],
      image: { pullPolicy: 'Always', tag: 'x' },
      nodes: { nodeSelector: { pool: 'wasm' }, tolerations, maxUnavailable: 2, downgrade: true, force: true },
      controller: {
        replicas: 1,
        nodeSelector: { pool: 'system' },
        tolerations,
        resources: { limits: { memory: '1Gi' } },
      },
      monitoring: { scrapeAnnotations: false },
    });
    const nodes = objectOf(all, 'DaemonSet', 'rcm-node-bootstrap');
    t.match(nodes.spec, { updateStrategy: { rollingUpdate: { maxUnavailable: 2 } } });
    t.match(nodes.spec.template.spec, {
      imagePullSecrets: [{ name: 'mine' }],
      nodeSelector: { 'kubernetes.io/os': 'linux', pool: 'wasm' },
      initContainers: [
        { image: 'rcm-node:x', imagePullPolicy: 'Always', args: ['bootstrap', '--downgrade', '--force'] },
      ],
    });
    t.same(nodes.spec.template.spec.tolerations, tolerations);
    const controller = objectOf(all, 'Deployment', 'rcm-node-controller');
    t.equal(controller.spec.replicas, 1);
    t.match(controller.spec.template.spec, {
      imagePullSecrets: [{ name: 'mine' }],
      nodeSelector: { 'kubernetes.io/os': 'linux', pool: 'system' },
      containers: [{ image: 'rcm-node:x', imagePullPolicy: 'Always' }],
    });
    t.match(controller.spec.template.spec.containers[0], { resources: { limits: { memory: '1Gi' } } });
    t.same(controller.spec.template.spec.tolerations.slice(-1), tolerations);
    t.equal(
      controller.spec.template.spec.tolerations.length,
      5,
      'those of control planes and startup taints stay',
    );
    t.notMatch(JSON.stringify(objectOf(all, 'Service', 'rcm-node-controller')), /prometheus/);
  },
);

t.test(
  'alerts lead to where the documents are, and have the labels that others select by',
  { skip },
  async (t) => {
    const labels = { release: 'mine' };
    const documents = 'https://git.example.com/rcm-node/docs';
    const all = rendered(t, {
      monitoring: {
        serviceMonitor: { enabled: true, labels },
        rules: { enabled: true, labels, documents: `${documents}/` },
        dashboard: { enabled: true, labels: { grafana_dashboard: null, folder: 'nodes' } },
      },
    });
    for (const name of ['nodes', 'controller'] as const) {
      const made = objectOf(all, 'PrometheusRule', `rcm-node-${name}`);
      t.match(made.metadata, { labels });
      t.same(made.spec, parse(operatorRules(name, documents)).spec);
    }
    t.match(objectOf(all, 'ServiceMonitor', 'rcm-node-controller').metadata, { labels });
    t.same((objectOf(all, 'ConfigMap', 'rcm-node-dashboard').metadata as { labels?: unknown }).labels, {
      'app.kubernetes.io/name': 'rcm-node',
      folder: 'nodes',
    });
  },
);

t.test(
  'settings are one text with the identity, and start new Pods when they change',
  { skip },
  async (t) => {
    const data = (values: Values): unknown => {
      const all = rendered(t, values);
      const sum = JSON.stringify(objectOf(all, 'DaemonSet', 'rcm-node-bootstrap')).includes(
        'checksum/settings',
      );
      const found = all.find(({ metadata }) => metadata.name === 'rcm-node-settings');
      t.equal(found !== undefined, sum);
      return (found as { data?: unknown } | undefined)?.data;
    };
    t.equal(data({}), undefined);
    const settings = '[fetch]\ntimeout = "5m"\n';
    t.same(data({ settings }), { 'config.toml': settings });
    t.same(data({ files: { 'spin.toml': 'a = 1\n' } }), { 'spin.toml': 'a = 1\n' });
    const identity = 'serviceaccount';
    t.same(data({ settings, identity }), {
      'config.toml': `${settings}[cluster]\nidentity = "serviceaccount"\n`,
    });
    const own = '[cluster]\nidentity = "serviceaccount"\nother = 1\n';
    t.same(data({ settings: own, identity }), { 'config.toml': own });
  },
);

t.test('a list of Shims is a Shim each, as it is written', { skip }, async (t) => {
  const sample = parse(readFileSync(join(bootstrap, 'samples/shim-spin.yaml'), 'utf8'));
  const { name } = sample.metadata;
  const made = rendered(t, { shims: [{ name, labels: { a: 'b' }, spec: sample.spec }] });
  const shim = objectOf(made, 'Shim', name) as unknown as { spec: unknown; metadata: unknown };
  t.same(shim.spec, sample.spec);
  t.same(shim.metadata, { name, labels: { a: 'b' } });
  const settings = objectOf(
    rendered(t, {
      policies: { enabled: true, reservedHandlers: ['a', 'b*'], allowedHosts: ['x.y'], allowHttp: true },
    }),
    ...(['ConfigMap', 'rcm-node-shim-policy'] as const),
  );
  t.match(settings, {
    data: { reservedHandlers: 'a b*', allowedHosts: 'x.y', allowHttp: 'true', allowUnpinned: 'false' },
  });
});

t.test('a value with any characters stays one text', { skip }, async (t) => {
  const odd = 'a: b # c"\n        command: [sh]';
  const { fetchStrategy, runtimeClass } = { fetchStrategy: {}, runtimeClass: {} };
  const nodeSelector = { 'kubernetes.io/os': 'linux', pool: 'wasm' };
  const labels = { 'app.kubernetes.io/name': 'other', a: 'b' };
  const values = {
    pause: { repository: odd },
    shims: ['1e3', 'null', '0.10'].map((name) => ({ name, spec: { fetchStrategy, runtimeClass } })),
    uninstall: { onDelete: { enabled: true, image: odd } },
    nodes: { nodeSelector },
    controller: { nodeSelector },
    monitoring: { serviceMonitor: { enabled: true, labels } },
  };
  const { stdout, stderr } = templated(t, values, { namespace: '123' });
  // Stricter than Helm: a key that stands there twice is an error.
  const documents = parseAllDocuments(stdout);
  t.same(
    documents.flatMap(({ errors }) => errors),
    [],
  );
  const all = documents.map((one) => one.toJS({}) as Resource | null).filter((one) => one !== null);
  t.ok(all.length > 10, stderr);
  t.same(
    all.filter(({ kind }) => kind === 'Shim').map(({ metadata }) => metadata.name),
    ['1e3', 'null', '0.10'],
  );
  for (const { metadata } of all)
    t.equal((metadata as { namespace?: unknown }).namespace ?? '123', '123', metadata.name);
  const nodes = objectOf(all, 'DaemonSet', 'rcm-node-bootstrap').spec.template.spec;
  t.match(nodes, {
    nodeSelector,
    containers: [{ image: `${odd}:3.10@sha256:${/[0-9a-f]{64}/.exec(stdout)}` }],
  });
  t.match(objectOf(all, 'Job', 'rcm-node-uninstall').spec.template.spec, {
    initContainers: [{ image: odd }],
    containers: [{ image: odd }],
  });
  t.match(objectOf(all, 'ServiceMonitor', 'rcm-node-controller').metadata, {
    labels: { 'app.kubernetes.io/name': 'rcm-node-controller', a: 'b' },
  });
});

t.test('it says why it makes nothing of wrong values', { skip }, async (t) => {
  for (const [values, version, words] of [
    [{ identity: 'serviceaccount' }, '1.31.4', /has from 1\.32 on; this is v1\.31\.4/],
    [{ policies: { enabled: true } }, '1.29.0-gke.100', /policies\.enabled needs ValidatingAdmissionPolicy/],
    [{}, '1.27.9', /incompatible with Kubernetes v1\.27\.9/],
    [
      { controller: { enabled: false }, knative: { enabled: true } },
      '1.36.0',
      /knative\.enabled is about the controller/,
    ],
    [
      { settings: '[cluster]\na = 1\n', identity: 'serviceaccount' },
      '1.36.0',
      /add identity = "serviceaccount" to it/,
    ],
    [
      { settings: 'cluster.identity = "serviceaccount"\n' },
      '1.36.0',
      /set the value identity: serviceaccount, too/,
    ],
    [
      { controller: { enabled: false }, monitoring: { serviceMonitor: { enabled: true } } },
      '1.36.0',
      /monitoring\.serviceMonitor\.enabled is about the controller/,
    ],
    [{ monitoring: { rules: { documents: '{{ x }}' } } }, '1.36.0', /documents/],
    [{ controler: {} }, '1.36.0', /additional properties 'controler' not allowed/],
    [{ image: { digest: 'latest' } }, '1.36.0', /does not match pattern/],
    [{ files: { 'config.toml': 'a = 1' } }, '1.36.0', /files/],
    [{ shims: [{ name: 'a', spec: {} }] }, '1.36.0', /missing property 'fetchStrategy'/],
    [
      { shims: [{ name: 'a', spec: { fetchStrategy: {}, rolloutStrategy: { scope: 'handler' } } }] },
      '1.36.0',
      /missing property 'runtimeClass'/,
    ],
  ] as const) {
    const { stderr, status } = templated(t, values, { version });
    t.equal(status, 1, String(words));
    t.match(stderr, words);
  }
});

t.test('a Shim that restarts no runtime needs no RuntimeClass of its own choice', { skip }, async (t) => {
  const spec = { fetchStrategy: {}, rolloutStrategy: { scope: 'no-restart' } };
  const { status, stderr, stdout } = templated(t, { shims: [{ name: 'a', spec }] }, { version: '1.36.0' });
  t.equal(status, 0, stderr);
  t.match(stdout, /scope: no-restart/);
});

t.test('its notes name an image without a registry, which no other node has', { skip }, async (t) => {
  const folder = t.testdir({});
  cpSync(chart, folder, { recursive: true });
  // `helm template` prints no notes, and `helm install` asks an API server.
  renameSync(join(folder, 'templates/NOTES.txt'), join(folder, 'NOTES.txt'));
  writeFileSync(join(folder, 'templates/notes.yaml'), 'note: {{ tpl (.Files.Get "NOTES.txt") . | quote }}\n');
  const notesWith = (...argv: readonly string[]): string => {
    const only = [
      'template',
      'rcm-node',
      folder,
      '--show-only',
      'templates/notes.yaml',
      '--kube-version',
      '1.36.0',
    ];
    const { stdout, stderr, status } = spawnSync(helm ?? '', [...only, ...argv], { encoding: 'utf8' });
    t.equal(status, 0, stderr);
    return parse(stdout).note;
  };
  t.match(
    notesWith(),
    /^rcm-node \S+ is being placed on the nodes:.*image\.repository is rcm-node, without a registry/s,
  );
  t.notMatch(notesWith('--set', 'image.repository=registry.example.com/rcm-node'), 'without a registry');
  t.match(notesWith('--set', 'uninstall.enabled=true'), /^The DaemonSet takes rcm-node off every node\./);
});

t.test('helm lint finds nothing, and the package renders as the folder does', { skip }, async (t) => {
  const run = (...argv: readonly string[]) => spawnSync(helm ?? '', argv, { encoding: 'utf8' });
  const { stdout, status } = run('lint', '--strict', chart);
  t.equal(status, 0, stdout);
  const folder = t.testdir({});
  const said = run('package', chart, '--destination', folder);
  const path = / to: (.*)/.exec(said.stdout)?.[1] ?? '';
  t.match(path, /rcm-node-\d+\.\d+\.\d+\.tgz$/);
  t.equal(run('template', 'rcm-node', path).stdout, run('template', 'rcm-node', chart).stdout);
});
