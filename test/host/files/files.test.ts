import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { rejectedProblem } from '../../../testbed/failure.ts';
import { type Files, makeFiles, sameContent } from '../../../host/files/files.ts';
import { absent, type FileFact, type FileState } from '../../../host/facts.ts';
import { Failure, hintOf } from '../../../protocol/problem/problem.ts';

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;
/** A reason to skip what needs mounts; false where they can be made. */
const unprivileged =
  uid === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0
    ? false
    : 'needs root and the right to mount';

/** A reason to skip what needs ACLs and extended attributes: the tools, and a file system that has them. */
const withoutAttributes = ((): string | false => {
  const folder = mkdtempSync(join(import.meta.dirname, 'attributes-'));
  try {
    const works = [
      ['setfacl', '-m', 'u:12:r', folder],
      ['setfattr', '-n', 'user.note', folder],
      ['getfacl', folder],
      ['getfattr', folder],
    ].every(([tool = '', ...args]) => spawnSync(tool, args).status === 0);
    return works ? false : 'needs the packages acl and attr, and a file system with ACLs and user attributes';
  } finally {
    rmSync(folder, { recursive: true });
  }
})();

const text = (content: string, mode = 0o644): FileState => ({ kind: 'text', text: content, mode, uid, gid });

const code = async (work: Promise<unknown>): Promise<string> => (await rejectedProblem(work)).code;

/** Owner, mode, ACL and extended attributes, as the tools of the packages acl and attr tell them. */
const attributes = (root: string, ...paths: readonly string[]): string =>
  paths
    .flatMap((path) => [
      execFileSync('getfacl', ['--numeric', path], { cwd: root, encoding: 'utf8' }),
      execFileSync('getfattr', ['--dump', '--match=-', path], { cwd: root, encoding: 'utf8' }),
    ])
    .join('');

/** Everything below a folder, so that a forgotten temporary file shows. */
const tree = (root: string): readonly string[] => (readdirSync(root, { recursive: true }) as string[]).sort();

/** `work` with something mounted on `folder`; gone before the test's folder is removed. */
const mounted = async (
  folder: string,
  options: readonly string[],
  work: () => Promise<void>,
): Promise<void> => {
  execFileSync('mount', [...options, folder]);
  try {
    await work();
  } finally {
    execFileSync('umount', ['--lazy', folder]);
  }
};

t.test('reading a file gives text, digest, mode and the real path', async (t) => {
  const root = t.testdir({ etc: { 'a.toml': 'ä = 1\n', folder: {} } });
  chmodSync(join(root, 'etc/a.toml'), 0o640);
  symlinkSync('/etc/a.toml', join(root, 'etc/link'));
  const files = makeFiles(root);
  const fact = {
    kind: 'regular',
    real: '/etc/a.toml',
    text: 'ä = 1\n',
    digest: createHash('sha256').update('ä = 1\n').digest('hex'),
    mode: 0o640,
    uid,
    gid,
  };
  t.same(await files.look('/etc/a.toml'), fact);
  t.same(
    await files.look('/etc/link'),
    { ...fact, isLink: true },
    'a link is followed within the root, and says where to',
  );
  t.same(await files.look('/etc/none'), { kind: 'absent' });
  t.same(await files.look('/etc/a.toml/none'), { kind: 'absent' });
  t.match(await files.look('/etc/folder'), {
    kind: 'foreign',
    what: 'a folder',
    hint: /ls -ld \/etc\/folder/,
  });
});

t.test('the host itself is read without another root', async (t) => {
  const root = t.testdir({ file: 'x' });
  const path = join(root, 'file');
  t.match(await makeFiles('/').look(path), { kind: 'regular', real: path, text: 'x' });
});

