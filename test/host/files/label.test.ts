import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { attributesOf, giveLabel } from '../../../host/files/attributes.ts';
import { makeFiles } from '../../../host/files/files.ts';
import { labelLike } from '../../../host/files/label.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';

const label = Buffer.from('system_u:object_r:container_runtime_exec_t:s0\0');

const setUp = (t: Test) => {
  const root = t.testdir({ program: '', shim: '', sys: { fs: { selinux: {} } } });
  const of = (name: string): Buffer | undefined => {
    const path = join(root, name);
    return attributesOf(path, openSync(path, 'r')).get('security.selinux');
  };
  const mark = (): void => giveLabel('/program', openSync(join(root, 'program'), 'r'), label);
  const on = (): void => writeFileSync(join(root, 'sys/fs/selinux/enforce'), '1');
  return { root, files: makeFiles(root), of, mark, on };
};

// Without SELinux in the kernel these are plain attributes, which CAP_SYS_ADMIN may write.
const canMark = (() => {
  try {
    const root = t.testdir({ program: '' });
    giveLabel('/program', openSync(join(root, 'program'), 'r'), label);
    return true;
  } catch {
    return false;
  }
})();
const skip = canMark ? false : 'labels cannot be written here';

t.test('a file gets the label of another one where SELinux is on', { skip }, async (t) => {
  const { files, of, mark, on } = setUp(t);
  mark();
  await labelLike(files, '/shim', '/program');
  t.equal(of('shim'), undefined, 'off');
  on();
  await labelLike(files, '/shim', '/none');
  t.equal(of('shim'), undefined, 'no such program');
  await labelLike(files, '/shim', '/program');
  t.same(of('shim'), label);
});

t.test('without a label on the runtime’s program none is set', async (t) => {
  const { files, of, on } = setUp(t);
  on();
  await labelLike(files, '/shim', '/program');
  t.equal(of('shim'), undefined);
});

t.test('a label that the file system refuses is a failure that names the file', async (t) => {
  try {
    giveLabel('/proc/version', openSync('/proc/version', 'r'), label);
    t.fail('procfs took it');
  } catch (error) {
    t.match(problemOf(error), { code: 'attribute-lost', where: { file: '/proc/version' } });
  }
});
