import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { untilChanged } from '../../../daemon/reconcile/until-changed.ts';
import { makeFiles } from '../../../host/files/files.ts';

const overlay = ['-t', 'overlay', 'overlay', '-o', 'lowerdir=/usr:/etc', '/mnt'];
const noMounts: string | false =
  spawnSync('unshare', ['-m', 'mount', ...overlay]).status === 0 ? false : 'overlays cannot be mounted here';

const setUp = (t: Test, later = 3_000) => {
  const root = t.testdir({ file: 'one', other: 'two' });
  // The folder of the tests may be on one.
  const files = { ...makeFiles('/'), isOverlay: async () => false };
  const state = { reads: 0, later };
  const clock = {
    now: () => Date.now() + state.later,
    elapsed: () => 0,
    sleep: async () => undefined,
    within: async () => true,
    random: () => 0,
  };
  const kept = untilChanged<string>();
  const file = join(root, 'file');
  const ask = async (afresh = false): Promise<string | undefined> => {
    const read = async (): Promise<string> => {
      state.reads += 1;
      const fact = await files.look(file);
      return fact.kind === 'regular' ? fact.text : fact.kind;
    };
    return kept({ files, clock }, file, await files.stat(file), read, afresh);
  };
  return { root, file, state, files, clock, kept, ask };
};

t.test('what is unchanged is read once, and again when it is asked for', async (t) => {
  const { ask, state } = setUp(t);
  for (const afresh of [false, false, true, false]) t.equal(await ask(afresh), 'one');
  t.equal(state.reads, 2);
});

t.test('a write, another file at the place, and none are seen, whatever their times say', async (t) => {
  const { root, file, ask } = setUp(t);
  const date = new Date(1_000);
  for (const name of ['file', 'other']) utimesSync(join(root, name), date, date);
  t.equal(await ask(), 'one');
  // Longer than the resolution of the kernel's times.
  await sleep(50);
  writeFileSync(file, 'six');
  utimesSync(file, date, date);
  t.equal(await ask(), 'six', 'of the same size and date');
  renameSync(join(root, 'other'), file);
  t.equal(await ask(), 'two');
  unlinkSync(file);
  t.equal(await ask(), 'absent');
  writeFileSync(file, 'ten');
  t.equal(await ask(), 'ten');
});

t.test('a link that leads elsewhere is seen', async (t) => {
  const { root, files, clock, kept } = setUp(t);
  const date = new Date(1_000);
  for (const name of ['a', 'b']) {
    mkdirSync(join(root, name));
    writeFileSync(join(root, name, name), '');
    utimesSync(join(root, name), date, date);
  }
  const link = join(root, 'units');
  const list = async (): Promise<string | undefined> =>
    kept({ files, clock }, link, await files.statFolder(link), async () => `${await files.names(link)}`);
  for (const name of ['a', 'b', 'a']) {
    symlinkSync(name, `${link}.new`);
    renameSync(`${link}.new`, link);
    for (const _ of [1, 2]) t.equal(await list(), name);
  }
});

t.test('a layer that comes or goes below a folder is seen', { skip: noMounts }, async (t) => {
  const { root, clock, kept } = setUp(t);
  const files = makeFiles('/');
  const folder = join(root, 'units');
  mkdirSync(folder);
  const date = new Date(1_000);
  for (const layer of ['top', 'a', 'b']) {
    mkdirSync(join(root, layer, 'system'), { recursive: true });
    writeFileSync(join(root, layer, 'system', `${layer}.service`), '');
    utimesSync(join(root, layer, 'system'), date, date);
  }
  const [path, seen] = [join(folder, 'system'), new Set<string>()];
  for (const below of ['a', 'b', 'a', 'b']) {
    const layers = `lowerdir=${root}/top:${root}/${below}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, folder]);
    try {
      const at = await files.statFolder(path);
      seen.add(JSON.stringify(at));
      const list = async (): Promise<string> => `${await files.names(path)}`;
      t.equal(await kept({ files, clock }, path, at, list), `${below}.service,top.service`);
    } finally {
      execFileSync('umount', [folder]);
    }
  }
  t.comment(`${seen.size} different answers of stat`);
});

t.test('what was written just now, or in the future, is read each time', async (t) => {
  for (const later of [0, -3_600_000]) {
    const { ask, state } = setUp(t, later);
    for (const _ of [1, 2, 3]) t.equal(await ask(), 'one');
    t.equal(state.reads, 3);
    state.later = 3_000;
    for (const _ of [1, 2, 3]) t.equal(await ask(), 'one');
    t.equal(state.reads, 4);
  }
});

t.test('what is written while it is read is seen, however long the process is stopped then', async (t) => {
  const { kept, files, file, clock, state } = setUp(t, 0);
  const at = await files.stat(file);
  const read = (text: string) => async (): Promise<string> => {
    state.later = 3_600_000;
    return text;
  };
  t.equal(await kept({ files, clock }, file, at, read('one')), 'one');
  t.equal(await kept({ files, clock }, file, at, read('two')), 'two');
});

t.test('what could not be read is asked for again', async (t) => {
  const { kept, files, file, clock } = setUp(t);
  const at = await files.stat(file);
  t.equal(await kept({ files, clock }, file, at, async () => undefined), undefined);
  t.equal(await kept({ files, clock }, file, at, async () => 'one'), 'one');
});

t.test('each host has its own, and it holds a limited number', async (t) => {
  const { kept, state, clock, files, root } = setUp(t);
  const at = await files.stat(join(root, 'file'));
  const read = async (): Promise<string> => {
    state.reads += 1;
    return `${state.reads}`;
  };
  t.equal(await kept({ files, clock }, '/x', at, read), '1');
  t.equal(await kept({ files: { ...files }, clock }, '/x', at, read), '2');
  for (let count = 0; count < 300; count += 1) await kept({ files, clock }, `/${count}`, at, read);
  t.equal(await kept({ files, clock }, '/x', at, read), '303');
});
