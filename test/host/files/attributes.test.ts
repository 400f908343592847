import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { thrownProblem } from '../../../testbed/failure.ts';
import { attributesOf, giveAttributes } from '../../../host/files/attributes.ts';

const folder = t.testdir({ probe: '' });
const works = spawnSync('setfattr', ['-n', 'user.note', join(folder, 'probe')]).status === 0;
const skip = works ? false : 'needs the package attr, and a file system with user attributes';

/** A new file, open for as long as the test. */
const opened = (t: Test, name: string): { readonly path: string; readonly fd: number } => {
  const path = join(folder, name);
  writeFileSync(path, 'x', { mode: 0o640 });
  const fd = openSync(path, 'r+');
  t.teardown(() => closeSync(fd));
  return { path, fd };
};

t.test('a file has the attributes that it was given, whatever bytes they are', { skip }, async (t) => {
  const { path, fd } = opened(t, 'given');
  t.same([...attributesOf(path, fd)], []);
  const value = '0x00ff0a00';
  execFileSync('setfattr', ['-n', 'user.bytes', '-v', value, path]);
  execFileSync('setfattr', ['-n', 'user.empty', path]);
  execFileSync('setfattr', ['-n', 'user.größe', '-v', 'l', path]);
  t.same(
    [...attributesOf(path, fd)],
    [
      ['user.bytes', Buffer.from('00ff0a00', 'hex')],
      ['user.empty', Buffer.alloc(0)],
      [Buffer.from('user.größe').toString('latin1'), Buffer.from('l')],
    ],
  );
});

t.test('another file gets all of them, and loses its own', { skip }, async (t) => {
  const from = opened(t, 'from');
  const to = opened(t, 'to');
  for (const [name, value] of [
    ['user.a', '1'],
    ['user.b', '2'],
    ['user.größe', 'l'],
  ] as const)
    execFileSync('setfattr', ['-n', name, '-v', value, from.path]);
  execFileSync('setfattr', ['-n', 'user.a', '-v', 'other', to.path]);
  execFileSync('setfattr', ['-n', 'user.more', '-v', 'x', to.path]);
  const wanted = attributesOf(from.path, from.fd);
  giveAttributes(to.path, to.fd, wanted);
  t.same(attributesOf(to.path, to.fd), wanted);
  giveAttributes(to.path, to.fd, wanted);
  t.same(attributesOf(to.path, to.fd), wanted, 'a second time changes nothing');
  giveAttributes(to.path, to.fd, new Map());
  t.equal(attributesOf(to.path, to.fd).size, 0);
});

t.test('an attribute that cannot be read or written is refused by name', async (t) => {
  const { path, fd } = opened(t, 'refused');
  const closed = 1_000_000;
  t.same(
    thrownProblem(() => attributesOf(path, closed)),
    {
      code: 'attribute-lost',
      message: 'the extended attributes of the file cannot be read: EBADF',
      where: { file: path },
    },
  );
  const unknown = new Map([['nowhere.x', Buffer.from('x')]]);
  t.match(
    thrownProblem(() => giveAttributes(path, fd, unknown)),
    {
      code: 'attribute-lost',
      message: /^the file has an extended attribute nowhere\.x, and it cannot be kept: E/,
    },
  );
  const broken = new Map([['system.posix_acl_access', Buffer.from('x')]]);
  t.match(
    thrownProblem(() => giveAttributes(path, fd, broken)),
    {
      message: /^the file has an ACL, and it cannot be kept: E/,
    },
  );
  t.equal(attributesOf(path, fd).size, 0);
});

t.test('attributes that only the kernel may write are not copied', async (t) => {
  const { path, fd } = opened(t, 'computed');
  giveAttributes(path, fd, new Map([['security.evm', Buffer.from('x')]]));
  t.pass();
});

t.test('a file without attributes is accepted, on any file system', async (t) => {
  for (const path of ['/proc/self/status', '/sys/kernel/mm/transparent_hugepage/enabled', '/dev/null']) {
    const fd = openSync(path, 'r');
    t.ok(
      [...attributesOf(path, fd).keys()].every((name) => name.startsWith('security.')),
      path,
    );
    closeSync(fd);
  }
});
