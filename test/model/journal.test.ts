import t from 'tap';
import { type Journal, parseJournal } from '../../daemon/model/journal.ts';
import { emptyLedger, printState } from '../../daemon/model/ledger.ts';
import type { Step } from '../../daemon/model/plan.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const file = '/var/lib/rcm-node/journal.json';
const problem = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('expected a Failure');
};

const digest = 'd'.repeat(64);
const link = '/opt/rcm-node/shims/spin/containerd-shim-spin';
const target = `/opt/rcm-node/store/${digest}/containerd-shim-spin`;
const file1 = { kind: 'text', text: 'a', mode: 0o640, uid: 0, gid: 42 } as const;
const steps: readonly Step[] = [
  { kind: 'quiet', seconds: 30 },
  { kind: 'folder', path: '/etc/containerd/conf.d' },
  { kind: 'write', path: '/etc/containerd/config.toml', before: { kind: 'absent' }, after: file1 },
  { kind: 'link', path: link, before: null, after: target },
  { kind: 'activate', unit: 'containerd.service', started: true },
  { kind: 'prove', unit: 'containerd.service', serve: ['spin'], keep: ['runc'], former: [] },
  { kind: 'discard', key: digest },
  { kind: 'record', ledger: emptyLedger },
];
const journal: Journal = {
  version: 1,
  plan: { kind: 'steps', revision: digest, steps, because: ['b'], disrupts: true },
  direction: 'undo',
  at: 0,
  socket: '/run/x',
  ledger: emptyLedger,
  forwardFrom: 'before its first start',
  undoFrom: '1f',
  problem: { code: 'not-served', message: 'm' },
};

t.test('what is written is read again', async (t) => {
  t.same(parseJournal(printState(journal), file), journal);
});

t.test('a journal of a newer version is distinguished from a damaged one, and left alone', async (t) => {
  t.match(
    problem(() => parseJournal('{"version":2}', file)),
    { code: 'state-newer', message: /version 2/ },
  );
});

t.test('a journal with an invalid field is damaged, at any depth', async (t) => {
  const plan = (step: unknown) => ({ plan: { ...journal.plan, steps: [step] } });
  const changes: readonly object[] = [
    { plan: null },
    { plan: { steps: {} } },
    plan(null),
    plan({ kind: 'format-disk' }),
    plan({ kind: 'constructor' }),
    plan({ kind: 'folder' }),
    plan({ kind: 'discard', key: '../../../etc' }),
    plan({ kind: 'link', path: '/usr/bin/containerd', before: null, after: target }),
    plan({ kind: 'link', path: '/opt/rcm-node/shims/../../x', before: null, after: target }),
    plan({ kind: 'link', path: link, before: null, after: '/etc/passwd' }),
    plan({ kind: 'write', path: 'x', before: file1, after: file1 }),
    plan({ kind: 'write', path: '/etc/x', before: file1, after: { ...file1, mode: 0o10000 } }),
    plan({ kind: 'write', path: '/etc/x', before: file1, after: { ...file1, uid: -1 } }),
    plan({ kind: 'record', ledger: { version: 1, files: { x: 1 } } }),
    { direction: 'sideways' },
    { problem: undefined },
    { at: '0' },
    { at: -1 },
    { at: 0.5 },
    { at: steps.length + 1 },
    { socket: 1 },
    { ledger: null },
    { ledger: { ...emptyLedger, files: 1 } },
  ];
  for (const change of changes)
    t.match(
      problem(() => parseJournal(JSON.stringify({ ...journal, ...change }), file)),
      { code: 'state-damaged', where: { file } },
      JSON.stringify(change),
    );
});
