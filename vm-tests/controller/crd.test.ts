/** The definition of Shim, as a real API server judges it: what it accepts, and what it tells people whom it refuses. */
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { accepted, refused } from '../../test/fixtures/shims/refused.ts';
import type { Condition, ConditionType, ShimStatus } from '../../controller/model/fleet.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';

const root = join(import.meta.dirname, '../..');
const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';
const crd = join(root, 'bootstrap/crd/shims.yaml');
const manifests = globSync(['test/fixtures/rcm/*.yaml', 'bootstrap/samples/shim-*.yaml'], {
  cwd: root,
}).sort();

type Shim = {
  readonly metadata: { readonly name: string; readonly generation?: number };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: unknown;
};
const read = (path: string): Shim => parse(readFileSync(join(root, path), 'utf8')) as Shim;
const shim = (spec: Readonly<Record<string, unknown>>, name = 'spin-v2') => ({
  ...accepted,
  metadata: { name },
  spec: { ...accepted.spec, ...spec },
});

const cluster = await clusterFor(t);
/** As kubectl sends it, but nothing is kept. */
const wouldCreate = async (body: unknown) => {
  const answer = await cluster.admin.request('POST', `${shims}?dryRun=All&fieldValidation=Strict`, { body });
  const { message = '', spec } = answer.json as { message?: string; spec?: Shim['spec'] };
  return { status: answer.status, message, spec };
};
const get = (name: string) => cluster.admin.get<Shim>(`${shims}/${name}`);

