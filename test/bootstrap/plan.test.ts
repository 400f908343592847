/** The decisions that need no host: which folder, when again, in which order. */
import t from 'tap';
import { decide, folderFor, retryWait, type Seen } from '../../bootstrap/plan.ts';
import { emptyState } from '../../bootstrap/state.ts';
import { buildId, epoch, filesOf, plainly, unitText, unknownUnit } from '../../testbed/simulated/stage.ts';

const seen = (more: Partial<Seen> = {}): Seen => ({
  payload: { version: '0.2.0', files: filesOf('0.2.0'), unit: unitText('0.2.0') },
  settings: {},
  state: emptyState,
  linked: null,
  folders: {},
  units: {},
  files: {},
  service: unknownUnit,
  now: epoch,
  ...more,
});

t.test('nothing is written before it is recorded, and the link moves last', async (t) => {
  const plan = decide(seen(), plainly);
  t.equal(plan.kind, 'steps');
  t.same(plan.kind === 'steps' && plan.steps.map((step) => step.kind), [
    'remember',
    'place',
    'file',
    'link',
    'enable',
    'start',
    'prove',
    'remember',
  ]);
});

t.test('each version has a folder, and another build of it a second one', async (t) => {
  t.equal(folderFor(seen()), '0.2.0');
  t.equal(folderFor(seen({ folders: { '0.2.0': filesOf('0.2.0') } })), '0.2.0');
  const other = { 'rcm-node': 'other' };
  const beside = `0.2.0-${buildId('0.2.0').slice(0, 8)}`;
  t.equal(folderFor(seen({ folders: { '0.2.0': other } })), beside);
  const builds = { '0.2.0': { version: '0.2.0', files: filesOf('0.2.0') } };
  const damaged = seen({ state: { ...emptyState, builds }, folders: { '0.2.0': other } });
  t.equal(folderFor(damaged), '0.2.0', 'damage is no other build');
});

t.test('a failed build is tried again with growing pauses, whatever the clock says', async (t) => {
  const minutes = (attempts: number, at = epoch): number =>
    retryWait({ ...emptyState, failed: { id: { at, attempts, why: '' } } }, 'id', epoch) / 60_000;
  t.same(
    [1, 2, 3, 7, 8, 99].map((attempts) => minutes(attempts)),
    [5, 10, 20, 320, 360, 360],
  );
  t.equal(minutes(1, epoch + 9_000_000), 5, 'a clock that was set back delays by one period');
  t.equal(minutes(1, epoch - 300_000), 0);
  t.equal(retryWait(emptyState, 'id', epoch), 0);
});

t.test('a failed build can be retried at once on request', async (t) => {
  const failed = { [buildId('0.2.0')]: { at: epoch, attempts: 3, why: 'it died' } };
  const state = { ...emptyState, failed };
  t.match(decide(seen({ state }), plainly), { kind: 'refused', problem: { code: 'known-bad' } });
  t.match(decide(seen({ state }), { downgrade: false, force: true }), { kind: 'steps' });
});

t.test('a program of a package counts by the version that its unit names', async (t) => {
  const unit = 'Documentation=file:///opt/rcm-node/bin/versions/0.3.0/README.md\n';
  const service = { ...unknownUnit, load: 'loaded', active: 'active' } as const;
  const given = { linked: 'package', units: { package: unit }, service };
  t.match(decide(seen(given), plainly), {
    kind: 'refused',
    problem: { message: /this node has rcm-node 0\.3\.0, and this image is 0\.2\.0/ },
  });
  const older = { ...given, units: { package: unit.replace('0.3', '0.1') } };
  const plan = decide(seen(older), plainly);
  t.match(plan.kind === 'steps' && plan.steps.at(0), { change: { good: 'package' } });
});
