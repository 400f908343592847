/** A process that a node is made of; folders stand for its cgroups here. */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { spawnIn } from '../../../testbed/machine/spawn.ts';

const started = (t: Test, script: string) => {
  const dir = t.testdir({});
  const cgroups = [join(dir, 'cgroup')] as const;
  return spawnIn({ dir, root: dir, cgroups, console: join(dir, 'console.log') }, ['sh', '-c', script]);
};

t.test('one that is not up in time is told of, with what it wrote', async (t) => {
  const child = started(t, 'echo starting; exec sleep 60');
  t.teardown(() => process.kill(child.pid, 'SIGKILL'));
  await t.rejects(
    child.until(async () => false, 500),
    { message: /was not up within 0\.5 s: starting/ },
  );
  await t.rejects(child.ended(100), { message: /did not end within 0\.1 s: starting/ });
});

t.test('one that has ended is not waited for', async (t) => {
  const child = started(t, 'echo no such option');
  await t.rejects(
    child.until(() => false),
    { message: /ended before it was up: no such option/ },
  );
  await child.ended();
});
