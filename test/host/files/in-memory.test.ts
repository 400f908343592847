/** Files of /run, which are in memory: written at once, and not synced. */
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeFiles } from '../../../host/files/files.ts';
import { rejectedProblem } from '../../../testbed/failure.ts';

t.test('a file of /run is replaced whole, with its mode and whatever the umask is', async (t) => {
  const root = t.testdir({ run: { ours: {} } });
  const before = process.umask(0o077);
  t.teardown(() => process.umask(before));
  const files = makeFiles(root);
  await files.put('/run/ours/status', 'one', 0o644);
  await files.put('/run/ours/status', 'two', 0o644);
  const file = join(root, 'run/ours/status');
  t.equal(readFileSync(file, 'utf8'), 'two');
  t.equal(statSync(file).mode & 0o777, 0o644);
  t.strictSame(readdirSync(join(root, 'run/ours')), ['status']);
});

t.test('what cannot be written says why, and leaves nothing', async (t) => {
  const root = t.testdir({ run: { ours: {} } });
  const files = makeFiles(root);
  const said = { code: 'cannot-write', where: { file: '/run/none/status' } };
  t.match(await rejectedProblem(files.put('/run/none/status', 'x', 0o644)), said);
  mkdirSync(join(root, 'run/ours/status'));
  t.match(await rejectedProblem(files.put('/run/ours/status', 'x', 0o644)), { code: 'cannot-write' });
  t.strictSame(readdirSync(join(root, 'run/ours')), ['status']);
});