/** What a cluster may have from before: the same resource, with hardly a rule. */
const earlier = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'shims.runtime.spinkube.dev' },
  spec: {
    group: 'runtime.spinkube.dev',
    scope: 'Cluster',
    names: { kind: 'Shim', listKind: 'ShimList', plural: 'shims', singular: 'shim' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};

const isServed = (): Promise<boolean> =>
  cluster.waitFor('shims are served', async () => (await cluster.admin.request('GET', shims)).status === 200);

t.test('it replaces an earlier definition, and stored Shims stay and can be corrected', async (t) => {
  await cluster.apply(JSON.stringify(earlier));
  await isServed();
  const plain = shim({ fetchStrategy: { anonHttp: { location: 'http://example.com/shim' } } }, 'from-before');
  await cluster.apply(JSON.stringify({ ...plain, status: { nodes: 1, nodesReady: 1 } }));
  const said = await cluster.tryKubectl(['apply', '-f', crd]);
  t.equal(said.code, 0, said.stderr);
  t.notMatch(said.stderr, /warning/i, 'and the API server has nothing to say against it');
  const conditions = await cluster.waitFor('the definition is in force', async () => {
    const answer = await wouldCreate(shim({ runtimeClass: { name: 'x', handler: 'runc' } }));
    const { status } = await cluster.admin.get<{
      status: { conditions: { type: string; status: string }[] };
    }>('/apis/apiextensions.k8s.io/v1/customresourcedefinitions/shims.runtime.spinkube.dev');
    return answer.status === 422 && status.conditions;
  });
  t.same(conditions.map(({ type, status }) => `${type}=${status}`).sort(), [
    'Established=True',
    'NamesAccepted=True',
  ]);
  t.match((await get('from-before')).spec, { fetchStrategy: { anonHttp: {} } }, 'it is still there');
  await cluster.kubectl(['label', 'shim', 'from-before', 'looked-at=true']);
  const patch = JSON.stringify({
    spec: { fetchStrategy: { anonHttp: { location: 'https://example.com/shim' } } },
  });
  await cluster.kubectl(['patch', 'shim', 'from-before', '--type=merge', '-p', patch]);
  await cluster.kubectl(['delete', 'shim', 'from-before']);
});

t.test('every manifest of runtime-class-manager and every sample is accepted as it is', async (t) => {
  t.ok(manifests.length > 10);
  for (const path of manifests) {
    const manifest = read(path);
    const said = await cluster.tryKubectl(['apply', '-f', join(root, path)]);
    t.equal(said.code, 0, `${path} ${said.stderr}`);
    t.notMatch(said.stderr, /warning/i, path);
    const kept = await get(manifest.metadata.name);
    const rolloutStrategy = { type: 'rolling', rolling: { maxUpdate: '10%' } };
    t.same(kept.spec, { rolloutStrategy, ...manifest.spec }, `${path} is kept as it was written`);
    t.same(kept.status, { observedGeneration: 0 }, 'its status says that no controller has looked at it');
    const server = await cluster.tryKubectl([
      ...['apply', '--server-side', '--force-conflicts', '--dry-run=server', '-f', join(root, path)],
    ]);
    t.equal(server.code, 0, `${path} ${server.stderr}`);
    await cluster.kubectl([
      'patch',
      'shim',
      manifest.metadata.name,
      '--type=merge',
      '-p',
      '{"metadata":{"finalizers":null}}',
    ]);
    await cluster.kubectl(['delete', 'shim', manifest.metadata.name]);
  }
});

t.test('every sample can be applied as a whole: Shim, RuntimeClass and Pod', async (t) => {
  const names = globSync('bootstrap/samples/shim-*.yaml', { cwd: root }).map((path) =>
    basename(path, '.yaml').slice('shim-'.length),
  );
  t.ok(names.length >= 14);
  for (const name of names.sort()) {
    const file = (kind: string) => join(root, 'bootstrap/samples', `${kind}-${name}.yaml`);
    // The API server takes a Pod only with its RuntimeClass, so that comes first.
    for (const kind of ['shim', 'runtimeclass', 'pod'])
      for (const options of [['--dry-run=server', '--validate=strict'], []]) {
        const said = await cluster.tryKubectl(['apply', ...options, '-f', file(kind)]);
        t.equal(said.code, 0, `${kind} of ${name} ${options.join(' ')} ${said.stderr}`);
        t.notMatch(said.stderr, /warning/i, `${kind} of ${name}`);
      }
    const { metadata, spec } = read(`bootstrap/samples/shim-${name}.yaml`);
    const runtimeClass = spec.runtimeClass as { readonly name: string; readonly handler: string };
    const pod = parse(readFileSync(file('pod'), 'utf8')) as { readonly metadata: { readonly name: string } };
    const kept = await cluster.admin.get<{ spec: { runtimeClassName: string } }>(
      `/api/v1/namespaces/default/pods/${pod.metadata.name}`,
    );
    t.equal(kept.spec.runtimeClassName, runtimeClass.name, `the Pod of ${name} asks for its class`);
    const { handler } = await cluster.admin.get<{ handler: string }>(
      `/apis/node.k8s.io/v1/runtimeclasses/${runtimeClass.name}`,
    );
    t.equal(handler, runtimeClass.handler, `which leads to the handler of the Shim ${metadata.name}`);
    await cluster.kubectl([
      'delete',
      '--wait=false',
      '--grace-period=0',
      '-f',
      file('pod'),
      '-f',
      file('runtimeclass'),
    ]);
    await cluster.kubectl(['delete', '--wait=false', '-f', file('shim')]);
  }
});

t.test('each invalid Shim is refused, with a message', async (t) => {
  t.equal((await wouldCreate(accepted)).status, 201, 'while this one is not');
  for (const { why, spec, server } of refused) {
    const answer = await wouldCreate(shim(spec));
    t.match(answer.status, /^(400|422)$/, why);
    t.match(answer.message, server, why);
  }
  const long = await wouldCreate(shim({}, 'a'.repeat(64)));
  t.match(
    long.message,
    /the name of a Shim has at most 63 characters: the binary is called containerd-shim-NAME/,
  );
});

t.test('missing fields get defaults, and unusual valid values are accepted', async (t) => {
  const spec = async (given: Readonly<Record<string, unknown>>) => {
    const answer = await wouldCreate(shim(given));
    t.equal(answer.status, 201, answer.message);
    return answer.spec ?? {};
  };
  t.match(await spec({}), { rolloutStrategy: { type: 'rolling', rolling: { maxUpdate: '10%' } } });
  t.strictSame((await spec({ runtime: {} })).runtime, { type: 'shim' });
  for (const rolloutStrategy of [
    { type: 'rolling' },
    { type: 'rolling', rolling: { maxUpdate: 5 } },
    { type: 'rolling', rolling: { maxUpdate: '100%' } },
    { type: 'recreate', rolling: { maxUpdate: 0 } },
    { type: 'rolling', rolling: { maxUpdate: 1, maxFailures: 1 } },
    { type: 'rolling', rolling: { maxUpdate: '50%', maxFailures: '100%' }, paused: true, scope: 'all' },
    { type: 'recreate', scope: 'restarts', paused: false },
  ])
    t.strictSame((await spec({ rolloutStrategy })).rolloutStrategy, rolloutStrategy);
  for (const [given, kept] of [
    [{ paused: true }, { type: 'rolling', paused: true }],
    [{ rolling: { maxFailures: 3 } }, { type: 'rolling', rolling: { maxUpdate: '10%', maxFailures: 3 } }],
  ])
    t.strictSame((await spec({ rolloutStrategy: given })).rolloutStrategy, kept);
  for (const artifact of [
    { location: 'file:///srv/shim' },
    { location: 'http://127.0.0.1:8080/shim', sha256: `sha256:${'AB'.repeat(32)}` },
    { location: 'https://[2001:db8::1]/a%2Fb/shim.tar.gz?x=y' },
  ])
    t.strictSame((await spec({ fetchStrategy: { anonHttp: artifact } })).fetchStrategy, {
      anonHttp: artifact,
    });
  await spec({ runtimeClass: { name: 'kata.example.com', handler: 'katana' } });
  const rolloutStrategy = { scope: 'no-restart' };
  for (const runtimeClass of [undefined, {}, { name: 'spin' }, { handler: 'spin' }])
    t.strictSame(
      (await spec({ rolloutStrategy, runtimeClass })).runtimeClass,
      runtimeClass,
      'the controller gives a slot',
    );
  const full = {
    ...{ name: 'x', handler: 'x', labels: { team: 'a', 'app.kubernetes.io/part-of': 'x' } },
    overhead: { podFixed: { cpu: 1, memory: '.5Gi', 'hugepages-2Mi': '4Mi', 'example.com/fpga': '1e0' } },
    scheduling: {
      tolerations: [
        { key: 'wasm', operator: 'Exists' },
        { key: 'example.com/wasm', value: 'only', effect: 'NoSchedule' },
        { key: 'wasm', operator: 'Equal', value: '', effect: 'NoExecute', tolerationSeconds: 0 },
      ],
    },
  };
  t.strictSame((await spec({ runtimeClass: full })).runtimeClass, full);
  // A release has entries for machines that are not built for here: nodes pass over them.
  const platforms = ['amd64', 'aarch64', 'riscv64', 's390x', 'ppc64le']
    .map((arch) => ({ os: 'linux', arch, location: 'file:///srv/shim' }))
    .concat({ os: 'windows', arch: 'amd64', location: 'file:///srv/shim.exe' });
  t.strictSame((await spec({ fetchStrategy: { platforms } })).fetchStrategy, { platforms });
});

t.test('the largest possible Shim is within the cost limit of the rules', async (t) => {
  const many = (count: number, length: number, prefix: string) =>
    Array.from({ length: count }, (_, index) => `${prefix}${index}`.padEnd(length, 'x'));
  const location = `https://example.com/${'x'.repeat(2028)}`;
  const sha256 = `sha256:${'a'.repeat(64)}`;
  const answer = await wouldCreate(
    shim({
      nodeSelector: Object.fromEntries(
        many(32, 63, 'k').map((key) => [`${'d'.repeat(253)}/${key}`, 'v'.repeat(63)]),
      ),
      fetchStrategy: {
        type: 'x'.repeat(253),
        platforms: many(16, 32, 'arch').map((arch) => ({ os: 'o'.repeat(32), arch, location, sha256 })),
        anonHttp: { location, sha256 },
      },
      runtimeClass: {
        name: 'n'.repeat(253),
        handler: 'h'.repeat(63),
        labels: Object.fromEntries(
          many(32, 63, 'k').map((key) => [`${'d'.repeat(253)}/${key}`, 'v'.repeat(63)]),
        ),
        overhead: {
          podFixed: Object.fromEntries(
            many(16, 63, 'r').map((key) => [`${'d'.repeat(253)}/${key}`, '1'.repeat(32)]),
          ),
        },
        scheduling: {
          tolerations: many(16, 63, 't').map((key) => ({
            key: `${'d'.repeat(253)}/${key}`,
            ...{ operator: 'Equal', value: 'v'.repeat(63), effect: 'NoExecute', tolerationSeconds: 1 },
          })),
        },
      },
      containerdRuntimeOptions: Object.fromEntries(many(64, 64, 'K').map((key) => [key, 'v'.repeat(1024)])),
      runtime: { type: 'oci', binary: 'b'.repeat(128), libraries: many(64, 128, 'lib') },
      podAnnotations: many(64, 253, 'a'),
      containerAnnotations: many(64, 253, 'a'),
    }),
  );
  t.equal(answer.status, 201, answer.message);
});

t.test('kubectl get shows the main columns, and status is written separately from spec', async (t) => {
  await cluster.kubectl(['apply', '-f', join(root, 'bootstrap/samples/shim-spin.yaml')]);
  await cluster.kubectl(['apply', '-f', join(root, 'test/fixtures/rcm/wws.yaml')]);
  const columns = async (...more: readonly string[]): Promise<readonly (readonly string[])[]> => {
    const table = await cluster.kubectl(['get', 'shims', ...more]);
    return table
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s{2,}/));
  };
  const [header, spin] = await columns();
  t.same(header, ['NAME', 'RUNTIMECLASS', 'READY', 'UPDATED', 'DESIRED', 'AVAILABLE', 'ROLLOUT', 'AGE']);
  t.same(spin?.slice(0, 2), ['spin-v2', 'wasmtime-spin-v2']);
  const since = '2026-01-01T00:00:00.123Z';
  const condition = (type: ConditionType, status: 'True' | 'False', reason: string): Condition => ({
    ...{ type, status, reason, message: `node-1, node-2: ${reason}` },
    ...{ lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: 1 },
  });
  const status: ShimStatus = {
    ...{ observedGeneration: 1, nodes: 30, nodesReady: 27, nodesUpdated: 20, nodesFailed: 2 },
    rollout: {
      ...{ revision: 'a'.repeat(16), phase: 'Stopped', since, forgiven: 1, resumed: 'again, 10:15' },
      stoppedBy: Array.from({ length: 10 }, (_, index) => `${index}.${'n'.repeat(250)}`),
    },
    slot: 'slot-1',
    conditions: [
      condition('Available', 'True', 'Served'),
      condition('Progressing', 'False', 'Stopped'),
      condition('Degraded', 'True', 'NodesFailed'),
      condition('Conflict', 'False', 'NoConflict'),
    ],
  };
  const body = { spec: { nodeSelector: { not: 'written' } }, status };
  const write = (given: object) =>
    cluster.admin.request('PATCH', `${shims}/spin-v2/status?fieldValidation=Strict`, { body: given });
  const patched = await write(body);
  t.equal(patched.status, 200, patched.text);
  const kept = await get('spin-v2');
  t.strictSame(kept.status, status, 'what a controller says is kept as it says it');
  t.notOk('nodeSelector' in kept.spec, 'a writer of status writes nothing else');
  t.equal(kept.metadata.generation, 1);
  t.same((await columns())[1]?.slice(0, 7), [
    ...['spin-v2', 'wasmtime-spin-v2', '27', '20', '30', 'True', 'Stopped'],
  ]);
  const [wide, ...rows] = await columns('-o', 'wide');
  t.same(wide?.slice(-6), ['FAILED', 'REASON', 'HANDLER', 'SLOT', 'LOCATION', 'AGE']);
  t.same(rows[0]?.slice(7, 11), ['2', 'Served', 'spin-v2', 'slot-1']);
  t.match(rows[0]?.[11], /containerd-shim-spin-v2-linux-(x86_64|aarch64)\.tar\.gz$/);
  t.match(rows[1]?.join(' '), /wws-linux-aarch64\.tar\.gz/, 'also where there is a single location');
  const awaited = await cluster.kubectl([
    'wait',
    '--for=condition=Available',
    'shim/spin-v2',
    '--timeout=10s',
  ]);
  t.match(awaited, /condition met/);
  const stopped = await cluster.kubectl([
    ...['wait', '--for=jsonpath={.status.rollout.phase}=Stopped', 'shim/spin-v2', '--timeout=10s'],
  ]);
  t.match(stopped, /condition met/);
  t.equal(
    (await write({ status: { rollout: null } })).status,
    200,
    'before there is a rollout there is none',
  );
  t.equal((await write({ status: { rollout: { phase: 'Done' } } })).status, 422, 'while not everything goes');
  await cluster.kubectl(['delete', 'shims', '--all']);
});

