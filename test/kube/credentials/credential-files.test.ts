import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { asGiven, rootsAlone } from '../../../kube/credentials/credential-files.ts';
import { makeFiles } from '../../../host/files/files.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';

const problem = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => problemOf(error),
  );

t.test('as root only files of root alone are read', async (t) => {
  const root = t.testdir({ etc: { conf: 'text', folder: {} } });
  chmodSync(root, 0o755);
  chmodSync(join(root, 'etc'), 0o755);
  chmodSync(join(root, 'etc/conf'), 0o600);
  const files = rootsAlone(makeFiles(root));
  t.equal(await files.text('/etc/conf'), 'text');
  const where = { file: '/etc/none' };
  t.match(await problem(files.text('/etc/none')), { code: 'no-identity', message: /ENOENT/, where });
  t.match(await problem(files.text('/etc/folder')), { code: 'no-identity', message: /it is a folder/ });
  chmodSync(join(root, 'etc/conf'), 0o620);
  t.match(await problem(files.text('/etc/conf')), { code: 'untrusted', where: { file: '/etc/conf' } });
});

t.test('a bare command is searched on PATH, and the found file is checked', async (t) => {
  const folder = t.testdir({ one: { plain: '' }, two: { tool: '', plain: '' }, three: { tool: '' } });
  for (const name of ['two/tool', 'two/plain', 'three/tool']) chmodSync(join(folder, name), 0o755);
  const path = ['relative', '', ...['one', 'two', 'three'].map((one) => join(folder, one))].join(':');
  const checked: string[] = [];
  const files = rootsAlone({
    ...makeFiles('/'),
    trust: async (one) => {
      checked.push(one);
      if (one.includes('/two/tool')) throw new Error('not this one');
    },
  });
  t.equal(await files.program('plain', path), join(folder, 'two/plain'));
  await t.rejects(files.program('tool', path), /not this one/, 'and no other is taken instead');
  t.equal(await files.program('/opt/plugin', path), '/opt/plugin');
  t.same(checked, [join(folder, 'two/plain'), join(folder, 'two/tool'), '/opt/plugin']);
  t.equal(await files.program('none', path), undefined);
  t.equal(await asGiven.program('tool', path), join(folder, 'two/tool'));
});

t.test('without root a file is read without that check', async (t) => {
  const folder = t.testdir({});
  mkdirSync(join(folder, 'open'), { mode: 0o777 });
  writeFileSync(join(folder, 'open/conf'), 'text', { mode: 0o666 });
  t.equal(await asGiven.text(join(folder, 'open/conf')), 'text');
  t.match(await problem(asGiven.text(join(folder, 'none'))), { code: 'no-identity', message: /ENOENT/ });
});
