import t from 'tap';
import { podLimitMib } from '../../bench/fleet/built-controller.ts';
import { fleetRows, type GivenFleet } from '../../bench/fleet/fleet-rows.ts';
import { isMissed } from '../../bench/row.ts';

const sample = { cpuSeconds: 10, residentMb: 200, peakMb: 240, anonMb: 120, groupMb: 180 };

const given: GivenFleet = {
  ...{ nodes: 15_000, whole: 14_000, podMib: 512, seconds: 20, serving: 9_000 },
  ...{ synced: sample, rolling: { ...sample, serving: 1_000 }, rounds: [120, 121, 122], after: sample },
};

const missed = (more: Partial<GivenFleet> = {}): readonly string[] =>
  fleetRows({ ...given, ...more })
    .filter(isMissed)
    .map(({ what }) => what);

t.test('a controller within 350 MB, and within three quarters of its Pod, keeps every limit', async (t) => {
  t.same(missed(), []);
});

t.test('more than either is over a limit', async (t) => {
  t.same(missed({ after: { ...sample, peakMb: 351 } }), ['15000 nodes: most memory of the controller']);
  t.same(missed({ after: { ...sample, groupMb: 410 } }), [
    '15000 nodes: memory of its Pod, against its limit',
  ]);
});

t.test('the rows say how often kubelets wrote, and for how long that is', async (t) => {
  const text = JSON.stringify(fleetRows(given));
  t.match(text, '45000 writes of kubelets');
  t.match(text, 'after what kubelets write in 15 minutes');
});

t.test('the limit of the Pod is that of the Deployment', async (t) => {
  t.equal(podLimitMib(), 512);
});