t.test('a file that cannot be read is never reported as absent', async (t) => {
  const root = t.testdir({});
  const files = makeFiles(root);
  symlinkSync('/nowhere', join(root, 'dangling'));
  symlinkSync('loop', join(root, 'loop'));
  writeFileSync(join(root, 'binary'), Buffer.from([0x61, 0x0a, 0x62, 0xff, 0x0a]));
  writeFileSync(join(root, 'huge'), '');
  truncateSync(join(root, 'huge'), 8 * 1024 * 1024 + 1);
  execFileSync('mkfifo', [join(root, 'pipe')]);
  const link = (to: string) => ({ kind: 'foreign', what: `a symbolic link that leads nowhere (to ${to})` });
  t.match(await files.look('/dangling'), { ...link('/nowhere'), hint: /Point the link to a file/ });
  t.match(await files.look('/loop'), link('loop'));
  t.match(await files.look('/loop/file'), { kind: 'unreadable', why: /go round/ });
  t.same(await files.look(`/${'x'.repeat(300)}`), {
    kind: 'unreadable',
    why: 'ENAMETOOLONG',
    errno: 'ENAMETOOLONG',
  });
  t.match(await files.look('/binary'), { kind: 'unreadable', why: /UTF-8 .* line 2 is none/, hint: /iconv/ });
  t.match(await files.look('/huge'), {
    kind: 'unreadable',
    why: /at most 8388608 .* has 8388609$/,
    hint: /ls -lh/,
  });
  t.match(await files.look('/pipe'), { kind: 'foreign', what: 'a named pipe' });
  t.match(await makeFiles('/').look('/dev/null'), { kind: 'foreign', what: 'a device' });
  // A file of the kernel that tells no size, and has terabytes.
  const endless = await makeFiles('/').look('/proc/self/pagemap');
  t.match(endless, { kind: 'unreadable', why: /at most 8388608 .* has more$/ });
  const version = await makeFiles('/').look('/proc/version');
  t.match(version, { kind: 'regular', text: readFileSync('/proc/version', 'utf8') });
});

t.test('a file that exists is never absent, however long its path is', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'rcm-far-'));
  // Not tap's own folder: what removes that one takes no such path.
  t.teardown(() => execFileSync('rm', ['-r', root]));
  // Each link is short; all links followed, the path is longer than the kernel takes (PATH_MAX).
  const far = Array.from({ length: 15 }, () => 'd'.repeat(140)).join('/');
  for (const link of ['a', 'a/b']) {
    mkdirSync(`${root}/${link.slice(0, -1)}${far}`, { recursive: true });
    symlinkSync(far, join(root, link));
  }
  writeFileSync(join(root, 'a/b/file'), 'x');
  for (const look of [makeFiles('/').look(join(root, 'a/b/file')), makeFiles(root).look('/a/b/file')])
    t.match(await look, { kind: 'unreadable', errno: 'ENAMETOOLONG' });
});

/** Replaces the folder of a file as the kubelet does with a volume: by a rename of the link that leads to it. */
const exchange = `
const { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
process.chdir(process.argv[1]);
for (let count = 0; ; count += 1) {
  mkdirSync('v' + count);
  writeFileSync('v' + count + '/file', 'x');
  symlinkSync('v' + count, 'next');
  renameSync('next', 'data');
  if (count === 0) process.stdout.write('begun');
  else rmSync('v' + (count - 1), { recursive: true });
}`;

