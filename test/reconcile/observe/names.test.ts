import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type Files, makeFiles } from '../../../host/files/files.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import { namesIn } from '../../../daemon/reconcile/observe/names.ts';

t.test('a missing folder, or a file in its place, is empty', async (t) => {
  const files = makeFiles(t.testdir({ folder: { b: '', a: '' }, file: '' }));
  t.same(await namesIn(files, '/folder'), ['a', 'b']);
  t.same(await namesIn(files, '/none'), []);
  t.same(await namesIn(files, '/file'), []);
});

t.test('an unreadable folder does not count as empty', async (t) => {
  const files = makeFiles(t.testdir({ folder: {} }));
  const failing: Files = {
    ...files,
    names: async () => {
      throw new Failure({ code: 'unreadable-source', message: 'the folder cannot be read: EIO' });
    },
  };
  await t.rejects(namesIn(failing, '/folder'), /EIO/);
});

t.test('nor does one of which it cannot be seen whether it is a folder', async (t) => {
  const root = t.testdir({ closed: { folder: { file: '' } } });
  chmodSync(join(root, 'closed'), 0o000);
  const isRoot = process.getuid?.() === 0;
  // Root may read everything.
  if (isRoot) process.seteuid?.(65_534);
  const found = await namesIn(makeFiles(root), '/closed/folder').catch((error: unknown) => error);
  if (isRoot) process.seteuid?.(0);
  chmodSync(join(root, 'closed'), 0o755);
  t.match(found, { problem: { code: 'unreadable-source', message: /EACCES/ } });
});
