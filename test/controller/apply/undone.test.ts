import t from 'tap';
import { decideFleet } from '../../../controller/decide/decide.ts';
import { printSettings } from '../../../controller/model/class-settings.ts';
import { finalizer, shimKey } from '../../../controller/model/keys.ts';
import { needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import { type FleetServer, startFleet } from '../../../testbed/controller/fleet-server.ts';
import { until } from '../../../testbed/until.ts';
import { always, paths, shim, statusOf, work, written } from '../../../testbed/controller/worker.ts';

const count = (fleet: FleetServer, method: string): number =>
  written(fleet, '/runtimeclasses').filter((line) => line.startsWith(method)).length;

/** For as many passes as it would take to go on. */
const untilStill = async (seen: () => number, undo: () => void, enough: () => boolean): Promise<void> => {
  const undone = (what: () => boolean) =>
    until(() => {
      undo();
      return what();
    });
  await undone(enough);
  const passes = seen();
  await undone(() => seen() > passes + 8);
};

t.test(
  'a RuntimeClass with settings that is deleted each time is created again three times',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    const settings = { overhead: { podFixed: { memory: '1Mi' } } };
    const status = { ...statusOf(0), runtimeClass: printSettings(settings) };
    fleet.put(paths.shims, { ...shim('spin'), status });
    const { views } = work(t, fleet, (view) => ({ ...always, classes: decideFleet(view).classes }));
    const mine = { manager: 'rcm-node-controller', operation: 'Update', fieldsV1: { 'f:overhead': {} } };
    const undo = () => {
      const one = fleet.get(paths.classes, 'class-spin');
      const metadata = one?.metadata as { managedFields?: readonly unknown[] } | undefined;
      if (!one) return;
      // As the API server counts it to who made it, until that is given up.
      if (metadata?.managedFields === undefined)
        fleet.put(paths.classes, {
          ...one,
          metadata: { ...one.metadata, managedFields: [mine] } as typeof one.metadata,
        });
      else if (metadata.managedFields.length === 0) fleet.remove(paths.classes, 'class-spin');
    };
    await untilStill(
      () => views.length,
      undo,
      () => count(fleet, 'POST') >= 4,
    );
    t.equal(count(fleet, 'POST'), 4);
  },
);

t.test(
  'one that another program creates with another handler each time stands while ours waits',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.shims, shim('spin'));
    const { views } = work(t, fleet, (view) => ({ ...decideFleet(view), wakeAt: 0 }));
    const undo = () => {
      if (fleet.get(paths.classes, 'class-spin')?.handler !== 'spin') return;
      fleet.remove(paths.classes, 'class-spin');
      fleet.put(paths.classes, {
        metadata: { name: 'class-spin', labels: { [shimKey]: 'spin' } },
        handler: 'theirs',
      });
    };
    await until(() => count(fleet, 'POST') === 1);
    await untilStill(
      () => views.length,
      undo,
      () => count(fleet, 'POST') >= 4,
    );
    t.equal(count(fleet, 'POST'), 4);
    t.equal(count(fleet, 'DELETE'), 3, 'what stands there is better than nothing');
  },
);

t.test('a finalizer that another program adds again each time is removed slowly', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.put(paths.shims, shim('spin', { finalizers: [finalizer] }));
  const { views } = work(t, fleet, (view) => ({ ...always, finalizers: decideFleet(view).finalizers }));
  const patches = () => written(fleet, '/shims/spin').length;
  await untilStill(
    () => views.length,
    () => {
      const one = fleet.get(paths.shims, 'spin')!;
      if (one.metadata.finalizers?.length === 0)
        fleet.put(paths.shims, { ...one, metadata: { ...one.metadata, finalizers: [finalizer] } });
    },
    () => patches() >= 4,
  );
  t.equal(patches(), 4);
});
