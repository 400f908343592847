/** The executable needs nothing but its own folder: it starts on bare Debian trees with an empty environment. */
import t from 'tap';
import { builtExecutable } from './node/build.ts';
import { attempt } from './node/command.ts';
import { prepareImage } from './node/images.ts';

const progress = (line: string): void => t.comment(line);

for (const suite of ['bookworm', 'trixie', 'forky'] as const)
  t.test(`the executable starts on ${suite} without any package of its own`, async (t) => {
    const from = await builtExecutable(progress);
    const tree = await prepareImage(suite, 'minbase', progress);
    const say = (...argv: readonly string[]) =>
      attempt(
        [
          'systemd-nspawn',
          '--quiet',
          `--directory=${tree}`,
          // The tree itself is shared by all tests; what is written goes away.
          '--volatile=overlay',
          '--register=no',
          '--keep-unit',
          '--private-network',
          '--pipe',
          `--bind-ro=${from}:/opt/sealed`,
          '--',
          '/usr/bin/env',
          '-i',
          '/opt/sealed/rcm-node',
          ...argv,
        ],
        { timeoutMs: 60_000 },
      );
    t.match(await say('version'), { code: 0, stdout: /^rcm-node \d+\.\d+\.\d+\n$/ });
    t.match(await say('--help'), { code: 0, stdout: /^ +doctor +/m, stderr: '' });
    t.match(await say('status'), { code: 1, stdout: '', stderr: /rcm-node has not run on this host/ });
    const plan = await say('plan');
    t.match(plan, { stdout: /containerd|systemd/ }, 'the large half of it loads too');
    t.not(plan.code, 0);
  });
