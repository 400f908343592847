/**
 * Killed at any effect, the next run ends where an uninterrupted one would: the same bytes, the same handlers, and no
 * restart more than it takes. For every case of test/cases that has something to do. Every stop: it
 * takes minutes.
 */
import { readdirSync } from 'node:fs';
import t from 'tap';
import { burstOf, casesFolder, openCase } from '../../../testbed/simulated/node.ts';
import { type Story, survive } from './story.ts';

/** A small host is killed at every point; of the others a sample (more with CRASH in the environment, see story.ts), beginning elsewhere for each. */
const thorough = new Set(['2.1-absent']);
const names = readdirSync(casesFolder)
  .filter((name) => !name.startsWith('refuse'))
  .sort();

// Every effect of every case takes minutes, and other processes share the machine; a slow one is no failure.
t.setTimeout(process.env.CRASH ? 1_800_000 : 300_000);

for (const [index, name] of names.entries()) {
  const all = thorough.has(name);
  const every = name.includes('ten-shims') ? 131 : 41;
  t.test(`an installation on ${name} can be killed ${all ? 'anywhere' : 'here and there'}`, async (t) => {
    const story: Story = {
      open: (t) => openCase(t, name),
      run: (node, host) => node.once({}, host),
      restarts: 1,
    };
    await survive(t, story, all ? () => true : (at) => at % every === index % every);
  });
}

/** What is done before the end of a burst, and what is remembered of it, is no more than what a killed run may leave. */
for (const [index, name] of ['2.1-absent', '1.7-plain', 'crio-packaged'].entries())
  t.test(`a tick on ${name} that begins before the end of a burst can be killed anywhere`, (t) =>
    survive(
      t,
      {
        open: (t) => openCase(t, name),
        run: (node, host) => node.once({ burst: burstOf(node, host) }, host),
        restarts: 1,
      },
      index === 0 ? () => true : (at) => at % 17 === index,
    ),
  );