t.test('a file whose folder is exchanged all the time is neither absent nor a link to nowhere', async (t) => {
  const root = t.testdir({});
  symlinkSync('data/file', join(root, 'file'));
  const child = spawn(process.execPath, ['-e', exchange, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const files = makeFiles('/');
  const said = new Map<string, FileFact>();
  for (const end = performance.now() + 1_000; performance.now() < end; ) {
    const fact = await files.look(join(root, 'file'));
    // Where each of ten looks met another exchange, it says so.
    said.set(fact.kind === 'unreadable' ? `${fact.errno}` : fact.kind, fact);
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  said.delete('EAGAIN');
  t.same([...said.keys()], ['regular']);
});

t.test('a file without read permission is unreadable, and not absent', async (t) => {
  const root = t.testdir({ closed: { file: 'x' }, secret: 'x' });
  chmodSync(join(root, 'closed'), 0o000);
  chmodSync(join(root, 'secret'), 0o000);
  const files = makeFiles(root);
  // Root may read everything; these reads are done as another user.
  if (uid === 0) process.seteuid?.(65_534);
  const looks = await Promise.all([files.look('/secret'), files.look('/closed/file')]);
  const isFolder = await files.isFolder('/closed/folder').catch((error: unknown) => error);
  const names = await files.names('/closed').catch((error: unknown) => error);
  if (uid === 0) process.seteuid?.(0);
  chmodSync(join(root, 'closed'), 0o755);
  const refused = { kind: 'unreadable', why: 'EACCES', errno: 'EACCES' };
  t.same(looks, [refused, refused]);
  t.same(names instanceof Failure && names.problem, {
    code: 'unreadable-source',
    message: 'the folder cannot be read: EACCES',
    where: { file: '/closed' },
  });
  t.match(isFolder, { problem: { code: 'unreadable-source', message: /EACCES/ } }, 'it may be there');
});

t.test('a new file is written only where none exists', async (t) => {
  const root = t.testdir({ etc: {} });
  const files = makeFiles(root);
  await files.swap('/etc/new', absent, text('a\n', 0o600));
  t.equal(readFileSync(join(root, 'etc/new'), 'utf8'), 'a\n');
  t.equal(statSync(join(root, 'etc/new')).mode & 0o7777, 0o600);
  t.equal(await code(files.swap('/etc/new', absent, text('b\n'))), 'changed-meanwhile');
  t.same(tree(root), ['etc', 'etc/new'], 'no temporary file stays');
  t.equal(readFileSync(join(root, 'etc/new'), 'utf8'), 'a\n');
});

t.test('a temporary file is beside its target, or in the folder that is given for it', async (t) => {
  const root = t.testdir({ etc: {}, scratch: {} });
  const files = makeFiles(root);
  await files.put('/etc/file', 'a', 0o600, '/scratch');
  t.equal(readFileSync(join(root, 'etc/file'), 'utf8'), 'a');
  t.same(tree(root), ['etc', 'etc/file', 'scratch']);
  t.equal(await code(files.put('/etc/file', 'b', 0o600, '/none')), 'cannot-write');
  t.equal(readFileSync(join(root, 'etc/file'), 'utf8'), 'a');
});

t.test('what could not be read again is not written', async (t) => {
  const root = t.testdir({ file: 'old' });
  const files = makeFiles(root);
  const most = 8 * 1024 * 1024;
  t.equal(await code(files.put('/file', 'x'.repeat(most + 1), 0o600)), 'cannot-write');
  t.match(await files.look('/file'), { text: 'old' });
  t.same(tree(root), ['file']);
  await files.put('/file', 'x'.repeat(most), 0o600);
  t.match(await files.look('/file'), { kind: 'regular' });
});

t.test('a file that appears at the last moment is not overwritten', async (t) => {
  const root = t.testdir({ etc: {} });
  const files = makeFiles(root);
  // Between the start of the write, which found nothing there, and its end.
  const late: Files['swap'] = async (path, before, after) => {
    const working = files.swap(path, before, after);
    linkSync(join(root, 'theirs'), join(root, path));
    return working;
  };
  writeFileSync(join(root, 'theirs'), 'theirs\n');
  t.equal(await code(late('/etc/new', absent, text('ours\n'))), 'changed-meanwhile');
  t.equal(readFileSync(join(root, 'etc/new'), 'utf8'), 'theirs\n');
  t.same(tree(root), ['etc', 'etc/new', 'theirs']);
});

t.test('a file is replaced or removed only if it is unchanged since it was read', async (t) => {
  const root = t.testdir({ etc: { file: 'old\n' } });
  const files = makeFiles(root);
  t.equal(await code(files.swap('/etc/file', text('else\n'), text('new\n'))), 'changed-meanwhile');
  t.equal(await code(files.swap('/etc/file', text('else\n'), absent)), 'changed-meanwhile');
  t.equal(await code(files.swap('/etc/file', absent, absent)), 'changed-meanwhile');
  t.equal(await code(files.swap('/etc/none', text('old\n'), text('new\n'))), 'changed-meanwhile');
  t.equal(readFileSync(join(root, 'etc/file'), 'utf8'), 'old\n');
  await files.swap('/etc/file', text('old\n'), text('new\n', 0o640));
  t.equal(readFileSync(join(root, 'etc/file'), 'utf8'), 'new\n');
  t.equal(statSync(join(root, 'etc/file')).mode & 0o7777, 0o640);
  await files.swap('/etc/none', absent, absent);
  await files.swap('/etc/file', text('new\n'), absent);
  t.same(tree(root), ['etc']);
});

t.test('an open reader keeps the old bytes', async (t) => {
  const root = t.testdir({ file: 'old\n' });
  const reader = openSync(join(root, 'file'), 'r');
  await makeFiles(root).swap('/file', text('old\n'), text('new\n'));
  t.equal(readFileSync(reader, 'utf8'), 'old\n');
  closeSync(reader);
  t.equal(readFileSync(join(root, 'file'), 'utf8'), 'new\n');
});

t.test('a file with several hard links is not replaced, except by an undo', async (t) => {
  const root = t.testdir({ file: 'old\n' });
  const files = makeFiles(root);
  linkSync(join(root, 'file'), join(root, 'other-name'));
  t.match(await files.look('/file'), { kind: 'regular', links: 2 });
  const refused = await rejectedProblem(files.swap('/file', text('old\n'), text('new\n')));
  t.match(refused, { code: 'hard-linked', message: /2 names/, where: { file: '/file' } });
  t.match(hintOf(refused), 'cp -a /file /file.copy && mv /file.copy /file');
  t.equal(readFileSync(join(root, 'file'), 'utf8'), 'old\n');
  t.same(tree(root), ['file', 'other-name']);
  // What the hint says.
  execFileSync('sh', ['-c', 'cp -a file file.copy && mv file.copy file'], { cwd: root });
  await files.swap('/file', text('old\n'), text('new\n'));
  t.equal(readFileSync(join(root, 'other-name'), 'utf8'), 'old\n');

  linkSync(join(root, 'file'), join(root, 'third-name'));
  await files.swap('/file', text('new\n'), text('old\n'), 'undo');
  t.equal(readFileSync(join(root, 'file'), 'utf8'), 'old\n', 'the runtime has to come back');
  linkSync(join(root, 'file'), join(root, 'fourth-name'));
  await files.swap('/file', text('old\n'), absent);
  t.equal(
    readFileSync(join(root, 'fourth-name'), 'utf8'),
    'old\n',
    'to remove one name takes nothing from another',
  );
});

t.test('mode and owner are those of the replaced file at that moment', async (t) => {
  const root = t.testdir({ file: 'old\n' });
  const files = makeFiles(root);
  const modeNow = (): number => statSync(join(root, 'file')).mode & 0o7777;
  chmodSync(join(root, 'file'), 0o644);
  await files.swap('/file', text('old\n', 0o644), text('new\n', 0o644));
  chmodSync(join(root, 'file'), 0o600);
  await files.swap('/file', text('new\n', 0o644), text('old\n', 0o644), 'undo');
  t.equal(modeNow(), 0o600, 'what was closed meanwhile stays closed');
  await files.swap('/file', text('old\n', 0o644), text('new\n', 0o640));
  t.equal(modeNow(), 0o640, 'another mode can be asked for');
});

t.test('a file that is replaced keeps its ACL and its attributes', { skip: withoutAttributes }, async (t) => {
  const root = t.testdir({ etc: { file: 'old\n', plain: 'old\n' } });
  const file = join(root, 'etc/file');
  // The group may nothing, and the mask lets through all that the named user has: its bits stand where the group's would.
  execFileSync('setfacl', ['-m', 'u:12:rw,g::-,m::rw,o::-', file]);
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'ours since 2019', file]);
  execFileSync('setfattr', ['-n', 'user.empty', file]);
  if (uid === 0) execFileSync('setfattr', ['-n', 'trusted.note', '-v', 'x', file]);
  chmodSync(file, 0o660);
  // Only its owner and group may read this one; a new file in the folder would let in user 12.
  execFileSync('setfacl', ['-d', '-m', 'u:12:rw', join(root, 'etc')]);
  chmodSync(join(root, 'etc/plain'), 0o640);
  const before = attributes(root, 'etc/file', 'etc/plain');
  t.match(before, /user:12:rw-\ngroup::---\nmask::rw-\n/);
  t.match(before, /user.note="ours since 2019"/);
  const files = makeFiles(root);
  for (const path of ['/etc/file', '/etc/plain']) {
    const found = await files.look(path);
    if (found.kind !== 'regular') throw new Error('expected a regular file');
    const { mode } = found;
    await files.swap(path, text('old\n', mode), text('new\n', mode));
    t.equal(attributes(root, 'etc/file', 'etc/plain'), before, `${path} after an edit`);
    await files.swap(path, text('new\n', mode), text('old\n', mode));
    t.equal(attributes(root, 'etc/file', 'etc/plain'), before, `${path} after it was taken out again`);
  }
  t.same(tree(root), ['etc', 'etc/file', 'etc/plain']);
});

t.test(
  'an attribute that changes at the last moment is not overwritten',
  { skip: withoutAttributes },
  async (t) => {
    const root = t.testdir({ file: 'old\n' });
    const late: FileState = {
      ...text('new\n'),
      kind: 'text',
      // Read after the look at the old file, for the new one.
      get text() {
        execFileSync('setfacl', ['-m', 'u:12:-', join(root, 'file')]);
        return 'new\n';
      },
    } as FileState;
    t.equal(await code(makeFiles(root).swap('/file', text('old\n'), late)), 'changed-meanwhile');
    t.match(attributes(root, 'file'), /user:12:---/);
    t.equal(readFileSync(join(root, 'file'), 'utf8'), 'old\n');
    t.same(tree(root), ['file']);
  },
);

t.test(
  'a file with an attribute that cannot be kept is not replaced',
  { skip: withoutAttributes || (uid === 0 ? false : 'needs root to set what others may not') },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'rcm-attributes-'));
    t.teardown(() => rmSync(root, { recursive: true }));
    const file = join(root, 'file');
    writeFileSync(file, 'old\n', { mode: 0o644 });
    for (const path of [root, file]) chownSync(path, 65_534, 65_534);
    const capability = '0x0100000200200000000000000000000000000000';
    execFileSync('setfattr', ['-n', 'security.capability', '-v', capability, file]);
    const before = attributes(root, 'file');
    t.match(before, 'security.capability');
    const state = (content: string): FileState => ({
      kind: 'text',
      text: content,
      mode: 0o644,
      uid: 65_534,
      gid: 65_534,
    });
    // Like a service that lacks a capability.
    process.setegid?.(65_534);
    process.seteuid?.(65_534);
    const problem = await rejectedProblem(
      makeFiles(root)
        .swap('/file', state('old\n'), state('new\n'))
        .finally(() => {
          process.seteuid?.(0);
          process.setegid?.(0);
        }),
    );
    t.match(problem, {
      code: 'attribute-lost',
      message: 'the file has an extended attribute security.capability, and it cannot be kept: EPERM',
      where: { file: '/file' },
    });
    t.equal(readFileSync(file, 'utf8'), 'old\n');
    t.equal(attributes(root, 'file'), before);
    t.same(tree(root), ['file']);
  },
);

