import { mkdirSync, renameSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { untilChanged } from '../../../daemon/reconcile/until-changed.ts';
import { makeFiles } from '../../../host/files/files.ts';

const setUp = (t: Test, later = 3_000) => {
  const root = t.testdir({ file: 'one', other: 'two' });
  const files = makeFiles('/');
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
  t.equal(await kept({ files: makeFiles('/'), clock }, '/x', at, read), '2');
  for (let count = 0; count < 300; count += 1) await kept({ files, clock }, `/${count}`, at, read);
  t.equal(await kept({ files, clock }, '/x', at, read), '303');
});
