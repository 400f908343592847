/** A program's deadline holds whatever the program leaves behind. */
import t from 'tap';
import { attempt } from '../../../testbed/machine/command.ts';

const late = { code: 137, stdout: 'said\n', stderr: /no end after 1000 ms/ };

t.test('a program that runs on is killed with its children', async (t) => {
  t.match(await attempt(['sh', '-c', 'echo said; sleep 60 & wait'], { timeoutMs: 1_000 }), late);
});

/** In a session of its own, so that no signal to the group reaches it. */
const left = 'setsid sleep 30 & echo said';

for (const [what, script] of [
  ['has ended', left],
  ['runs on', `${left}; sleep 60`],
] as const)
  t.test(`nothing waits for what still holds the output of a program that ${what}`, async (t) => {
    const began = performance.now();
    t.match(await attempt(['sh', '-c', script], { timeoutMs: 1_000 }), late);
    t.ok(performance.now() - began < 20_000, 'the other process still runs');
  });
