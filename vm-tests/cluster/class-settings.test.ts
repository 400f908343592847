/**
 * What `spec.runtimeClass` asks for besides name and handler, on a real API server: the controller applies it to the
 * RuntimeClass, real admission gives it to new Pods, and what others set stays theirs. No node is booted.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { addServingNode } from '../../testbed/cluster/serving-node.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import { conditionOf, eventsOf, getShim, untilConditions } from '../../testbed/cluster/shim-status.ts';

const cluster = await clusterFor(t);
await admitController(cluster);
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-20_000)}`);
});

const classes = '/apis/node.k8s.io/v1/runtimeclasses';
const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';
const pods = '/api/v1/namespaces/default/pods';

type Toleration = { readonly key: string; readonly operator?: string };
type Settings = {
  readonly labels?: Readonly<Record<string, string>>;
  readonly overhead?: { readonly podFixed: Readonly<Record<string, string | number>> };
  readonly scheduling?: { readonly tolerations: readonly Toleration[] };
};
type RuntimeClass = Omit<Settings, 'labels'> & {
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly managedFields: readonly { readonly manager: string; readonly operation: string }[];
  };
};

const must = async (method: string, path: string, body: unknown): Promise<unknown> => {
  // A list is a JSON patch, which puts a whole field in the place of the former one.
  const type = Array.isArray(body) ? { type: 'application/json-patch+json' } : {};
  const { status, text, json } = await cluster.admin.request(method, path, { body, ...type });
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return json;
};

const shimOf = (name: string, settings: Settings) => ({
  apiVersion: 'runtime.spinkube.dev/v1alpha1',
  kind: 'Shim',
  metadata: { name },
  spec: {
    fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
    runtimeClass: { name, handler: name, ...settings },
  },
});
const addShim = (name: string, settings: Settings = {}) => must('POST', shims, shimOf(name, settings));
/** As `kubectl apply` of a file from which fields were taken, or to which they were added. */
const changeShim = async (name: string, settings: Settings): Promise<void> => {
  const value = shimOf(name, settings).spec.runtimeClass;
  await must('PATCH', `${shims}/${name}`, [{ op: 'replace', path: '/spec/runtimeClass', value }]);
};
const getClass = (name: string): Promise<RuntimeClass> => cluster.admin.get(`${classes}/${name}`);
const untilClass = (
  name: string,
  what: string,
  fits: (one: RuntimeClass) => boolean,
): Promise<RuntimeClass> =>
  cluster.waitFor(what, async () => {
    const { status, json } = await cluster.admin.request('GET', `${classes}/${name}`);
    return status === 200 && fits(json as RuntimeClass) && (json as RuntimeClass);
  });

const memoryOf = ({ overhead }: RuntimeClass) => overhead?.podFixed.memory;
const keysOf = ({ scheduling }: RuntimeClass) => (scheduling?.tolerations ?? []).map(({ key }) => key).join();
const tolerate = (...keys: readonly string[]) => ({
  scheduling: { tolerations: keys.map((key) => ({ key, operator: 'Exists' })) },
});
const memory = (amount: string) => ({ overhead: { podFixed: { memory: amount } } });

type Pod = {
  readonly spec: {
    readonly overhead?: Readonly<Record<string, string>>;
    readonly tolerations: readonly Toleration[];
  };
};
const podFor = (runtimeClassName: string) => ({
  metadata: { generateName: `${runtimeClassName}-` },
  spec: { runtimeClassName, containers: [{ name: 'main', image: 'none' }] },
});
/** What admission makes of a Pod that names the class and nothing else. */
const podOf = async (runtimeClassName: string): Promise<Pod['spec']> =>
  ((await must('POST', pods, podFor(runtimeClassName))) as Pod).spec;

