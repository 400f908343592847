/** The test bed's artifacts: one process makes the same one for several nodes at a time. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeArtifact } from '../../testbed/artifacts/artifact.ts';

t.test('an artifact that is made several times at once exists once, without leftovers', async (t) => {
  const folder = t.testdir();
  const path = join(folder, 'spin-v2.tar.gz');
  const entries = [{ path: 'containerd-shim-spin-v2', bytes: Buffer.alloc(100_000, 'x'), mode: 0o755 }];
  const made = await Promise.all(Array.from({ length: 8 }, () => writeArtifact(path, entries)));
  t.equal(new Set(made.map(({ sha256 }) => sha256)).size, 1);
  t.same(readdirSync(folder), ['spin-v2.tar.gz']);
});
