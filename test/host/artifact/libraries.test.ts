import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { configuredFolders, isMuslItself, muslFolders, resolveIn } from '../../../host/artifact/libraries.ts';

t.test('links of another root are followed within it, and never out of it', async (t) => {
  const root = t.testdir({ usr: { lib: { real: 'x' } }, etc: { passwd: 'theirs' } });
  symlinkSync('usr/lib', join(root, 'lib'));
  symlinkSync('/usr/lib/real', join(root, 'usr/absolute'));
  symlinkSync('../../../../../etc/passwd', join(root, 'usr/up'));
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('/usr/none', join(root, 'dangling'));
  t.equal(resolveIn(root, '/lib/real'), join(root, 'usr/lib/real'));
  t.equal(resolveIn(root, '/usr/absolute'), join(root, 'usr/lib/real'));
  t.equal(resolveIn(root, '/usr/up'), join(root, 'etc/passwd'));
  t.equal(resolveIn(root, '/../../lib/../lib/./real'), join(root, 'usr/lib/real'));
  t.equal(resolveIn(root, '/loop'), undefined);
  t.equal(resolveIn(root, '/dangling'), undefined);
  t.equal(resolveIn(root, '/usr/lib/real/below'), undefined);
  t.equal(resolveIn('/', '/proc/self/none'), undefined);
});

t.test('ld.so.conf is read with includes, globs, comments and old spellings, in its order', async (t) => {
  const root = t.testdir({
    etc: {
      'ld.so.conf':
        '# first\n/opt/a:/opt/b, /opt/c\ninclude ld.so.conf.d/*.conf\n/opt/last=libc6\nhwcap 0 x\n',
      'ld.so.conf.d': {
        '20-b.conf': '/b # why\n',
        '10-a.conf': '/a\n',
        '.hidden.conf': '/hidden\n',
        note: '/no\n',
      },
    },
  });
  t.same(configuredFolders(root), ['/opt/a', '/opt/b', '/opt/c', '/a', '/b', '/opt/last']);
});

t.test('includes that go round, lead nowhere or name a folder end quietly', async (t) => {
  const root = t.testdir({
    etc: {
      'ld.so.conf': 'include /etc/ld.so.conf\ninclude /none/*.conf\ninclude /etc/d/*\nrelative/path\n/a\n',
      d: { again: 'include /etc/ld.so.conf\n/b\n', folder: {} },
    },
  });
  t.same(configuredFolders(root), ['/b', '/a']);
  t.same(configuredFolders(t.testdir({})), []);
});

t.test('musl has folders and names of its own', async (t) => {
  const root = t.testdir({ etc: { 'ld-musl-x86_64.path': '/x\n/y:/z\n' } });
  t.same(muslFolders(root, 'amd64'), ['/x', '/y', '/z']);
  t.same(muslFolders(root, 'arm64'), ['/lib', '/usr/local/lib', '/usr/lib']);
  t.ok(isMuslItself('libc.musl-x86_64.so.1'));
  t.ok(isMuslItself('libpthread.so.0'));
  t.notOk(isMuslItself('libcrypto.so.3'));
});

t.test('each question to the file system is told, so that it can be the last', async (t) => {
  const root = t.testdir({ a: { b: 'x' } });
  const asked = { count: 0 };
  const spend = () => {
    asked.count += 1;
    if (asked.count > 3) throw new Error('enough');
  };
  t.equal(resolveIn(root, '/a/./b', spend), join(root, 'a/b'));
  t.equal(asked.count, 2);
  t.throws(() => resolveIn(root, '/a/b', spend), /enough/);
});

t.test('a named pipe in the place of a list of folders is passed over', async (t) => {
  const root = t.testdir({ etc: {} });
  execFileSync('mkfifo', [join(root, 'etc/ld.so.conf'), join(root, 'etc/ld-musl-x86_64.path')]);
  t.same(configuredFolders(root), []);
  t.same(muslFolders(root, 'amd64'), ['/lib', '/usr/local/lib', '/usr/lib']);
});