t.test(
  'settings of a Shim, their change and their removal reach its RuntimeClass and new Pods',
  async (t) => {
    const full = {
      labels: { team: 'a' },
      // The API server writes these 500m and 1Gi, which is no other amount.
      overhead: { podFixed: { cpu: '0.5', memory: '1024Mi' } },
      ...tolerate('wasm'),
    };
    await addShim('full', full);
    const made = await untilClass('full', 'it is made', ({ metadata }) =>
      metadata.managedFields.every(({ operation }) => operation === 'Apply'),
    );
    t.match(made, {
      metadata: { labels: { team: 'a', 'rcm.spinkube.dev/shim': 'full' } },
      overhead: { podFixed: { cpu: '500m', memory: '1Gi' } },
      scheduling: { tolerations: [{ key: 'wasm', operator: 'Exists' }] },
    });
    const pod = await podOf('full');
    t.same(pod.overhead, { cpu: '500m', memory: '1Gi' });
    t.ok(pod.tolerations.some(({ key, operator }) => key === 'wasm' && operator === 'Exists'));
    const { status } = await untilConditions(cluster, 'full', 'Conflict=False NoConflict');
    t.equal(status?.runtimeClass, undefined, 'it is nothing that others set');

    await changeShim('full', { labels: { tier: 'x' }, ...memory('64Mi'), ...tolerate('other') });
    const changed = await untilClass('full', 'it is changed', (one) => memoryOf(one) === '64Mi');
    t.same(changed.overhead, { podFixed: { memory: '64Mi' } });
    t.equal(keysOf(changed), 'other');
    t.match(changed.metadata.labels, { tier: 'x', team: undefined });
    t.same((await podOf('full')).overhead, { memory: '64Mi' });

    await changeShim('full', {});
    const bare = await untilClass('full', 'it is gone', (one) => memoryOf(one) === undefined);
    t.equal(keysOf(bare), '');
    t.notMatch(Object.keys(bare.metadata.labels), ['tier']);
    t.equal(bare.metadata.uid, made.metadata.uid, 'all on one object');
    t.equal((await podOf('full')).overhead, undefined);
  },
);

t.test('a correct RuntimeClass is not written again', async (t) => {
  await addShim('still', { overhead: { podFixed: { cpu: '0.5', memory: '1e9' } } });
  const one = await untilClass('still', 'it is made', ({ metadata }) =>
    metadata.managedFields.every(({ operation }) => operation === 'Apply'),
  );
  await must('PATCH', `${shims}/still`, { metadata: { annotations: { looked: 'at' } } });
  await must('PATCH', `${shims}/still`, { spec: { nodeSelector: { pool: 'x' } } });
  const next = await untilClass(
    'still',
    'a pass has been',
    ({ metadata }) => metadata.resourceVersion !== one.metadata.resourceVersion,
  );
  await untilConditions(cluster, 'still', 'Conflict=False NoConflict');
  t.equal((await getClass('still')).metadata.resourceVersion, next.metadata.resourceVersion);
});

t.test('the labels for the template of a pool are printed as docs/node-pools.md says', async (t) => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/node-pools.md'), 'utf8');
  const [, command = ''] = /^\$ kubectl (get runtimeclass .*)$/m.exec(document) ?? [];
  const table = await cluster.kubectl(command.split(' '));
  t.match(table, /^still +map\[pool:x spinkube\.node-restriction\.kubernetes\.io\/still:served\]$/m);
});

