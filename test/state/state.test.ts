import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Journal } from '../../daemon/model/journal.ts';
import { emptyLedger, printState } from '../../daemon/model/ledger.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { dropJournal, loadState, readState, saveJournal, saveLedger } from '../../daemon/state/state.ts';
import { bareRoot } from '../../testbed/simulated/bare-root.ts';

const ledger = { ...emptyLedger, restarts: [1] };
const journal: Journal = {
  version: 1,
  plan: { kind: 'steps', revision: 'd'.repeat(64), steps: [], because: [], disrupts: false },
  direction: 'forward',
  at: 0,
  socket: '/run/x',
  ledger: { ...emptyLedger, restarts: [7] },
};

const setUp = (t: Test, files: Readonly<Record<string, string>> = {}) => {
  const root = t.testdir({ var: { lib: { 'rcm-node': files } } });
  return { host: bareRoot(root).host, folder: join(root, 'var/lib/rcm-node') };
};
const code = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.catch((thrown: unknown) => thrown);
  if (!(error instanceof Failure)) throw new Error('expected a Failure', { cause: error });
  return error.problem.code;
};

t.test('a host that was never touched has an empty ledger and no journal', async (t) => {
  t.same(await loadState(bareRoot(t.testdir({})).host), {
    ledger: emptyLedger,
    journal: undefined,
    problems: [],
    notes: [],
  });
});

t.test('saved state is loaded again, and only root can read it', async (t) => {
  const root = t.testdir({});
  const { host } = bareRoot(root);
  await saveLedger(host, ledger);
  await saveJournal(host, journal);
  t.same(await loadState(host), { ledger, journal, problems: [], notes: [] });
  const folder = join(root, 'var/lib/rcm-node');
  for (const name of ['ledger.json', 'journal.json'])
    t.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  await dropJournal(host);
  await dropJournal(host);
  t.same(readdirSync(folder), ['ledger.json']);
});

t.test('a damaged ledger is set aside, and that of an interrupted plan replaces it', async (t) => {
  const { host, folder } = setUp(t, { 'ledger.json': '{"version":1', 'journal.json': printState(journal) });
  const state = await loadState(host);
  t.match(state, { ledger: { restarts: [7] }, journal: { direction: 'forward' } });
  t.match(state.problems, [{ code: 'state-damaged', where: { file: '/var/lib/rcm-node/ledger.json' } }]);
  const [, aside = ''] = readdirSync(folder);
  t.match(aside, /^ledger\.json\.damaged-\d{8}T\d{6}Z$/);
  t.equal(readFileSync(join(folder, aside), 'utf8'), '{"version":1');
  const note = { code: 'state-damaged', where: { file: `/var/lib/rcm-node/${aside}` } };
  t.match(state.notes, [note]);
  t.match((await loadState(host)).notes, [note], 'and it is told for as long as it is there');
});

t.test('a command that only reads leaves a damaged file where it is', async (t) => {
  const { host, folder } = setUp(t, { 'ledger.json': '', 'journal.json': 'x' });
  t.match(await readState(host), {
    ledger: emptyLedger,
    journal: undefined,
    problems: [{ code: 'state-damaged' }, { code: 'state-damaged' }],
  });
  t.same(readdirSync(folder), ['journal.json', 'ledger.json']);
});

t.test('anything in the place of a file is set aside as well', async (t) => {
  const { host, folder } = setUp(t);
  mkdirSync(join(folder, 'ledger.json'));
  symlinkSync('/none', join(folder, 'journal.json'));
  t.match((await loadState(host)).problems, [
    { message: 'it is a folder' },
    { message: 'it is a symbolic link that leads nowhere' },
  ]);
  t.match(readdirSync(folder), [/^journal\.json\.damaged-/, /^ledger\.json\.damaged-/]);
  writeFileSync(join(folder, 'journal.json'), Buffer.from([0xff]));
  t.match((await loadState(host)).problems, [{ message: 'text in UTF-8 is expected, and line 1 is none' }]);
});

