import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { makeFiles } from '../../../host/files/files.ts';
import { findUnit } from '../../../host/systemd/unit-search.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';

const name = 'containerd.service';
const etc = '/etc/systemd/system';
const lib = '/usr/lib/systemd/system';

/** A root with these files; `-> X` is a link to X. */
const rootOf = (t: Test, files: Readonly<Record<string, string>>) => {
  const root = t.testdir({});
  chmodSync(root, 0o755);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    if (text.startsWith('-> ')) symlinkSync(text.slice(3), join(root, path));
    else writeFileSync(join(root, path), text, { mode: 0o644 });
  }
  return root;
};
const find = async (t: Test, files: Readonly<Record<string, string>>, wanted = name) => {
  const found = await findUnit(makeFiles(rootOf(t, files)), wanted);
  return found.kind === 'found' ? [found.name, ...found.files.map(({ path }) => path)] : found;
};

t.test('the first folder with the unit counts', async (t) => {
  const own = `${lib}/${name}`;
  t.same(await find(t, { [own]: 'a' }), [name, own]);
  const local = `/usr/local/lib/systemd/system/${name}`;
  t.same(await find(t, { [own]: 'a', [local]: 'b' }), [name, local]);
  t.same(await find(t, { [own]: 'a', [local]: 'b', [`/run/systemd/system/${name}`]: 'c' }), [
    name,
    `/run/systemd/system/${name}`,
  ]);
  t.same(await find(t, { [own]: 'a', [`${etc}/${name}`]: 'd' }), [name, `${etc}/${name}`]);
  t.same(await find(t, { [`/lib/systemd/system/${name}`]: 'a' }), [name, `/lib/systemd/system/${name}`]);
  t.same(await find(t, {}), { kind: 'absent' });
});

t.test('a broken link, or an empty file, masks it', async (t) => {
  const own = { [`${lib}/${name}`]: 'a' };
  for (const text of ['-> /dev/null', '-> ../../../dev/null', ''])
    t.match(await find(t, { ...own, [`${etc}/${name}`]: text }), { kind: 'masked', path: `${etc}/${name}` });
  const gone = await find(t, { ...own, [`${etc}/${name}`]: '-> /gone' }).catch(problemOf);
  t.match(gone, { code: 'unclear-start', message: /leads nowhere/, where: { file: `${etc}/${name}` } });
});

t.test('drop-ins of all folders are read, by name, and the first of a name counts', async (t) => {
  const d = `${name}.d`;
  t.same(
    await find(t, {
      [`${lib}/${name}`]: 'a',
      [`${lib}/${d}/20-b.conf`]: 'x',
      [`${lib}/${d}/10-a.conf`]: 'x',
      [`${etc}/${d}/20-b.conf`]: 'y',
      [`/run/systemd/system/${d}/15-r.conf`]: 'x',
      [`/usr/local/lib/systemd/system/${d}/30-c.conf`]: 'x',
      [`${etc}/${d}/30-c.conf`]: '-> /dev/null',
      [`${etc}/${d}/40-gone.conf`]: '-> /none',
      [`${lib}/${d}/40-gone.conf`]: 'x',
      [`${etc}/${d}/.hidden.conf`]: 'x',
      [`${etc}/${d}/50-no.conf.bak`]: 'x',
      [`${etc}/${d}/60-folder.conf/x`]: 'x',
      [`${lib}/service.d/05-all.conf`]: 'x',
      [`${etc}/service.d/10-a.conf`]: 'z',
      [`/lib/systemd/system/${d}/70-l.conf`]: 'x',
    }),
    [
      name,
      `${lib}/${name}`,
      `${lib}/service.d/05-all.conf`,
      `${lib}/${d}/10-a.conf`,
      `/run/systemd/system/${d}/15-r.conf`,
      `${etc}/${d}/20-b.conf`,
      `${etc}/${d}/30-c.conf`,
      `${etc}/${d}/40-gone.conf`,
      `/lib/systemd/system/${d}/70-l.conf`,
    ],
  );
});

t.test('an alias names the unit, whose drop-ins are read by all its names', async (t) => {
  const files = {
    [`${lib}/ctrd.service`]: 'a',
    [`${etc}/${name}`]: `-> ${lib}/ctrd.service`,
    [`${etc}/cri.service`]: `-> ${name}`,
    [`${etc}/${name}.d/b.conf`]: 'x',
    [`${lib}/ctrd.service.d/a.conf`]: 'x',
    [`${etc}/cri.service.d/c.conf`]: 'x',
  };
  const all = [
    'ctrd.service',
    ...[
      `${lib}/ctrd.service`,
      `${lib}/ctrd.service.d/a.conf`,
      `${etc}/${name}.d/b.conf`,
      `${etc}/cri.service.d/c.conf`,
    ],
  ];
  t.same(await find(t, files), all);
  t.same(await find(t, files, 'ctrd.service'), all);
  t.same(
    await find(t, { '/opt/x/other.service': 'a', [`${etc}/${name}`]: '-> /opt/x/other.service' }),
    [name, `${etc}/${name}`],
    'a link that leads out of the folders is the unit itself',
  );
  const round = { [`${etc}/${name}`]: '-> b.service', [`${etc}/b.service`]: `-> ${name}` };
  t.match(await find(t, round).catch(problemOf), { code: 'unclear-start', message: /go round/ });
});

t.test('templates and names with dashes have drop-ins of their own', async (t) => {
  const found = await find(
    t,
    {
      [`${lib}/my-ctrd@.service`]: 'a',
      [`${lib}/my-ctrd@.service.d/a.conf`]: 'x',
      [`${etc}/my-ctrd@one.service.d/b.conf`]: 'x',
      [`${etc}/my-.service.d/c.conf`]: 'x',
    },
    'my-ctrd@one.service',
  );
  t.same(found, [
    'my-ctrd@one.service',
    ...[`${lib}/my-ctrd@.service`, `${lib}/my-ctrd@.service.d/a.conf`],
    ...[`${etc}/my-ctrd@one.service.d/b.conf`, `${etc}/my-.service.d/c.conf`],
  ]);
});

t.test('a file that another user can write is refused, in each place', async (t) => {
  const files = { [`${lib}/${name}`]: 'a', [`${etc}/${name}.d/a.conf`]: 'x' };
  for (const path of [etc, `${lib}/${name}`, `${etc}/${name}.d`, `${etc}/${name}.d/a.conf`]) {
    const root = rootOf(t, files);
    chmodSync(join(root, path), 0o777);
    t.match(await findUnit(makeFiles(root), name).catch(problemOf), { code: 'untrusted' }, path);
  }
});
