/** The executable needs nothing but its own folder: it starts on bare Debian trees with an empty environment. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { builtDist, builtExecutable } from '../testbed/artifacts/build.ts';
import { bootNode } from '../testbed/node/node.ts';

const progress = (line: string): void => t.comment(line);

for (const suite of ['bookworm', 'trixie', 'forky'] as const)
  t.test(`the executable starts on a bare ${suite} host`, async (t) => {
    const from = await builtExecutable(progress);
    const binds = { '/opt/sealed': { from, readOnly: true } };
    const node = await bootNode({ suite, kind: 'minbase', progress, binds });
    t.teardown(() => node.stop());
    const say = (...argv: readonly string[]) =>
      node.exec(['/usr/bin/env', '-i', '/opt/sealed/rcm-node', ...argv]);
    t.match(await say('version'), { code: 0, stdout: /^rcm-node \d+\.\d+\.\d+\n$/, stderr: '' });
    t.match(await say('--help'), { code: 0, stdout: /^ +doctor +/m, stderr: '' });
    t.match(await say('status'), { code: 1, stdout: '', stderr: /rcm-node has not run on this host/ });
    // These load the large half of it, ask systemd over D-Bus, and find that there is no runtime here.
    t.match(await say('plan'), { code: 3, stdout: /there is no unit containerd\.service/ });
    t.match(await say('doctor'), { code: 1, stdout: /systemd: version \d\S* answers over D-Bus/ });
  });

t.test('the executables of both architectures need no glibc newer than 2.28', async (t) => {
  const dist = await builtDist(progress);
  for (const architecture of ['linux-x64', 'linux-arm64']) {
    const text = readFileSync(join(dist, architecture, 'rcm-node')).toString('latin1');
    const minors = [...text.matchAll(/\bGLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
    t.equal(Math.max(...minors), 28, architecture);
  }
});