t.test('a file of a newer version stops everything, and stays', async (t) => {
  const { host, folder } = setUp(t, { 'ledger.json': '{"version":2}' });
  t.equal(await code(loadState(host)), 'state-newer');
  t.equal(readFileSync(join(folder, 'ledger.json'), 'utf8'), '{"version":2}');
});

t.test('a temporary read error does not count as damage', async (t) => {
  const root = t.testdir({});
  const { host } = bareRoot(root);
  await saveLedger(host, ledger);
  const path = join(root, 'var/lib/rcm-node/ledger.json');
  const isRoot = process.getuid?.() === 0;
  chmodSync(path, 0);
  // Root may read everything; this read is done as another user.
  if (isRoot) process.seteuid?.(65_534);
  const refused = await code(loadState(host));
  if (isRoot) process.seteuid?.(0);
  chmodSync(path, 0o600);
  t.equal(refused, 'unreadable-source');
  t.same((await loadState(host)).ledger, ledger);
});

t.test('state that others can write is neither used nor set aside', async (t) => {
  const { host, folder } = setUp(t, { 'journal.json': printState(journal) });
  chmodSync(join(folder, 'journal.json'), 0o666);
  t.equal(await code(loadState(host)), 'untrusted');
  chmodSync(join(folder, 'journal.json'), 0o600);
  chmodSync(folder, 0o770);
  t.equal(await code(readState(host)), 'untrusted');
  t.same(readdirSync(folder), ['journal.json']);
  chmodSync(folder, 0o700);
  t.equal(typeof (await loadState(host)).journal, 'object');
});

t.test('a damaged cache of the cluster is set aside too, and one of a newer version stays', async (t) => {
  const { host, folder } = setUp(t, { 'cluster.json': '{"version":1,"node":"n","shims":[{}]}' });
  t.match((await loadState(host)).problems, [{ code: 'state-damaged' }]);
  t.match(readdirSync(folder), [/^cluster\.json\.damaged-/]);
  writeFileSync(join(folder, 'cluster.json'), '{"version":2}');
  t.same((await loadState(host)).problems, []);
  t.equal(readFileSync(join(folder, 'cluster.json'), 'utf8'), '{"version":2}');
});

t.test('where nothing can be set aside, that is reported, and the rest continues', async (t) => {
  const { host, folder } = setUp(t, { 'ledger.json': '{' });
  const files = {
    ...host.files,
    move: async () => {
      throw new Failure({ code: 'read-only', message: 'the file system is read-only' });
    },
  };
  const state = await loadState({ ...host, files });
  t.match(state.problems, [{ code: 'state-damaged' }, { code: 'read-only' }]);
  t.same(state.ledger, emptyLedger);
  t.same(readdirSync(folder), ['ledger.json']);
});

t.test('times in the future are replaced by now, so that they pass', async (t) => {
  const { host } = setUp(t);
  const future = Date.now() + 1e12;
  const problem = { code: 'download-failed', message: 'm' } as const;
  await saveLedger(host, {
    ...emptyLedger,
    restarts: [1, future],
    repairs: { '/etc/x': [future] },
    bad: { revision: 'd'.repeat(64), problem, at: future },
    failedStarts: { spin: { of: 'd'.repeat(64), problem, at: future } },
    attempts: { spin: { artifact: 'a', count: 1, at: future, problem } },
  });
  const { ledger } = await loadState(host);
  const now = ledger.restarts[1] ?? 0;
  t.ok(Math.abs(Date.now() - now) < 3_600_000);
  t.match(ledger, {
    restarts: [1, now],
    repairs: { '/etc/x': [now] },
    bad: { at: now },
    failedStarts: { spin: { at: now } },
    attempts: { spin: { at: now } },
  });
  t.same((await loadState(host)).ledger, ledger);
});