t.test(
  'owner and mode are as requested',
  {
    skip: uid === 0 ? false : 'needs root to give files away',
  },
  async (t) => {
    const root = t.testdir({ file: 'old\n' });
    const state = { kind: 'text', text: 'new\n', mode: 0o4750, uid: 12, gid: 34 } as const;
    await makeFiles(root).swap('/file', text('old\n'), state);
    const facts = statSync(join(root, 'file'));
    t.same([facts.uid, facts.gid, facts.mode & 0o7777], [12, 34, 0o4750]);
  },
);

t.test('a main file that is a link stays a link: its target is replaced', async (t) => {
  const root = t.testdir({ etc: {}, data: { 'config.toml': 'old\n' } });
  symlinkSync('../data/config.toml', join(root, 'etc/config.toml'));
  const files = makeFiles(root);
  const fact = await files.look('/etc/config.toml');
  if (fact.kind !== 'regular') throw new Error('expected a regular file');
  await files.swap(fact.real, text('old\n'), text('new\n'));
  t.equal(readlinkSync(join(root, 'etc/config.toml')), '../data/config.toml');
  t.equal(readFileSync(join(root, 'data/config.toml'), 'utf8'), 'new\n');
});

t.test('no access leaves another root, whatever its links point to', async (t) => {
  const base = t.testdir({ host: { keep: 'theirs', tree: { keep: 'theirs' } }, image: { inside: {} } });
  const host = join(base, 'host');
  const root = join(base, 'image');
  // Absolute as in an image whose folder has the same name on the host; and relative, upwards.
  symlinkSync(host, join(root, 'abs'));
  symlinkSync('../../../../../../../../..', join(root, 'up'));
  const files = makeFiles(root);
  const before = tree(host);
  for (const way of ['/abs', `/up${host}`]) {
    await files.makeFolder(`${way}/made`);
    await files.put(`${way}/put`, 'x', 0o644);
    await files.swap(`${way}/swapped`, absent, text('x'));
    await files.point(`${way}/points/link`, '/target');
    await files.move(`${way}/put`, `${way}/moved/put`);
    t.same(await files.names(way), ['made', 'moved', 'points', 'swapped'], way);
    t.same(await files.linkAt(`${way}/points/link`), { target: '/target' });
    t.same(await files.look(`${way}/keep`), { kind: 'absent' });
    t.same(tree(host), before, 'the host is as it was');
    t.ok(existsSync(join(root, host, 'moved/put')), 'it landed where the image would find it');
    t.equal(files.real(`${way}/x`), join(root, host, 'x'));
    await files.point(`${way}/points/link`, null);
    await files.swap(`${way}/swapped`, text('x'), absent);
    await files.dropFolder(`${way}/made`);
    await files.dropFolder(`${way}/tree`);
    await files.removeTree(`${way}/moved`);
    await files.removeTree(`${way}/tree`);
    t.same(await files.names(way), []);
    t.same(tree(host), before);
  }
  await files.removeTree('/abs');
  t.notOk(existsSync(join(root, 'abs')), 'of a link, the link itself is removed');
  t.same(tree(host), before);
});

