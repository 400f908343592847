/**
 * install.sh of an archive, run on a folder. `id`, `systemctl` and `mktemp` are stand-ins: the first says root, the second
 * records, the third records and then makes the name.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { filesOf } from '../../../packaging/release/tarball.ts';

const makeArchive = (folder: string, version: string, program: string): void => {
  const built = join(folder, `built-${version}`);
  const share = join(folder, `share-${version}`);
  for (const one of [built, share]) mkdirSync(one);
  writeFileSync(join(share, 'page'), 'page');
  for (const [name, text] of [
    ['rcm-node', program],
    ['libatomic.so.1', 'library'],
    ['rcm-node.service', `[Unit]\nDescription=${version}\n`],
  ] as const)
    writeFileSync(join(built, name), text);
  for (const { path, bytes, mode } of filesOf({ built, architecture: 'x64', version, share })) {
    const to = join(folder, version, path);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, bytes, { mode });
  }
};

const setUp = (t: Test) => {
  const folder = t.testdir({
    tools: {},
    root: { opt: {}, etc: { systemd: { system: {} } } },
  });
  const calls = join(folder, 'calls');
  const tool = (name: string, text: string): void =>
    writeFileSync(join(folder, 'tools', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  tool('id', 'echo 0');
  tool('systemctl', `echo "systemctl $*" >>'${calls}'`);
  tool('mktemp', `echo "mktemp $*" >>'${calls}'\nPATH=/usr/bin:/bin exec mktemp "$@"`);
  makeArchive(folder, '0.1.0', 'first');
  makeArchive(folder, '0.2.0', 'second');
  const root = join(folder, 'root');
  const install = (version: string, ...argv: readonly string[]) => {
    writeFileSync(calls, '');
    const { status, stdout, stderr } = spawnSync(
      join(folder, version, 'install.sh'),
      ['--root', root, ...argv],
      { encoding: 'utf8', env: { PATH: `${join(folder, 'tools')}:${process.env.PATH}` } },
    );
    return { status, said: stdout + stderr, calls: readFileSync(calls, 'utf8') };
  };
  return { folder, root, install, link: join(root, 'opt/rcm-node/bin/rcm-node') };
};

t.test('places a version, then another beside it; nothing is left over', async (t) => {
  const { root, install, link } = setUp(t);
  const first = install('0.1.0');
  t.equal(first.status, 0, first.said);
  t.equal(readlinkSync(link), 'versions/0.1.0/rcm-node');
  t.equal(readFileSync(link, 'utf8'), 'first');
  t.match(first.calls, `systemctl --root=${root} --quiet enable rcm-node.service`);
  t.notMatch(first.calls, /restart|start/, 'nothing is started for another root');
  const second = install('0.2.0');
  t.equal(second.status, 0, second.said);
  t.equal(readFileSync(link, 'utf8'), 'second');
  t.same(readdirSync(join(root, 'opt/rcm-node/bin')).sort(), ['rcm-node', 'versions']);
  t.same(readdirSync(join(root, 'opt/rcm-node/bin/versions')).sort(), ['0.1.0', '0.2.0']);
  t.same(readdirSync(join(root, 'etc/systemd/system')), ['rcm-node.service']);
  t.match(readFileSync(join(root, 'etc/systemd/system/rcm-node.service'), 'utf8'), '0.2.0');
  t.equal(install('0.1.0').status, 0, 'and back');
  t.equal(readFileSync(link, 'utf8'), 'first');
  for (const name of second.calls.split('\n').filter((line) => line.startsWith('mktemp')))
    t.match(name, /X{10}$/, 'no name that can be foretold');
});

t.test('a changed, a missing and an additional file are refused before anything is written', async (t) => {
  for (const [name, text] of [
    ['payload/rcm-node', 'changed'],
    ['payload/more', 'additional'],
    ['payload/rcm-nod.', 'additional, and as a pattern the name of another'],
    ['SHA256SUMS', ''],
  ] as const) {
    const { folder, root, install } = setUp(t);
    writeFileSync(join(folder, '0.1.0', name), text);
    const said = install('0.1.0');
    t.equal(said.status, 1);
    t.match(said.said, /fetch the archive again/);
    t.same(readdirSync(join(root, 'opt')), []);
    t.notMatch(said.calls, 'systemctl');
  }
});

t.test('a script without its archive says what is missing', async (t) => {
  const { folder, root, install } = setUp(t);
  rmSync(join(folder, '0.1.0', 'SHA256SUMS'));
  const { status, said } = install('0.1.0');
  t.equal(status, 1);
  t.match(said, /^install\.sh: \S+\/0\.1\.0\/SHA256SUMS is missing: unpack the whole archive/);
  t.same(readdirSync(join(root, 'opt')), []);
});

t.test('a program that another program placed is left alone unless it is asked for', async (t) => {
  for (const owner of ['bootstrap', 'package'] as const) {
    const { root, install, link } = setUp(t);
    const bin = join(root, 'opt/rcm-node/bin');
    mkdirSync(join(bin, 'versions/package'), { recursive: true });
    writeFileSync(join(bin, 'versions/package/rcm-node'), 'of the package');
    symlinkSync('versions/package/rcm-node', link);
    if (owner === 'bootstrap') writeFileSync(join(bin, 'bootstrap.json'), '{}');
    const said = install('0.2.0');
    t.equal(said.status, 1);
    t.match(said.said, owner === 'bootstrap' ? /DaemonSet/ : /apt, dnf/);
    t.equal(readFileSync(link, 'utf8'), 'of the package');
    t.equal(install('0.2.0', '--force').status, 0);
    t.equal(readFileSync(link, 'utf8'), 'second');
  }
});

t.test('a changed unit is kept, and another build of the same version is refused', async (t) => {
  const { root, install } = setUp(t);
  const unit = join(root, 'etc/systemd/system/rcm-node.service');
  writeFileSync(unit, 'mine');
  t.match(install('0.1.0'), { status: 0, said: /was changed on this host: it is kept/ });
  t.equal(readFileSync(unit, 'utf8'), 'mine');
  writeFileSync(join(root, 'opt/rcm-node/bin/versions/0.1.0/rcm-node'), 'another');
  t.match(install('0.1.0'), { status: 1, said: /another build of 0\.1\.0/ });
});

t.test('a link in an image leads nowhere', async (t) => {
  const { folder, root, install } = setUp(t);
  mkdirSync(join(folder, 'elsewhere'));
  symlinkSync(join(folder, 'elsewhere'), join(root, 'opt/rcm-node'));
  t.match(install('0.1.0'), { status: 1, said: /is a link/ });
  t.same(readdirSync(join(folder, 'elsewhere')), []);
  t.notOk(existsSync(join(root, 'etc/rcm-node')));
});

t.test('nor does one in which systemctl would make a link', async (t) => {
  for (const name of ['multi-user.target.wants', 'other.service.requires']) {
    const { folder, root, install } = setUp(t);
    symlinkSync(folder, join(root, 'etc/systemd/system', name));
    const said = install('0.1.0');
    t.match(said, { status: 1, said: new RegExp(`${name} is a link`) });
    t.notMatch(said.calls, 'systemctl');
    t.same(readdirSync(join(root, 'opt')), []);
  }
});

t.test('a folder that others may write, or that is of another user, gets no program', async (t) => {
  const { root, install } = setUp(t);
  mkdirSync(join(root, 'opt/rcm-node'));
  for (const [path, mode] of [
    ['opt', 0o1777],
    ['opt/rcm-node', 0o775],
    ['etc/systemd', 0o757],
  ] as const) {
    chmodSync(join(root, path), mode);
    t.match(install('0.1.0'), {
      status: 1,
      said: new RegExp(`others than root may write \\S+/${path}: .*chmod`),
    });
    chmodSync(join(root, path), 0o755);
  }
  if (process.geteuid?.() === 0) {
    chownSync(join(root, 'opt/rcm-node'), 1000, 1000);
    t.match(install('0.1.0'), { status: 1, said: /rcm-node belongs to another user: .*chown/ });
    chownSync(root, 1000, 1000);
    t.equal(install('0.1.0').status, 0, 'an image that an ordinary user built');
  } else t.equal(install('0.1.0').status, 0);
});

t.test('the folder of --root is looked for from where the person is', async (t) => {
  const { folder, install, link } = setUp(t);
  const { status, stderr } = spawnSync('0.1.0/install.sh', ['--root', 'root'], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: `${join(folder, 'tools')}:${process.env.PATH}`, CDPATH: join(folder, '0.2.0') },
  });
  t.equal(status, 0, stderr);
  t.equal(readFileSync(link, 'utf8'), 'first');
  t.match(install('0.2.0', '--root', `${folder}/none`), { status: 1, said: /none is not a folder/ });
});

t.test('what is copied is verified, too: an archive in a folder of others could change', async (t) => {
  const { folder, root, install } = setUp(t);
  const archive = join(folder, '0.1.0');
  const change = `echo changed >'${archive}/payload/rcm-node'`;
  writeFileSync(
    join(folder, 'tools', 'mktemp'),
    `#!/bin/sh\n${change}\nPATH=/usr/bin:/bin exec mktemp "$@"\n`,
    {
      mode: 0o755,
    },
  );
  t.match(install('0.1.0'), { status: 1, said: /changed while it was copied/ });
  t.same(readdirSync(join(root, 'opt/rcm-node/bin')), ['versions']);
  t.same(readdirSync(join(root, 'opt/rcm-node/bin/versions')), []);
  t.same(readdirSync(join(root, 'etc/systemd/system')), []);
});

t.test('killed at each command, it leaves a version that is whole, and the next run finishes', async (t) => {
  for (const [name, nth] of [
    ['cp', 1],
    ['chmod', 1],
    ['sync', 1],
    ['mv', 1],
    ['mv', 2],
    ['mv', 3],
    ['rmdir', 1],
  ] as const) {
    const { folder, root, install, link } = setUp(t);
    t.equal(install('0.1.0').status, 0);
    const count = join(folder, 'count');
    writeFileSync(count, '');
    const text = `#!/bin/sh\necho >>'${count}'\n[ $(wc -l <'${count}') != ${nth} ] || kill -KILL $PPID\nPATH=/usr/bin:/bin exec ${name} "$@"\n`;
    writeFileSync(join(folder, 'tools', name), text, { mode: 0o755 });
    t.equal(install('0.2.0').status, null, `${name} ${nth}: killed`);
    t.match(readFileSync(link, 'utf8'), /^(first|second)$/, `${name} ${nth}`);
    const again = install('0.2.0');
    t.equal(again.status, 0, again.said);
    t.equal(readFileSync(link, 'utf8'), 'second');
    t.match(readFileSync(join(root, 'etc/systemd/system/rcm-node.service'), 'utf8'), '0.2.0');
    t.same(readdirSync(join(root, 'opt/rcm-node/bin')).sort(), ['rcm-node', 'versions'], `${name} ${nth}`);
    t.same(readdirSync(join(root, 'opt/rcm-node/bin/versions')).sort(), ['0.1.0', '0.2.0']);
    t.same(readdirSync(join(root, 'etc/systemd/system')), ['rcm-node.service']);
  }
});

t.test('without root, or with an unknown argument, it says so', async (t) => {
  const { folder, install } = setUp(t);
  t.match(install('0.1.0', '--unknown'), { status: 1, said: /unknown argument --unknown/ });
  writeFileSync(join(folder, 'tools', 'id'), '#!/bin/sh\necho 1000\n', { mode: 0o755 });
  t.match(install('0.1.0'), { status: 1, said: /as root/ });
});