t.test('kubectl explain describes the fields', async (t) => {
  const explain = async (field: string): Promise<string> =>
    (await cluster.kubectl(['explain', field])).replace(/\s+/g, ' ');
  t.match(await explain('shim'), /A Shim asks nodes to serve a runtime handler/);
  t.match(await explain('shim.spec'), /fetchStrategy <Object> -required- Where the shim comes from\./);
  t.match(await explain('shim.spec.fetchStrategy'), /A list of platforms wins over anonHttp/);
  t.match(
    await explain('shim.spec.fetchStrategy.platforms.sha256'),
    /as `curl -L LOCATION \| sha256sum` prints them\. A node refuses an artifact without one unless/,
  );
  t.match(
    await explain('shim.spec.runtimeClass.handler'),
    /then the controller gives the Shim a prepared handler/,
  );
  t.match(await explain('shim.spec.rolloutStrategy.rolling.maxUpdate'), /a number, or a percentage/);
  t.match(
    await explain('shim.spec.rolloutStrategy'),
    /The controller approves it on each node; in a cluster without one/,
  );
  t.match(await explain('shim.status.rollout'), /Stopped: too many nodes failed\./);
});

t.test('the RuntimeClass of a sample sends its Pod to the nodes that serve it', async (t) => {
  const files = (kind: string) => globSync(`bootstrap/samples/${kind}-*.yaml`, { cwd: root }).sort();
  for (const path of files('runtimeclass')) await cluster.kubectl(['apply', '-f', join(root, path)]);
  for (const path of files('pod')) {
    const made = await cluster.kubectl(['create', '--dry-run=server', '-o', 'json', '-f', join(root, path)]);
    const handler = read(`bootstrap/samples/shim-${basename(path).replace('pod-', '')}`).spec.runtimeClass;
    const label = `shim.rcm.spinkube.dev/${(handler as { handler: string }).handler}`;
    t.match((JSON.parse(made) as Shim).spec.nodeSelector, { [label]: 'served' }, path);
  }
});