t.test('a folder that is a link of the image keeps its place, and the host keeps its mode', async (t) => {
  const base = t.testdir({ host: { data: {} }, image: { opt: {} } });
  const data = join(base, 'host/data');
  chmodSync(data, 0o700);
  symlinkSync(data, join(base, 'image/opt/rcm-node'));
  const files = makeFiles(join(base, 'image'));
  await files.makeFolder('/opt/rcm-node');
  t.equal(statSync(data).mode & 0o777, 0o700);
  t.ok(await files.isFolder('/opt/rcm-node'));
  t.ok(lstatSync(join(base, 'image/opt/rcm-node')).isSymbolicLink());
});

t.test('a folder in place of a file is refused, and leaves nothing behind', async (t) => {
  const root = t.testdir({ etc: { file: { inner: 'x' } } });
  const files = makeFiles(root);
  const before = tree(root);
  t.equal(await code(files.put('/etc/file', 'x', 0o644)), 'cannot-write');
  t.equal(await code(files.swap('/etc/file', text('x'), text('y'))), 'changed-meanwhile');
  t.equal(await code(files.point('/etc/file', '/x')), 'cannot-write');
  t.equal(await code(files.point('/etc/file', null)), 'cannot-write');
  t.equal(await code(files.put('/none/file', 'x', 0o644)), 'cannot-write');
  t.equal(await code(files.makeFolder('/etc/file/inner')), 'cannot-write');
  t.equal(await code(makeFiles('/').makeFolder('/proc/none/none')), 'cannot-write');
  t.equal(await code(files.move('/etc/none', '/etc/other')), 'cannot-write');
  t.same(tree(root), before);
});

