import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { CacheFile } from '../../daemon/cluster/cache-file.ts';
import { openShimCache, type View } from '../../daemon/cluster/shim-cache.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';
import { type Labels, type ShimObject, shimsPath, typePath } from '../../protocol/shim-object.ts';
import { scriptedApi } from '../../testbed/simulated/scripted-api.ts';

const shim = (name: string, over: Partial<ShimObject['metadata']> = {}): ShimObject => ({
  metadata: { name, ...over },
  spec: {},
});
const whole = { resources: [{ name: 'shims', verbs: ['create', 'delete', 'get', 'list', 'watch'] }] };
const dying = { resources: [{ name: 'shims', verbs: ['delete', 'get', 'list', 'watch'] }] };

const listOf = (items: readonly ShimObject[]) => ({
  kind: 'ShimList',
  metadata: { resourceVersion: '1' },
  items,
});

/** A node that the cluster speaks to; time passes only with `pass`. */
const setUp = (t: Test) => {
  const root = t.testdir({});
  const time = { now: 0 };
  const sleepers: { at: number; wake: () => void }[] = [];
  const { host: bare, lines } = bareRoot(root);
  const clock = {
    ...bare.clock,
    elapsed: () => time.now,
    random: () => 0.5,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((wake) => {
        const sleeper = { at: time.now + ms, wake };
        const end = (): void => {
          if (sleepers.includes(sleeper)) sleepers.splice(sleepers.indexOf(sleeper), 1);
          wake();
        };
        if (signal?.aborted) return wake();
        sleepers.push(sleeper);
        signal?.addEventListener('abort', end, { once: true });
      }),
  };
  /** `hinder`: so many writes fail. */
  const disk = { busy: 0, hinder: 0 };
  const slow =
    <A extends readonly unknown[], R>(work: (...given: A) => Promise<R>) =>
    async (...given: A): Promise<R> => {
      disk.busy++;
      try {
        return await work(...given);
      } finally {
        disk.busy--;
      }
    };
  const files = {
    ...bare.files,
    isFolder: slow(bare.files.isFolder),
    makeFolder: slow(bare.files.makeFolder),
    put: slow(async (...given: Parameters<typeof bare.files.put>) => {
      if (disk.hinder-- > 0) throw new Error('ENOENT');
      await bare.files.put(...given);
    }),
    look: slow(bare.files.look),
    names: slow(bare.files.names),
    move: slow(bare.files.move),
  };
  /** Until nothing moves any more but by the clock. */
  const settle = async (): Promise<void> => {
    for (let pass = 0; pass < 30; pass++) {
      await breathe();
      while (disk.busy > 0) await breathe();
    }
  };
  const pass = async (ms: number): Promise<void> => {
    const end = time.now + ms;
    for (;;) {
      await settle();
      sleepers.sort((a, b) => a.at - b.at);
      const [next] = sleepers;
      if (!next || next.at > end) break;
      sleepers.shift();
      time.now = next.at;
      next.wake();
    }
    time.now = end;
    await settle();
  };
  const { api, answers, calls } = scriptedApi();
  const shown = {
    shims: undefined as readonly ShimObject[] | undefined,
    labels: {} as Labels | undefined,
    missing: false,
    current: true,
  };
  answers.set(`GET ${typePath}`, whole);
  answers.set(`GET ${shimsPath}`, () => listOf(shown.shims ?? []));
  const view: View = {
    api,
    node: 'n',
    seen: () => shown,
    typeMissing: () => shown.missing,
    current: () => shown.current,
  };
  const changes = { count: 0 };
  const file = join(root, 'var/lib/rcm-node/cluster.json');
  const changed = (): void => void changes.count++;
  const make = () => {
    const file = new CacheFile({ ...bare, clock, files }, changed);
    return { file, keeper: openShimCache({ ...bare, clock }, file, changed) };
  };
  const state = make();
  return {
    file,
    lines,
    answers,
    calls,
    changes,
    shown,
    pass,
    again: async (): Promise<void> => {
      Object.assign(state, make());
      const last = await state.file.restore();
      if (last) state.keeper.restore(last);
    },
    crdMissing: () => state.keeper.crdMissing(),
    leave: async (): Promise<void> => {
      state.keeper.leave();
      await settle();
    },
    hinder: (times: number) => {
      disk.hinder = times;
    },
    waiting: () => sleepers.length,
    show: async (now: Partial<typeof shown>): Promise<void> => {
      Object.assign(shown, now);
      state.keeper.look(view);
      await settle();
    },
    asked: (): readonly string[] =>
      existsSync(file)
        ? (JSON.parse(readFileSync(file, 'utf8')) as { shims: ShimObject[] }).shims.map(
            (one) => one.metadata.name,
          )
        : [],
  };
};

t.test('a new Shim is applied at once; unchanged Shims are not written', async (t) => {
  const { show, asked, changes } = setUp(t);
  await show({ shims: [shim('spin')] });
  t.same([asked(), changes.count], [['spin'], 1]);
  await show({ shims: [shim('spin', { resourceVersion: '8' })] });
  await show({ shims: [shim('spin')], labels: { other: 'label' } });
  t.equal(changes.count, 1);
});

t.test('a deleted Shim is removed once a fresh list confirms it', async (t) => {
  const { show, asked, pass, calls } = setUp(t);
  await show({ shims: [shim('spin'), shim('wws')] });
  await show({ shims: [shim('wws')] });
  t.same(asked(), ['spin', 'wws'], 'not on the word of one event');
  await pass(30_000);
  t.same(asked(), ['wws']);
  t.equal(calls.filter((one) => one.path === shimsPath).length, 1);
});

