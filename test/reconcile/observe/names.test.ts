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
