import t from 'tap';
import { keeperOf } from '../../../controller/observe/definition.ts';
import { goneRevision } from '../../../protocol/node-annotations.ts';
import type { View } from '../../../controller/model/fleet.ts';
import { finalizer } from '../../../controller/model/keys.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { startFleet } from '../../../testbed/controller/fleet-server.ts';
import { shortClock } from '../../../testbed/controller/timing.ts';
import { until } from '../../../testbed/until.ts';
import { always, paths, shim, statusOf, work, written } from '../../../testbed/controller/worker.ts';

const rollout = (revision: string) =>
  statusOf(3, {
    rollout: { revision, phase: 'Rolling', since: '2026-01-01T00:00:00Z' },
    conditions: [],
  });

const foreign = {
  metadata: { name: 'shims.runtime.spinkube.dev', annotations: { 'meta.helm.sh/release-name': 'rcm' } },
};

t.test(
  'under a definition without a status no Shim counts as deleted, and that is reported',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.world.keepsStatus = false;
    fleet.world.definition = foreign;
    fleet.put(paths.shims, shim('spin'));
    const { views, lines, metrics } = work(t, fleet, (view) => ({
      ...always,
      statuses: view.shims.map((one) => ({ shim: one, status: rollout('r1') })),
    }));
    await until(() => views.some(({ shims }) => shims[0]?.status !== undefined));
    const seen = views.length;
    await until(() => views.length > seen + 3);
    for (const { shims } of views) t.equal(shims.length, 1, 'the Shim stays in sight');
    t.match(views.at(-1)?.shims[0]?.status?.rollout, { revision: 'r1' }, 'and so does its rollout');
    t.equal(written(fleet, '/status').length, 1, 'the API server is not asked again and again');
    const errors = lines.filter(({ level }) => level === 'error');
    t.equal(errors.length, 1);
    t.match(errors[0]?.message, /shims\.runtime\.spinkube\.dev.*the Helm release "\/rcm"/);
    t.match(fleet.all(paths.events)[0], { type: 'Warning', reason: 'NoStatus', message: /Helm release/ });
    t.match(metrics.print(), /rcm_controller_shims_without_status 1/);
  },
);

t.test('the finalizer of a Shim is removed under a definition without a status', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.keepsStatus = false;
  const deletionTimestamp = '2026-01-01T00:00:00Z';
  fleet.put(paths.shims, shim('spin', { finalizers: [finalizer, 'other'], deletionTimestamp }));
  const decide = (view: View) => ({
    ...always,
    statuses: view.shims.map((one) => ({ shim: one, status: rollout(goneRevision) })),
    finalizers: view.shims.flatMap((one) =>
      one.finalizers.includes(finalizer) && one.status !== undefined
        ? [{ shim: one, finalizers: one.finalizers.filter((name) => name !== finalizer) }]
        : [],
    ),
  });
  const { lines } = work(t, fleet, decide);
  await until(() => fleet.get(paths.shims, 'spin')?.metadata.finalizers?.length === 1);
  t.match(
    lines.find(({ level }) => level === 'error')?.message,
    /is not the one of rcm-node: /,
    'without the right to read the definition it says what it knows',
  );
});

t.test('the status is written once the definition has one again', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.keepsStatus = false;
  fleet.put(paths.shims, shim('spin'));
  const ahead = { ms: 0 };
  const short = shortClock();
  const { views, lines, metrics } = work(
    t,
    fleet,
    (view) => ({ ...always, statuses: view.shims.map((one) => ({ shim: one, status: rollout('r1') })) }),
    { clock: { ...short, elapsed: () => short.elapsed() + ahead.ms } },
  );
  await until(() => views.some(({ shims }) => shims[0]?.status !== undefined));
  fleet.world.keepsStatus = true;
  ahead.ms = 61_000;
  await until(() => fleet.get(paths.shims, 'spin')?.status !== undefined);
  t.equal(lines.filter(({ level }) => level === 'error').length, 1);
  await until(() => metrics.print().includes('rcm_controller_shims_without_status 0'));
});

t.test('after a 404 of a proxy no Shim, Node or RuntimeClass counts as gone', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, shim('spin'));
  const { views } = work(t, fleet, (view) => ({
    ...always,
    statuses: view.shims.map((one) => ({ shim: one, status: rollout('r1') })),
    finalizers: view.shims.map((one) => ({ shim: one, finalizers: [finalizer] })),
  }));
  fleet.world.fail = ({ method }) => (method === 'PATCH' ? 404 : undefined);
  await until(() => written(fleet, '/shims/').length >= 2);
  const seen = views.length;
  await until(() => views.length > seen + 2);
  for (const { shims } of views) t.equal(shims.length, 1);
});

t.test('the owner of the definition is read from the annotations of installers', async (t) => {
  const by = (metadata: object) => keeperOf({ metadata });
  t.equal(
    by({
      annotations: {
        'argocd.argoproj.io/tracking-id': 'rcm:apiextensions.k8s.io/CustomResourceDefinition:/x',
      },
    }),
    'the Argo CD application "rcm"',
  );
  t.equal(by({ labels: { 'argocd.argoproj.io/instance': 'rcm' } }), 'the Argo CD application "rcm"');
  t.equal(
    by({
      labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps', 'kustomize.toolkit.fluxcd.io/namespace': 'flux' },
    }),
    'the Flux Kustomization "flux/apps"',
  );
  t.equal(
    by({ labels: { 'helm.toolkit.fluxcd.io/name': 'rcm', 'helm.toolkit.fluxcd.io/namespace': 'flux' } }),
    'the Flux HelmRelease "flux/rcm"',
  );
  t.equal(
    by({
      managedFields: [
        { manager: 'kubectl', time: '2026-01-02T00:00:00Z', fieldsV1: { 'f:spec': {} } },
        { manager: 'rcm-helm', time: '2026-01-03T00:00:00Z', fieldsV1: { 'f:spec': {} } },
        {
          manager: 'kube-apiserver',
          time: '2026-01-04T00:00:00Z',
          subresource: 'status',
          fieldsV1: { 'f:status': {} },
        },
      ],
    }),
    'the field manager "rcm-helm"',
  );
  t.equal(by({}), undefined);
  t.equal(keeperOf('no object'), undefined);
});
