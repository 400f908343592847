import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { isRoots, mustBeRoots } from '../../../host/files/trusted.ts';
import { thrownProblem } from '../../../testbed/failure.ts';
import { until } from '../../../testbed/until.ts';
import { hintOf, type Problem, problemOf } from '../../../protocol/problem/problem.ts';

const asRoot = process.getuid?.() === 0 ? false : 'needs root, to give files to another user';
const mallory = 1000;

/** A tree with the file /etc/x/file, as root makes it. */
const tree = (t: Test) => {
  const root = t.testdir({});
  chmodSync(root, 0o755);
  const put = (path: string, text = ''): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), text, { mode: 0o644 });
    chmodSync(join(root, path), 0o644);
  };
  put('/etc/x/file');
  return {
    root,
    put,
    at: (path: string) => join(root, path),
    why: (path: string): Problem | undefined => {
      try {
        mustBeRoots(root, path);
        return undefined;
      } catch (error) {
        return problemOf(error);
      }
    },
  };
};

t.test(
  'a path that only root can write is accepted, and so is one that only root could create',
  async (t) => {
    const { why, at } = tree(t);
    for (const path of ['/etc/x/file', '/etc/x', '/', '/etc/x/none', '/none/at/all', '/etc/./x/../x/file'])
      t.equal(why(path), undefined, path);
    chmodSync(at('/etc/x/file'), 0o600);
    t.equal(why('/etc/x/file'), undefined);
  },
);

t.test('a file that group or others can write is refused, and the reason names the way out', async (t) => {
  const { why, at } = tree(t);
  for (const mode of [0o664, 0o646, 0o666, 0o620]) {
    chmodSync(at('/etc/x/file'), mode);
    const problem = why('/etc/x/file');
    t.match(problem, {
      code: 'untrusted',
      message: `not only root can change it: it has mode 0${mode.toString(8)}`,
      where: { file: '/etc/x/file' },
    });
    t.match(problem && hintOf(problem), /then: chmod go-w \/etc\/x\/file$/);
  }
});

t.test(
  'a file below a folder that others can write is refused, with or without the sticky bit',
  async (t) => {
    const { why, at } = tree(t);
    for (const mode of [0o775, 0o777, 0o1777]) {
      chmodSync(at('/etc'), mode);
      t.match(why('/etc/x/file')?.message, /: \/etc has mode/);
      t.match(why('/etc/x/none'), { code: 'untrusted' }, 'who can make it decides what it says');
      t.match(why('/etc/none'), { code: 'untrusted' });
    }
    chmodSync(at('/etc'), 0o755);
    chmodSync(at('/'), 0o777);
    t.match(why('/etc/x/file')?.message, /: \/ has mode 0777/);
  },
);

t.test('another owner is refused at each part of the path', { skip: asRoot }, async (t) => {
  for (const path of ['/etc', '/etc/x', '/etc/x/file']) {
    const { why, at } = tree(t);
    chownSync(at(path), mallory, 0);
    const problem = why('/etc/x/file');
    t.match(problem?.message, `${path === '/etc/x/file' ? 'it' : path} belongs to uid ${mallory}`);
    t.match(problem && hintOf(problem), `chown root:root ${path}`);
    t.notMatch(problem && hintOf(problem), /chmod/);
  }
});

t.test(
  'links are followed, and the folders on their path count; their own owner does not',
  { skip: asRoot },
  async (t) => {
    const { why, at, put } = tree(t);
    symlinkSync('../y/real', at('/etc/x/link'));
    put('/etc/y/real');
    lchownSync(at('/etc/x/link'), mallory, mallory);
    t.equal(why('/etc/x/link'), undefined);
    chownSync(at('/etc/y'), mallory, 0);
    t.match(why('/etc/x/link'), { message: /\/etc\/y belongs to uid 1000/, where: { file: '/etc/x/link' } });
    put('/home/mallory/file');
    chownSync(at('/home/mallory'), mallory, 0);
    symlinkSync('/home/mallory', at('/etc/x/abroad'));
    t.match(why('/etc/x/abroad/file')?.message, /\/home\/mallory belongs to uid 1000/);
    symlinkSync('/etc/x/file', at('/home/mallory/back'));
    t.match(
      why('/home/mallory/back')?.message,
      /\/home\/mallory belongs/,
      'whose the link is decides where it leads',
    );
    symlinkSync('/nowhere', at('/etc/x/dangling'));
    t.equal(why('/etc/x/dangling'), undefined);
    symlinkSync('round', at('/etc/x/round'));
    t.match(why('/etc/x/round'), { code: 'unreadable-source', message: /go round/ });
  },
);

t.test('an ACL that lets another user write shows in the mode, whatever the group is', async (t) => {
  // acl(5): with a mask, the group's bits of the mode are the mask.
  t.notOk(isRoots('/', { uid: 0, mode: 0o100664 }));
  t.ok(isRoots('/', { uid: 0, mode: 0o100644 }));
});

t.test('in a prepared tree its owner counts as root, and no other user does', { skip: asRoot }, async (t) => {
  const { why, at } = tree(t);
  for (const path of ['/', '/etc', '/etc/x', '/etc/x/file']) chownSync(at(path), mallory, mallory);
  t.equal(why('/etc/x/file'), undefined);
  chownSync(at('/etc/x/file'), 1001, 1001);
  t.match(why('/etc/x/file')?.message, /belongs to uid 1001/);
  chownSync(at('/etc/x/file'), 0, 0);
  t.equal(why('/etc/x/file'), undefined);
  chmodSync(at('/etc/x/file'), 0o666);
  t.match(why('/etc/x/file'), { code: 'untrusted' }, 'the mode goes into the image as it is');
});

t.test('a name with special characters for a shell is quoted in the way out', async (t) => {
  const { why, at, put } = tree(t);
  put("/etc/x/it's; reboot");
  chmodSync(at("/etc/x/it's; reboot"), 0o666);
  const problem = why("/etc/x/it's; reboot");
  t.equal(hintOf(problem!).split('then: ')[1], "chmod go-w '/etc/x/it'\\''s; reboot'");
});

t.test('a path that cannot be read is refused', { skip: asRoot }, async (t) => {
  const { why, at, root } = tree(t);
  chmodSync(at('/etc/x'), 0o700);
  const inner = join(root, 'etc/x/file');
  process.seteuid?.(mallory);
  const problem = why('/etc/x/file');
  process.seteuid?.(0);
  t.match(problem, { code: 'unreadable-source', message: /EACCES/ });
  rmSync(inner);
});

t.test('a link that cannot be followed is refused as what cannot be seen', async (t) => {
  // The kernel shows a link to the program of a process that has ended, and it leads nowhere.
  const script = 'exec 3<&0; read -r line <&3 & echo $!; exec sleep 60';
  const parent = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => parent.kill('SIGKILL'));
  const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
  const folder = `/proc/${pid.toString().trim()}`;
  // By then its parent is a program that does not ask how it ended, so that it stays.
  await until(() => readFileSync(`/proc/${parent.pid}/cmdline`, 'utf8').startsWith('sleep'));
  parent.stdin.end();
  await until(() => /^State:\s+Z/m.test(readFileSync(`${folder}/status`, 'utf8')));
  const problem = thrownProblem(() => mustBeRoots('/', `${folder}/exe`));
  t.match(problem, { code: 'unreadable-source', message: /cannot be seen: ENOENT/ });
});
