import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { configuredFolders, isMuslItself, muslFolders } from '../../../host/artifact/libraries.ts';

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

t.test('includes that loop, are missing or name a folder are ignored', async (t) => {
  const root = t.testdir({
    etc: {
      'ld.so.conf': 'include /etc/ld.so.conf\ninclude /none/*.conf\ninclude /etc/d/*\nrelative/path\n/a\n',
      d: { again: 'include /etc/ld.so.conf\n/b\n', folder: {} },
    },
  });
  t.same(configuredFolders(root), ['/b', '/a']);
  t.same(configuredFolders(t.testdir({})), []);
});

t.test('musl has its own folders and names', async (t) => {
  const root = t.testdir({ etc: { 'ld-musl-x86_64.path': '/x\n/y:/z\n' } });
  t.same(muslFolders(root, 'amd64'), ['/x', '/y', '/z']);
  t.same(muslFolders(root, 'arm64'), ['/lib', '/usr/local/lib', '/usr/lib']);
  t.ok(isMuslItself('libc.musl-x86_64.so.1'));
  t.ok(isMuslItself('libpthread.so.0'));
  t.notOk(isMuslItself('libcrypto.so.3'));
});

t.test('a named pipe in the place of a list of folders is passed over', async (t) => {
  const root = t.testdir({ etc: {} });
  execFileSync('mkfifo', [join(root, 'etc/ld.so.conf'), join(root, 'etc/ld-musl-x86_64.path')]);
  t.same(configuredFolders(root), []);
  t.same(muslFolders(root, 'amd64'), ['/lib', '/usr/local/lib', '/usr/lib']);
});