t.test('a link is changed in one rename, and its empty folder is removed with it', async (t) => {
  const root = t.testdir({ opt: {} });
  const files = makeFiles(root);
  t.same(await files.linkAt('/opt/a/link'), { target: null });
  await files.point('/opt/a/link', '/store/1');
  await files.point('/opt/a/link', '/store/2');
  t.same(await files.linkAt('/opt/a/link'), { target: '/store/2' });
  t.same(tree(root), ['opt', 'opt/a', 'opt/a/link']);
  await files.point('/opt/a/link', null);
  await files.point('/opt/a/link', null);
  t.same(tree(root), ['opt']);
  mkdirSync(join(root, 'opt/folder'));
  t.same(await files.linkAt('/opt/folder'), { target: null, foreign: 'a file or folder' });
  writeFileSync(join(root, 'opt/file'), '');
  t.same(await files.linkAt('/opt/file/below'), { target: null });
});

t.test('folders are created searchable for every user, and removed only when empty', async (t) => {
  const root = t.testdir({});
  const files = makeFiles(root);
  const mask = process.umask(0o077);
  t.teardown(() => process.umask(mask));
  await files.makeFolder('/a/b');
  await files.makeFolder('/a/b');
  for (const path of ['a', 'a/b']) t.equal(statSync(join(root, path)).mode & 0o777, 0o755);
  mkdirSync(join(root, 'theirs'));
  await files.makeFolder('/theirs');
  t.equal(statSync(join(root, 'theirs')).mode & 0o777, 0o700, 'made by others, just before');
  await files.put('/a/b/file', 'x', 0o644);
  t.equal(statSync(join(root, 'a/b/file')).mode & 0o777, 0o644);
  await files.dropFolder('/a/b');
  t.ok(await files.isFolder('/a/b'));
  await files.removeTree('/a/b');
  await files.dropFolder('/a/b');
  t.notOk(await files.isFolder('/a/b'));
  await files.removeTree('/a/b');
});