t.test(
  'settings of a person stay, also on a new RuntimeClass; of one field the Shim takes precedence',
  async (t) => {
    await addShim('own', { labels: { tier: 'x' }, ...tolerate('wasm') });
    await untilClass('own', 'it is made', (one) => keysOf(one) === 'wasm');
    const asFlux = (body: object, force = false) =>
      cluster.admin.request('PATCH', `${classes}/own?fieldManager=flux${force ? '&force=true' : ''}`, {
        type: 'application/apply-patch+yaml',
        body: { ...{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', handler: 'own' }, ...body },
      });
    const theirs = { metadata: { name: 'own', labels: { team: 'a' } }, ...memory('64Mi') };
    t.equal((await asFlux(theirs)).status, 200, 'no conflict: it is not asked for by the Shim');
    const conflict = await asFlux({ ...theirs, ...tolerate('theirs') });
    t.equal(conflict.status, 409, 'what the Shim asks for is refused to another manager');
    t.match(conflict.text, /rcm-node-controller.*tolerations/);
    await cluster.waitFor('it is remembered', async () => {
      const { status } = await getShim(cluster, 'own');
      return status?.runtimeClass === '{"labels":{"team":"a"},"overhead":{"podFixed":{"memory":"64Mi"}}}';
    });
    const { uid } = (await getClass('own')).metadata;
    await must('DELETE', `${classes}/own`, {});
    const again = await untilClass(
      'own',
      'it is made anew',
      (one) => one.metadata.uid !== uid && memoryOf(one) === '64Mi',
    );
    t.match(again.metadata.labels, { team: 'a', tier: 'x' });
    t.equal(keysOf(again), 'wasm');

    await changeShim('own', { labels: { tier: 'x' }, ...memory('1Gi'), ...tolerate('wasm') });
    await untilClass('own', 'the Shim has it', (one) => memoryOf(one) === '1Gi');
    const told = await cluster.waitFor('an Event', async () =>
      (await eventsOf(cluster, 'own')).find((line) => line.includes('RuntimeClassSettingsReplaced')),
    );
    t.match(told, /took the place of what was there.*: overhead\.podFixed\.memory/);
    await changeShim('own', {});
    const bare = await untilClass('own', 'what the Shim had is gone', (one) => memoryOf(one) === undefined);
    t.match(bare.metadata.labels, { team: 'a', tier: undefined });
  },
);

t.test('a manager that reverts settings of the Shim is named', async (t) => {
  await addShim('contested', memory('64Mi'));
  await untilClass('contested', 'it is made', (one) => memoryOf(one) === '64Mi');
  const conflict = await cluster.waitFor('it is said', async () => {
    if (memoryOf(await getClass('contested')) === '64Mi')
      await must('PATCH', `${classes}/contested?fieldManager=kubectl-edit`, memory('1Gi'));
    const one = conditionOf(await getShim(cluster, 'contested'), 'Conflict');
    return one?.reason === 'RuntimeClassOverwritten' && one;
  });
  t.match(conflict.message, /by kubectl-edit, so/);
});

t.test('a rejected setting is reported with its field, and the RuntimeClass stays as it was', async (t) => {
  await addShim('odd', memory('64Mi'));
  await addShim('other', memory('64Mi'));
  await untilClass('odd', 'it is made', (one) => memoryOf(one) === '64Mi');
  // A device is whole or not at all, which the definition of Shims leaves to the API of RuntimeClasses.
  const half = { overhead: { podFixed: { memory: '1Gi', 'example.com/fpga': '500m' } } };
  await changeShim('odd', half);
  await addShim('odder', half);
  await changeShim('other', memory('1Gi'));
  for (const name of ['odd', 'odder']) {
    const shim = await untilConditions(
      cluster,
      name,
      'Conflict=True RuntimeClassRefused',
      'Stalled=True RuntimeClassRefused',
    );
    const { message = '' } = conditionOf(shim, 'Conflict') ?? {};
    t.match(message, new RegExp(`^The RuntimeClass ${name} is .*, but the API server rejects it: `));
    // The API judges an overhead as limits of a container, and names it so.
    t.match(message, /: it does not accept overhead\.limits\[example\.com\/fpga\]; if it names/);
    t.match(message, /correct .* in spec\.runtimeClass of this Shim\.$/);
    await cluster.waitFor('an Event', async () =>
      (await eventsOf(cluster, name)).some((line) => line.startsWith('Warning RuntimeClassRefused')),
    );
  }
  t.equal(memoryOf(await getClass('odd')), '64Mi');
  t.equal((await cluster.admin.request('GET', `${classes}/odder`)).status, 404);
  await untilClass('other', 'another Shim is served', (one) => memoryOf(one) === '1Gi');
  for (const name of ['odd', 'odder']) {
    await changeShim(name, memory('1Gi'));
    await untilClass(name, 'it is corrected', (one) => memoryOf(one) === '1Gi');
    await untilConditions(cluster, name, 'Conflict=False NoConflict');
  }
});

t.test(
  'the scheduler goes by them: a taint of the pool is tolerated, and the overhead needs room',
  async (t) => {
    const pool = { pool: 'dedicated' };
    const ask = (name: string, settings: Settings) => {
      const { spec, ...rest } = shimOf(name, settings);
      return must('POST', shims, { ...rest, spec: { ...spec, nodeSelector: pool } });
    };
    await ask('roomy', { ...memory('1Gi'), ...tolerate('dedicated') });
    const taints = [{ key: 'dedicated', value: 'wasm', effect: 'NoSchedule' }];
    await addServingNode(cluster, 'node-dedicated', 'roomy', pool, taints);
    await untilConditions(cluster, 'roomy', 'Available=True Served');
    type Bound = {
      readonly spec: { readonly nodeName?: string };
      readonly status: { readonly conditions?: readonly { readonly message?: string }[] };
    };
    const bind = async (): Promise<string> => {
      const { metadata } = (await must('POST', pods, podFor('roomy'))) as { metadata: { name: string } };
      return cluster.waitFor('the scheduler looked at it', async () => {
        const { spec, status } = await cluster.admin.get<Bound>(`${pods}/${metadata.name}`);
        return spec.nodeName ?? status.conditions?.find(({ message }) => message)?.message;
      });
    };
    t.equal(await bind(), 'node-dedicated');
    await changeShim('roomy', { ...memory('16Gi'), ...tolerate('dedicated') });
    await untilClass('roomy', 'it needs more room', (one) => memoryOf(one) === '16Gi');
    t.match(await bind(), /Insufficient memory/);
    await changeShim('roomy', memory('1Gi'));
    await untilClass('roomy', 'it tolerates nothing', (one) => keysOf(one) === '');
    t.match(await bind(), /untolerated taint/);
  },
);
