/**
 * SIGKILL before every change of the file system that an install and an uninstall make, and around the restart: the
 * next run finishes or undoes, the runtime is restarted once in all, and in the end no foreign byte differs.
 */
import t, { type Test } from 'tap';
import type { Said } from '../testbed/machine/command.ts';
import { executable } from '../testbed/node/install.ts';
import { nightly, type Row, rows } from '../testbed/node/rows.ts';
import { census, censusDifference, handlersOverCri, rcmNode, startsOf } from '../testbed/node/service.ts';
import type { TestNode } from '../testbed/node/test-node.ts';
import {
  type Change,
  changesOf,
  prepareStrace,
  runKilledAfter,
  runKilledBefore,
} from '../testbed/node/strace.ts';

const progress = (line: string): void => t.comment(line);

const once = [executable, 'once'];
const uninstall = [executable, 'uninstall'];
const killed = 137;

type Ground = { readonly node: TestNode; readonly before: string; readonly foreign: readonly string[] };

/** A run that does not come to its end. */
type Cut = () => Promise<Said>;

const survives = async (t: Test, ground: Ground, install: Cut, removal: Cut): Promise<void> => {
  const { node, before, foreign } = ground;
  const started = await startsOf(node);
  const first = await install();
  const second = await rcmNode(node, 'once');
  t.equal(second.code, 0, `${first.stderr}${second.stdout}${second.stderr}`);
  t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
  t.equal(await startsOf(node), started + 1, 'one restart, whichever run made it');

  const third = await removal();
  const fourth = await rcmNode(node, 'uninstall');
  t.equal(fourth.code, 0, `${third.stderr}${fourth.stdout}${fourth.stderr}`);
  t.same(await handlersOverCri(node), foreign);
  t.equal(await startsOf(node), started + 2, 'one more to take it out');
  t.same(censusDifference(before, await census(node)), []);
  t.same([first.code, third.code], [killed, killed], 'both were really killed');
};

await prepareStrace(progress);

const prepare = async (t: Test, row: Row): Promise<Ground> => {
  // Neither the wait for a quiet moment nor a long proof is the subject here.
  const node = await row.boot({ progress, settings: 'stable = 1\nquiet = 0\n' });
  t.teardown(() => node.stop());
  await row.writeShim(node, 'spin-v2', await row.artifact('spin-v2', '1', progress));
  // Made by the first run only: with it there, every run makes the same calls.
  await node.run(['mkdir', '/run/rcm-node']);
  return { node, before: await census(node), foreign: await handlersOverCri(node) };
};

const named = ({ call, path }: Change): string => `${call} of ${path.replace(/[0-9a-f]{12,64}/g, '…')}`;

const lanes = 2;
t.jobs = lanes;

/** test/reconcile/whole/ kills both at each effect on simulated hosts, whenever something lands. */
const skips = { forky: false, crio: nightly('the changes are the same as on containerd') } as const;

for (const name of ['forky', 'crio'] as const)
  for (let lane = 0; lane < lanes; lane += 1)
    t.test(
      `killed before each change, ${rows[name].name} ${lane + 1} of ${lanes}`,
      { buffered: true, skip: skips[name] },
      async (t) => {
        const ground = await prepare(t, rows[name]);
        const { node } = ground;
        const installs = await changesOf(node, once);
        const removals = await changesOf(node, uninstall);
        t.ok(installs.length > 5 && removals.length > 5, 'the changes were seen');
        for (let at = lane; at < Math.max(installs.length, removals.length); at += lanes) {
          // The shorter list is gone through again.
          const install = installs[at % installs.length]!;
          const removal = removals[at % removals.length]!;
          await t.test(`before ${named(install)}, and before ${named(removal)}`, (t) =>
            survives(
              t,
              ground,
              () => runKilledBefore(node, install, once),
              () => runKilledBefore(node, removal, uninstall),
            ),
          );
        }
      },
    );

for (const row of [rows.forky, rows.crio])
  t.test(`killed around the restart of the runtime of ${row.name}`, { buffered: true }, async (t) => {
    const ground = await prepare(t, row);
    const cut = (ms: number, argv: readonly string[]) => () =>
      runKilledAfter(ground.node, `restarting ${row.unit}`, ms, 'rcm-node', argv);
    for (const ms of [0, 20, 60, 150, 400, 1000])
      await t.test(`${ms} ms after it was announced`, (t) =>
        survives(t, ground, cut(ms, once), cut(ms, uninstall)),
      );
  });