t.test('a list that is empty by mistake removes nothing', async (t) => {
  const { show, asked, pass, answers } = setUp(t);
  await show({ shims: [shim('spin')] });
  answers.set(`GET ${shimsPath}`, listOf([shim('spin')]));
  await show({ shims: [] });
  await pass(60_000);
  t.same(asked(), ['spin']);
  await show({ shims: [shim('spin')] });
  await pass(3_600_000);
  t.same(asked(), ['spin']);
});

t.test(
  'a deleted CRD, with all its Shims, removes nothing; nor does it when it comes back with them',
  async (t) => {
    const { show, asked, pass, answers, crdMissing } = setUp(t);
    await show({ shims: [shim('spin'), shim('wws')] });
    answers.set(`GET ${typePath}`, dying);
    await show({ shims: [shim('wws', { deletionTimestamp: '2027-01-01T00:00:00Z' })] });
    await show({ shims: [] });
    await pass(30_000);
    t.equal(crdMissing(), true);
    answers.delete(`GET ${typePath}`);
    answers.delete(`GET ${shimsPath}`);
    await show({ missing: true });
    await pass(86_400_000);
    t.same(asked(), ['spin', 'wws'], 'a day later');

    answers.set(`GET ${typePath}`, whole);
    answers.set(`GET ${shimsPath}`, listOf([]));
    await show({ missing: false, shims: [] });
    t.equal(crdMissing(), false, 'said at once, and not at the end of some pause');
    await pass(590_000);
    t.same(asked(), ['spin', 'wws'], 'back, and empty as yet');
    answers.set(`GET ${shimsPath}`, listOf([shim('spin')]));
    await show({ shims: [shim('spin')] });
    t.same(asked(), ['spin', 'wws']);
    await pass(40_000);
    t.same(asked(), ['spin'], 'what did not come back within 10 minutes was not wanted back');
  },
);

t.test(
  'without an answer of the API server a deletion stays unconfirmed, and is asked about again',
  async (t) => {
    const { show, asked, pass, answers, lines } = setUp(t);
    await show({ shims: [shim('spin')] });
    const fail = (): never => {
      throw new Error('no route');
    };
    answers.set(`GET ${shimsPath}`, fail);
    await show({ shims: [] });
    await pass(600_000);
    t.same(asked(), ['spin']);
    t.same(lines, ['warn cannot confirm deletions: an unforeseen error (Error)'], 'and that is told once');
    answers.set(`GET ${shimsPath}`, listOf([]));
    await pass(1_200_000);
    t.same(asked(), []);
  },
);

t.test('the confirmed state survives a restart, and a damaged file is written again', async (t) => {
  const { show, asked, again, file, pass } = setUp(t);
  await show({ shims: [shim('spin')] });
  await again();
  await show({ shims: undefined });
  t.same(asked(), ['spin']);
  await show({ shims: [] });
  t.same(asked(), ['spin'], 'an empty list after a restart is doubted too');
  await pass(60_000);
  t.same(asked(), []);
  writeFileSync(file, '{');
  await again();
  await show({ shims: [shim('wws')] });
  t.same(asked(), ['wws']);
  rmSync(file);
  await show({});
  t.same(asked(), ['wws'], 'and one that is gone comes again, though the cluster said nothing new');
  writeFileSync(file, '{"version":2}');
  await show({ shims: [shim('spin')] });
  t.equal(readFileSync(file, 'utf8'), '{"version":2}', 'that of a newer version is left alone');
});

t.test('a closed connection no longer decides anything', async (t) => {
  const { show, asked, pass } = setUp(t);
  await show({ shims: [shim('spin')] });
  await show({ shims: [] });
  await show({ current: false });
  await pass(3_600_000);
  t.same(asked(), ['spin']);
});

t.test(
  'nothing waits for a closed connection, and deletions on the next one are confirmed again',
  async (t) => {
    for (const later of [0, 60_000]) {
      const { show, shown, asked, pass, answers, leave, waiting } = setUp(t);
      await show({ shims: [shim('spin')] });
      answers.set(`GET ${typePath}`, dying);
      await show({ shims: [] });
      await pass(later);
      t.equal(waiting(), 1);
      Object.assign(shown, { current: false });
      await leave();
      t.equal(waiting(), 0, 'a pause of minutes would keep a service that is told to end');
      answers.set(`GET ${typePath}`, whole);
      answers.set(`GET ${shimsPath}`, listOf([shim('spin')]));
      await show({ current: true });
      answers.set(`GET ${shimsPath}`, listOf([]));
      await pass(700_000);
      t.same(asked(), []);
    }
  },
);

t.test('what a full disk did not accept is not recorded as written', async (t) => {
  const { show, asked, changes, hinder } = setUp(t);
  await show({ shims: [shim('spin')] });
  hinder(1);
  await show({ shims: [shim('spin'), shim('wws')] });
  t.same([asked(), changes.count], [['spin'], 1]);
  await show({});
  t.same(asked(), ['spin', 'wws']);
});

t.test('after a restart during an outage of the type, its Shims are kept for a while', async (t) => {
  for (const [before, after] of [
    [dying, whole],
    [undefined, whole],
    [whole, whole],
  ]) {
    const { show, asked, again, pass, answers } = setUp(t);
    await show({ shims: [shim('spin')] });
    if (before) answers.set(`GET ${typePath}`, before);
    else answers.delete(`GET ${typePath}`);
    if (before === whole) {
      await show({ missing: true });
      await show({ missing: false });
    }
    await show({ shims: [], missing: before === undefined });
    await pass(30_000);
    await again();
    answers.set(`GET ${typePath}`, after);
    answers.set(`GET ${shimsPath}`, listOf([]));
    await show({ missing: false, shims: [] });
    await pass(590_000);
    t.same(asked(), ['spin']);
    await pass(100_000);
    t.same(asked(), [], 'and no more than that');
  }
});