t.test('a link or a file in the place of a folder to remove stays', async (t) => {
  const root = t.testdir({ file: 'x', folder: {} });
  const files = makeFiles(root);
  await files.point('/link', '/folder');
  const before = tree(root);
  for (const path of ['/file', '/file/below', '/link']) await files.dropFolder(path);
  t.same(tree(root), before);
});

t.test('names, sizes and digests of existing files are returned, and null for others', async (t) => {
  const root = t.testdir({ d: { b: 'b', a: 'aa', '.c': '' } });
  symlinkSync('/d/a', join(root, 'link'));
  const files = makeFiles(root);
  t.same(await files.names('/d'), ['.c', 'a', 'b']);
  t.equal(await files.names('/none'), null);
  t.equal(await code(files.names('/d/a')), 'unreadable-source');
  t.match(await files.stat('/link'), { bytes: 2, modified: Number });
  t.equal(await files.stat('/d'), null);
  t.equal(await files.stat('/none'), null);
  t.equal(await files.digest('/link'), createHash('sha256').update('aa').digest('hex'));
  t.equal(await files.digest('/d'), null);
  t.equal(await files.digest('/none'), null);
  symlinkSync('loop', join(root, 'loop'));
  t.equal(await code(files.names('/loop/x')), 'unreadable-source');
  t.notOk(await files.isFolder('/loop'));
});

t.test(
  'size and times of a path are those that the kernel gives, on the host as in another root',
  async (t) => {
    const root = t.testdir({ file: 'x', d: { sub: {}, a: 'aa' } });
    const links: Readonly<Record<string, string>> = {
      below: 'd/sub/../a',
      folder: 'd/',
      slash: 'file/',
      dot: 'file/.',
      up: 'file/../d/a',
      loop: 'loop',
      nowhere: 'none',
      end0: 'file',
    };
    for (const [name, to] of Object.entries(links)) symlinkSync(to, join(root, name));
    for (let one = 1; one <= 40; one++) symlinkSync(`end${one - 1}`, join(root, `end${one}`));
    const paths = [
      ...[...Object.keys(links), 'file', 'd', 'none', 'end39', 'end40', 'x'.repeat(256)].map(
        (name) => `/${name}`,
      ),
      ...[
        '/file/',
        '/file/.',
        '/file/..',
        '/file/../d/a',
        '/d/../file',
        '/d/',
        '//d//a',
        '/folder/a',
        '/none/../file',
      ],
    ];
    const [host, other] = [makeFiles('/'), makeFiles(root)];
    for (const path of paths) {
      let facts: Stats | undefined;
      try {
        facts = statSync(`${root}${path}`);
      } catch {
        // Nothing is there.
      }
      const size = facts?.isFile() ? facts.size : undefined;
      const changed = facts?.isDirectory() ? facts.mtimeMs : null;
      for (const [files, at] of [
        [host, `${root}${path}`],
        [other, path],
      ] as const) {
        t.equal((await files.stat(at))?.bytes, size, at);
        t.equal((await files.statFolder(at))?.modified ?? null, changed, at);
      }
    }
  },
);

t.test('a path without a first slash begins at the root, wherever this process runs', async (t) => {
  const folder = t.testdir({ file: 'x' });
  const before = process.cwd();
  process.chdir(folder);
  t.teardown(() => process.chdir(before));
  const host = makeFiles('/');
  t.equal(await host.stat('file'), null);
  t.equal((await host.stat(join(folder, 'file').slice(1)))?.bytes, 1);
  t.equal((await host.statFolder('.'))?.modified, statSync('/').mtimeMs);
});

t.test('files are equal if their text is equal, or if both are absent', async (t) => {
  const root = t.testdir({ file: 'a', folder: {} });
  const files = makeFiles(root);
  t.ok(sameContent(await files.look('/file'), text('a', 0o600)));
  t.notOk(sameContent(await files.look('/file'), text('b')));
  t.notOk(sameContent(await files.look('/file'), absent));
  t.ok(sameContent(await files.look('/none'), absent));
  t.notOk(sameContent(await files.look('/folder'), absent));
});

