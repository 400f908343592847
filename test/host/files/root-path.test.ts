import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { placeIn, resolveIn } from '../../../host/files/root-path.ts';
import { Failure } from '../../../protocol/problem/problem.ts';

t.test('links of an image are resolved within it, also to missing targets', async (t) => {
  const root = t.testdir({ var: { opt: {} }, etc: { file: 'x' } });
  symlinkSync('/var/opt', join(root, 'opt'));
  symlinkSync('var/missing', join(root, 'srv'));
  symlinkSync('../../../../../../..', join(root, 'etc/up'));
  symlinkSync('/etc/file', join(root, 'etc/link'));
  t.equal(placeIn(root, '/opt/rcm-node/bin', true), join(root, 'var/opt/rcm-node/bin'));
  t.equal(placeIn(root, '/srv/a', false), join(root, 'var/missing/a'));
  t.equal(placeIn(root, '/etc/up/etc/file', false), join(root, 'etc/file'));
  t.equal(placeIn(root, '/../../etc/./file', false), join(root, 'etc/file'));
  t.equal(placeIn(root, '/etc/link', true), join(root, 'etc/file'));
  t.equal(placeIn(root, '/etc/link', false), join(root, 'etc/link'));
  t.equal(placeIn(root, '/', true), root);
});

t.test('loops of links are an error', async (t) => {
  const root = t.testdir({});
  symlinkSync('loop', join(root, 'loop'));
  for (let index = 0; index < 60; index += 1)
    symlinkSync(index === 0 ? '/etc' : `chain${index - 1}`, join(root, `chain${index}`));
  for (const path of ['/loop/x', '/chain59/passwd'])
    t.throws(
      () => placeIn(root, path, false),
      new Failure({
        code: 'cannot-write',
        message: 'the path leads through symbolic links that go round',
        where: { file: path },
      }),
    );
  t.equal(placeIn(root, '/chain30/passwd', true), join(root, 'etc/passwd'));
});

t.test('on the host itself the kernel follows the links', async (t) => {
  t.equal(placeIn('/', '/proc/self/exe', true), '/proc/self/exe');
  t.equal(placeIn('/', '/etc/../etc/hosts', false), '/etc/hosts');
});

t.test('on the host itself links are followed to their end, as in another root', async (t) => {
  const folder = t.testdir({ usr: { lib: { real: 'x' } } });
  symlinkSync('usr/lib', join(folder, 'lib'));
  symlinkSync('loop', join(folder, 'loop'));
  symlinkSync('usr/none', join(folder, 'dangling'));
  symlinkSync(`${folder}/lib/../lib`, join(folder, 'absolute'));
  for (const path of ['/lib/real', '/absolute/real', '/lib/../lib/./real', '/lib//real']) {
    t.equal(resolveIn('/', `${folder}${path}`), join(folder, 'usr/lib/real'), path);
    // With a budget each part of the way is looked at, which has to come to the same.
    t.equal(
      resolveIn('/', `${folder}${path}`, () => undefined),
      join(folder, 'usr/lib/real'),
      path,
    );
  }
  for (const path of ['/loop', '/dangling', '/none/below', '/usr/lib/real/below']) {
    t.equal(resolveIn('/', `${folder}${path}`), undefined, path);
    t.equal(
      resolveIn('/', `${folder}${path}`, () => undefined),
      undefined,
      path,
    );
  }
  t.equal(resolveIn('/', '/'), '/');
});

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

t.test('each access to the file system is reported, so that it can be the last', async (t) => {
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
