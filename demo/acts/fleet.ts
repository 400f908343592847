/** Act 9: many nodes. A new handler goes through them in waves; a version that fails stops at its first node. */
import { check } from '../disproved.ts';
import { duration } from '../fit.ts';
import { type Fleet, restartMs, startDemoFleet, type Change } from '../fleet.ts';
import { type Stage, until } from '../stage/stage.ts';

const size = 24;
const atOnce = 6;
const strategy = { rolloutStrategy: { type: 'rolling', rolling: { maxUpdate: '25%', maxFailures: 1 } } };

/** Approvals that were given together, or as soon as one of these was done. */
const wavesOf = (changes: readonly Change[]): readonly (readonly Change[])[] => {
  const waves: Change[][] = [];
  for (const change of changes) {
    const last = waves.at(-1)?.at(-1);
    if (last?.zone === change.zone && change.at - last.at < 250) waves.at(-1)?.push(change);
    else waves.push([change]);
  }
  return waves;
};

const tellWaves = ({ screen }: Stage, changes: readonly Change[], began: number): void => {
  for (const wave of wavesOf(changes)) {
    const at = duration((wave[0]?.at ?? began) - began);
    screen.output(
      `after ${at.padStart(6)}  zone ${wave[0]?.zone}  ${wave.map(({ node }) => node).join(' ')}`,
    );
  }
};

const phaseIs = (fleet: Fleet, phase: string): boolean => fleet.status()?.rollout?.phase === phase;

const rollOut = async (stage: Stage, fleet: Fleet): Promise<void> => {
  const { screen } = stage;
  screen.call('PUT shims/spin: all nodes, maxUpdate 25%, maxFailures 1');
  const began = Date.now();
  fleet.ask({ nodeSelector: {}, ...strategy });
  await screen.during('the rollout', () =>
    until(
      'all nodes proven, and the Shim Complete',
      60,
      () => phaseIs(fleet, 'Complete') && fleet.proven() === size,
      () => fleet.status(),
    ),
  );
  const took = Date.now() - began;
  tellWaves(stage, fleet.changes, began);
  const [first, second] = wavesOf(fleet.changes);
  check(first?.length === 1 && second !== undefined, 'the first node alone', wavesOf(fleet.changes));
  check(fleet.most <= atOnce, `at most ${atOnce} nodes at once`, fleet.most);
  check(fleet.restarts() === size, 'one restart for each node', fleet.restarts());
  screen.proven(
    `One node alone at first, then at most ${fleet.most} of ${size} at once, zone after zone: all are proven after ${duration(took)}.`,
  );
  stage.figures.push(
    [`rollout to ${size} simulated nodes, restarts of ${restartMs} ms`, duration(took)],
    ['nodes approved at once, of 6 allowed', `${fleet.most}`],
  );
};

const stop = async (stage: Stage, fleet: Fleet): Promise<void> => {
  const { screen } = stage;
  const before = fleet.changes.length;
  fleet.fail();
  screen.remark('Now a version that no node comes up with:');
  screen.call('PUT shims/spin: another version');
  fleet.ask({ version: 2 });
  await screen.during('the rollout', () =>
    until(
      'the rollout stopped',
      60,
      () => phaseIs(fleet, 'Stopped'),
      () => fleet.status(),
    ),
  );
  const message = fleet.status()?.conditions.find(({ type }) => type === 'Progressing')?.message ?? '';
  screen.output(`Progressing: ${message}`, 'whole');
  check(fleet.changes.length === before + 1, 'one node tried it', fleet.changes.slice(before));
  check(fleet.proven() === size, `all ${size} nodes still proven on the version before`, fleet.proven());
  screen.proven(
    `One node tried it, and undid it. The other ${size - 1} were never approved; all ${size} serve on.`,
  );
};

export const actFleet = async (stage: Stage): Promise<void> => {
  const { screen } = stage;
  screen.title(
    '9/9  A fleet: the controller takes a new handler through 24 nodes in waves, and stops a bad one',
  );
  screen.remark(
    `The nodes are simulated, with restarts of ${restartMs} ms; the controller is the real one, over TLS.`,
    'close',
  );
  const fleet = await startDemoFleet(size);
  try {
    await rollOut(stage, fleet);
    await stop(stage, fleet);
  } finally {
    await fleet.stop();
  }
};