t.test(
  'on a full file system the old file stays, and no part of the new one',
  { skip: unprivileged },
  async (t) => {
    const root = t.testdir({ disk: {} });
    await mounted(join(root, 'disk'), ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs'], async () => {
      const files = makeFiles(root);
      await files.put('/disk/file', 'old\n', 0o644);
      const large = 'x'.repeat(100_000);
      t.equal(await code(files.swap('/disk/file', text('old\n'), text(large))), 'disk-full');
      t.equal(await code(files.put('/disk/file', large, 0o644)), 'disk-full');
      t.same(readdirSync(join(root, 'disk')), ['file']);
      t.equal(readFileSync(join(root, 'disk/file'), 'utf8'), 'old\n');
    });
  },
);

t.test('a lack of inodes counts as a full disk', { skip: unprivileged }, async (t) => {
  const root = t.testdir({ disk: {} });
  await mounted(join(root, 'disk'), ['-t', 'tmpfs', '-o', 'nr_inodes=2', 'tmpfs'], async () => {
    const files = makeFiles(root);
    await files.put('/disk/file', 'old\n', 0o644);
    t.equal(await code(files.swap('/disk/file', text('old\n'), text('new\n'))), 'disk-full');
    t.equal(await code(files.makeFolder('/disk/folder')), 'disk-full');
    t.equal(await code(files.point('/disk/link', '/x')), 'disk-full');
    t.same(readdirSync(join(root, 'disk')), ['file']);
  });
});

t.test('a read-only file system has its own problem code', { skip: unprivileged }, async (t) => {
  const root = t.testdir({ disk: {} });
  await mounted(join(root, 'disk'), ['-t', 'tmpfs', '-o', 'ro', 'tmpfs'], async () => {
    const files = makeFiles(root);
    t.equal(await code(files.put('/disk/file', 'x', 0o644)), 'read-only');
    t.equal(await code(files.makeFolder('/disk/folder')), 'read-only');
    t.equal(await code(files.point('/disk/link', '/x')), 'read-only');
  });
});

t.test(
  'a file that is a mount point of its own cannot be replaced, and says so',
  { skip: unprivileged },
  async (t) => {
    const root = t.testdir({ etc: { file: 'old\n' }, theirs: 'old\n' });
    await mounted(join(root, 'etc/file'), ['--bind', join(root, 'theirs')], async () => {
      const files = makeFiles(root);
      t.equal(await code(files.swap('/etc/file', text('old\n'), text('new\n'))), 'bind-mounted');
      t.equal(await code(files.swap('/etc/file', text('old\n'), absent)), 'bind-mounted');
      t.equal(readFileSync(join(root, 'theirs'), 'utf8'), 'old\n');
      t.same(readdirSync(join(root, 'etc')), ['file']);
    });
  },
);

t.test('an immutable file stays, and no temporary file beside it', { skip: unprivileged }, async (t) => {
  const root = t.testdir({ etc: { file: 'old\n' } });
  const file = join(root, 'etc/file');
  if (spawnSync('chattr', ['+i', file]).status !== 0)
    return t.pass('chattr', { skip: 'chattr +i does not work on this file system' });
  const files = makeFiles(root);
  const codes = [
    await code(files.swap('/etc/file', text('old\n'), text('new\n'))),
    await code(files.swap('/etc/file', text('old\n'), absent)),
  ];
  execFileSync('chattr', ['-i', file]);
  t.same(codes, ['cannot-write', 'cannot-write']);
  t.same(readdirSync(join(root, 'etc')), ['file']);
});

t.test(
  'a folder of drop-ins never holds a temporary file: a program may read every name in it',
  async (t) => {
    const root = t.testdir({ etc: { 'crio.conf.d': {} } });
    const folder = join(root, 'etc/crio.conf.d');
    const seen = new Set<string>();
    const watcher = watch(folder, (_event, name) => name && seen.add(name));
    t.teardown(() => watcher.close());
    const files = makeFiles(root);
    const state = (text: string) =>
      ({
        kind: 'text',
        text,
        mode: 0o644,
        uid: process.getuid?.() ?? 0,
        gid: process.getgid?.() ?? 0,
      }) as const;
    const path = '/etc/crio.conf.d/zz.conf';
    await files.swap(path, { kind: 'absent' }, state('one\n'));
    await files.swap(path, state('one\n'), state('two\n'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.same([...seen], ['zz.conf']);
    t.same(readdirSync(join(root, 'etc')), ['crio.conf.d']);
    t.equal(readFileSync(join(folder, 'zz.conf'), 'utf8'), 'two\n');
  },
);
