/**
 * The RuntimeClasses that the controller keeps, on a real API server: where its real scheduler sends their Pods. Nodes are
 * objects alone, which say that they serve what they are asked for; none is booted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { faultsOf, skip } from '../../testbed/prometheus/check.ts';
import { clusterFor } from '../../testbed/cluster/cluster.ts';
import { addServingNode } from '../../testbed/cluster/serving-node.ts';
import { admitController, controllerOf } from '../../testbed/cluster/controller.ts';
import {
  conditionOf,
  eventsOf,
  getShim,
  provenOn,
  untilConditions,
} from '../../testbed/cluster/shim-status.ts';
import type { NodeObject } from '../../testbed/cluster/join.ts';

const cluster = await clusterFor(t);
await admitController(cluster);
const controller = await controllerOf(cluster, 'controller');
await controller.start();
t.teardown(() => {
  if (!t.passing()) t.comment(`--- controller\n${controller.log().slice(-20_000)}`);
});

const classes = '/apis/node.k8s.io/v1/runtimeclasses';
const shims = '/apis/runtime.spinkube.dev/v1alpha1/shims';

type RuntimeClass = {
  readonly metadata: { readonly uid: string; readonly labels: Readonly<Record<string, string>> };
  readonly handler: string;
  readonly scheduling: { readonly nodeSelector: Readonly<Record<string, string>> };
};

const must = async (method: string, path: string, body: unknown): Promise<unknown> => {
  const { status, text, json } = await cluster.admin.request(method, path, { body });
  if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
  return json;
};
const getClass = (name: string): Promise<RuntimeClass> => cluster.admin.get(`${classes}/${name}`);
const proofOf = (handler: string) => ({ [`spinkube.node-restriction.kubernetes.io/${handler}`]: 'served' });

const addShim = (name: string, handler: string, nodeSelector: Readonly<Record<string, string>>) =>
  must('POST', shims, {
    apiVersion: 'runtime.spinkube.dev/v1alpha1',
    kind: 'Shim',
    metadata: { name },
    spec: {
      nodeSelector,
      fetchStrategy: { anonHttp: { location: 'https://example.com/shim', sha256: 'ab'.repeat(32) } },
      runtimeClass: { name, handler },
    },
  });

const node = (name: string): Promise<NodeObject> => cluster.admin.get(`/api/v1/nodes/${name}`);

/** Where the scheduler sends so many Pods of a class; no kubelet runs them. */
const placesOf = async (runtimeClassName: string, count: number): Promise<ReadonlySet<string>> => {
  const pods = '/api/v1/namespaces/default/pods';
  const names = Array.from({ length: count }, (_, index) => `${runtimeClassName}-${index}`);
  for (const name of names)
    await must('POST', pods, {
      metadata: { name },
      spec: { runtimeClassName, containers: [{ name: 'main', image: 'none' }] },
    });
  const placed = await Promise.all(
    names.map((name) =>
      cluster.waitFor(`${name} has a node`, async () => {
        const { spec } = await cluster.admin.get<{ spec: { nodeName?: string } }>(`${pods}/${name}`);
        return spec.nodeName;
      }),
    ),
  );
  return new Set(placed);
};

t.test('Pods of two Shims with one handler stay in their pools', async (t) => {
  await addShim('stable', 'spin', { track: 'stable' });
  await addServingNode(cluster, 'node-stable', 'stable', { track: 'stable' });
  await addShim('canary', 'spin', { track: 'canary' });
  await addServingNode(cluster, 'node-canary', 'canary', { track: 'canary' });
  for (const name of ['stable', 'canary']) {
    await cluster.waitFor(`node-${name} is proven`, async () =>
      provenOn(await node(`node-${name}`)).includes('spin'),
    );
    await untilConditions(cluster, name, 'Available=True Served', 'Conflict=False NoConflict');
    t.same((await getClass(name)).scheduling.nodeSelector, { track: name, ...proofOf('spin') });
    t.same([...(await placesOf(name, 6))], [`node-${name}`]);
  }
  await addShim('wide', 'spin', {});
  await untilConditions(cluster, 'wide', 'Conflict=True HandlerClaimed');
});

t.test('a RuntimeClass follows the nodeSelector of its Shim, and no other one changes', async (t) => {
  const { uid } = (await getClass('canary')).metadata;
  const until = (what: string, fits: (one: RuntimeClass) => boolean): Promise<RuntimeClass> =>
    cluster.waitFor(what, async () => {
      const one = await getClass('canary');
      return fits(one) && one;
    });
  await must('PATCH', `${shims}/canary`, { spec: { nodeSelector: { track: null, pool: 'new' } } });
  const moved = await until('it selects the new pool', ({ scheduling }) => 'pool' in scheduling.nodeSelector);
  t.same(moved.scheduling.nodeSelector, { pool: 'new', ...proofOf('spin') });
  await controller.stop();
  // As earlier versions made it.
  await must('PATCH', `${classes}/canary`, { scheduling: { nodeSelector: { pool: null } } });
  await controller.start();
  const upgraded = await until('it is right again', ({ scheduling }) => 'pool' in scheduling.nodeSelector);
  t.same([moved.metadata.uid, upgraded.metadata.uid], [uid, uid]);
});

