/**
 * SIGKILL before every change of the file system that an install and an uninstall make, and around the restart: the
 * next run finishes or undoes, the runtime is restarted once in all, and in the end no foreign byte differs.
 */
import t, { type Test } from 'tap';
import type { Said } from './node/command.ts';
import { executable } from './node/install.ts';
import type { TestNode } from './node/node.ts';
import {
  bootWithRcmNode,
  census,
  censusDifference,
  handlersOverCri,
  rcmNode,
  startsOf,
  wishFor,
} from './node/service.ts';
import { makeStandInShim } from './node/shim.ts';
import { type Change, changes, prepareStrace, runKilledAfter, runKilledAt } from './node/strace.ts';

const progress = (line: string): void => t.comment(line);

const once = [executable, 'once'];
const uninstall = [executable, 'uninstall'];
const killed = 137;

type Ground = { readonly node: TestNode; readonly before: string; readonly foreign: readonly string[] };
type Run = (argv: readonly string[]) => Promise<Said>;

/** Both runs are cut short by `cut`, and continued; false when neither was cut, because it came to its end. */
const survives = async (t: Test, { node, before, foreign }: Ground, cut: Run): Promise<boolean> => {
  const started = await startsOf(node);
  const first = await cut(once);
  const second = await rcmNode(node, 'once');
  t.equal(second.code, 0, `${first.stderr}${second.stdout}${second.stderr}`);
  t.same(await handlersOverCri(node), [...foreign, 'spin-v2'].sort());
  t.equal(await startsOf(node), started + 1, 'one restart, whichever run made it');

  const third = await cut(uninstall);
  const fourth = await rcmNode(node, 'uninstall');
  t.equal(fourth.code, 0, `${third.stderr}${fourth.stdout}${fourth.stderr}`);
  t.same(await handlersOverCri(node), foreign);
  t.equal(await startsOf(node), started + 2, 'one more to take it out');
  t.same(censusDifference(before, await census(node)), []);
  for (const said of [first, third])
    if (said.code !== killed) t.equal(said.code, 0, said.stdout + said.stderr);
  return first.code === killed || third.code === killed;
};

const prepare = async (t: Test): Promise<Ground> => {
  // Neither the wait for a quiet moment nor a long proof is the subject here.
  const node = await bootWithRcmNode('forky', { progress, settings: 'stable = 1\nquiet = 0\n' });
  t.teardown(() => node.stop());
  await wishFor(node, 'spin-v2', shim);
  return { node, before: await census(node), foreign: await handlersOverCri(node) };
};

/** Two nodes share the work; each kind of call is counted for itself. */
const lanes: readonly (readonly Change[])[] = [
  ['rename', 'symlink'],
  ['link', 'unlink', 'rmdir'],
];

await prepareStrace(progress);
const shim = await makeStandInShim('forky', '1', progress);

t.equal(lanes.flat().length, Object.keys(changes).length, 'every kind of change is in a lane');
t.jobs = 2;

for (const lane of lanes)
  t.test(`killed before each ${lane.join(', each ')}`, { buffered: true }, async (t) => {
    const ground = await prepare(t);
    for (const change of lane)
      for (let at = 1, cut = true; cut; at += 1) {
        const run: Run = (argv) => runKilledAt(ground.node, change, at, argv);
        await t.test(`before ${change} number ${at}`, async (t) => {
          cut = await survives(t, ground, run);
        });
      }
  });

t.test('killed around the restart of the runtime', { buffered: true }, async (t) => {
  const ground = await prepare(t);
  for (const ms of [0, 20, 60, 150, 400, 1000]) {
    const run: Run = (argv) => runKilledAfter(ground.node, 'restarting containerd', ms, 'rcm-node', argv);
    await t.test(`${ms} ms after it was announced`, async (t) => {
      await survives(t, ground, run);
    });
  }
});