t.test('a RuntimeClass that Git reverts is corrected slowly, and its Shim names the writer', async (t) => {
  const flips = { count: 0 };
  const writeBack = async (): Promise<void> => {
    if ('from' in (await getClass('canary')).scheduling.nodeSelector) return;
    flips.count++;
    const theirs = { scheduling: { nodeSelector: { from: 'git' } } };
    await must('PATCH', `${classes}/canary?fieldManager=argocd-controller`, theirs);
  };
  await cluster.waitFor('it is said', async () => {
    await writeBack();
    const conflict = conditionOf(await getShim(cluster, 'canary'), 'Conflict');
    return (
      conflict?.reason === 'RuntimeClassOverwritten' && /by argocd-controller, so/.test(conflict.message)
    );
  });
  for (const end = Date.now() + 5000; Date.now() < end; await sleep(200)) await writeBack();
  t.ok(flips.count <= 5, `${flips.count} times`);
  const metrics = await controller.metrics();
  t.match(metrics, /^rcm_controller_overwritten 1$/m);
  await t.test('promtool finds nothing to say of its metrics', { skip }, async (t) => {
    t.equal(faultsOf(metrics), '');
  });
  await untilConditions(cluster, 'canary', 'Available=False RuntimeClassOverwritten');
  const told = await cluster.waitFor('an Event', async () =>
    (await eventsOf(cluster, 'canary')).find((line) => line.includes('RuntimeClassOverwritten')),
  );
  t.match(told, /^Warning RuntimeClassOverwritten: .* by argocd-controller/);
});

t.test('a RuntimeClass that is deleted each time is created again slowly', async (t) => {
  const uids = new Set<string>();
  await cluster.waitFor('it is said', async () => {
    const { status, json } = await cluster.admin.request('GET', `${classes}/stable`);
    if (status === 200) {
      uids.add((json as RuntimeClass).metadata.uid);
      await must('DELETE', `${classes}/stable`, {});
    }
    return conditionOf(await getShim(cluster, 'stable'), 'Conflict')?.reason === 'RuntimeClassOverwritten';
  });
  t.ok(uids.size <= 5, `${uids.size} times`);
});

/** A rule of a cluster's owner: what was set on a class before may not be set on a new one. */
const noNewOverhead = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: { name: no-new-overhead }
spec:
  matchConstraints:
    resourceRules:
      - { apiGroups: [node.k8s.io], apiVersions: ['*'], operations: [CREATE], resources: [runtimeclasses] }
  validations: [{ expression: '!has(object.overhead)' }]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: { name: no-new-overhead }
spec: { policyName: no-new-overhead, validationActions: [Deny] }
`;

t.test(
  'settings of others on a RuntimeClass survive another handler, another name, and a deletion by hand',
  async (t) => {
    type Set = RuntimeClass & {
      readonly overhead?: object;
      readonly scheduling: { readonly tolerations?: readonly { readonly key: string }[] };
      readonly metadata: {
        readonly annotations?: Readonly<Record<string, string>>;
        readonly managedFields: readonly { readonly manager: string; readonly operation: string }[];
      };
    };
    await addShim('own', 'own', {});
    const until = (name: string, what: string, fits: (one: Set) => boolean): Promise<Set> =>
      cluster.waitFor(what, async () => {
        const { status, json } = await cluster.admin.request('GET', `${classes}/${name}`);
        return status === 200 && fits(json as Set) && (json as Set);
      });
    await until('own', 'the class is there', () => true);
    const asFlux = (handler: string, key: string) =>
      cluster.admin.request('PATCH', `${classes}/own?fieldManager=flux`, {
        type: 'application/apply-patch+yaml',
        body: {
          ...{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', handler },
          metadata: { name: 'own', labels: { team: 'a' }, annotations: { note: 'x' } },
          overhead: { podFixed: { memory: '64Mi' } },
          scheduling: { tolerations: [{ key, operator: 'Exists' }] },
        },
      });
    t.equal((await asFlux('own', 'wasm')).status, 200);
    const isKept =
      (key: string) =>
      ({ metadata, overhead, scheduling }: Set): boolean =>
        metadata.labels.team === 'a' &&
        metadata.annotations?.note === 'x' &&
        JSON.stringify(overhead) === '{"podFixed":{"memory":"64Mi"}}' &&
        scheduling.tolerations?.[0]?.key === key &&
        !metadata.managedFields.some(
          ({ manager, operation }) => manager === 'rcm-node-controller' && operation === 'Update',
        );
    const first = await getClass('own');
    await must('PATCH', `${shims}/own`, { spec: { runtimeClass: { handler: 'other' } } });
    const other = await until(
      'own',
      'it has the other handler and all else',
      (one) => one.handler === 'other' && isKept('wasm')(one),
    );
    t.not(other.metadata.uid, first.metadata.uid);
    t.equal((await asFlux('other', 'newer')).status, 200, 'no conflict: what was carried over is not ours');
    await cluster.waitFor('it is remembered', async () => {
      const { status } = await getShim(cluster, 'own');
      return status?.runtimeClass?.includes('"key":"newer"');
    });
    await must('DELETE', `${classes}/own`, {});
    const again = await until('own', 'it is made anew as it was', isKept('newer'));
    t.not(again.metadata.uid, other.metadata.uid);
    await must('PATCH', `${shims}/own`, { spec: { runtimeClass: { name: 'renamed' } } });
    await until('renamed', 'it has another name and all else', isKept('newer'));
    await cluster.apply(noNewOverhead);
    await cluster.waitFor('the cluster refuses new classes with an overhead', async () => {
      const body = {
        ...{ apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', handler: 'x' },
        metadata: { name: 'refused' },
        overhead: { podFixed: { memory: '64Mi' } },
      };
      return (await cluster.admin.request('POST', `${classes}?dryRun=All`, { body })).status >= 400;
    });
    await must('DELETE', `${classes}/renamed`, {});
    await until(
      'renamed',
      'it is made without what cannot be made here',
      ({ overhead }) => overhead === undefined,
    );
  },
);
