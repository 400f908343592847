import t from 'tap';
import {
  emptyLedger,
  type Journal,
  type Ledger,
  parseJournal,
  parseLedger,
  printState,
} from '../../daemon/model/ledger.ts';
import { problemOf } from '../../daemon/model/problem.ts';

const file = '/var/lib/rcm-node/ledger.json';
const problem = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('expected a Failure');
};

const ledger: Ledger = {
  ...emptyLedger,
  handlers: {
    spin: {
      key: 'a',
      sha256: 'a',
      path: '/opt/x',
      handler: {
        name: 'spin',
        shim: 'spin',
        artifact: { url: 'https://example.com/a' },
        runtime: { type: 'shim' },
        options: { big: 9223372036854775807n, small: 1, $int: 'text' },
        podAnnotations: [],
        containerAnnotations: [],
        where: { file: '/f', line: 1 },
      },
    },
  },
  files: { '/etc/x': { kind: 'edited', digest: 'd', found: 'f', edit: { kind: 'element' } } },
  folders: ['/etc/conf.d'],
  loaded: { invocation: 'i', config: 'c' },
  restarts: [1, 2],
  retired: { k: { handler: 'spin', sandboxes: null } },
};

const journal: Journal = {
  version: 1,
  plan: {
    kind: 'steps',
    revision: 'r',
    steps: [{ kind: 'folder', path: '/x' }],
    because: [],
    disrupts: false,
  },
  direction: 'undo',
  at: 0,
  socket: '/run/x',
  ledger,
  undoFrom: 'i',
  problem: { code: 'not-served', message: 'm' },
};

t.test('what is written is read again, 64-bit integers included', async (t) => {
  t.same(parseLedger(printState(ledger), file), ledger);
  t.same(parseLedger(printState(emptyLedger), file), emptyLedger);
  t.same(parseJournal(printState(journal), file), journal);
  t.match(printState(emptyLedger), /\n$/);
});

t.test('a ledger of an earlier build that lacks a field is whole', async (t) => {
  t.same(parseLedger('{"version":1,"folders":["/x"]}', file), { ...emptyLedger, folders: ['/x'] });
});

t.test('a damaged ledger is never guessed at', async (t) => {
  const whole = printState(ledger);
  for (const text of [
    '',
    '\0\0\0\0',
    whole.slice(0, whole.length / 2),
    '[]',
    'null',
    '{}',
    '{"version":"1"}',
  ])
    t.match(
      problem(() => parseLedger(text, file)),
      { code: 'state-damaged', where: { file } },
      JSON.stringify(text.slice(0, 9)),
    );
  for (const [key, value] of [
    ['version', 0],
    ['handlers', []],
    ['files', null],
    ['folders', {}],
    ['loaded', 'x'],
    ['bad', 1],
    ['restarts', {}],
    ['trusted', []],
  ] as const)
    t.match(
      problem(() => parseLedger(JSON.stringify({ ...emptyLedger, [key]: value }), file)),
      {
        code: 'state-damaged',
        message: `"${key}" has a wrong shape`,
      },
    );
  t.match(
    problem(() => parseLedger('{"version":1,"trusted":{"x":{"$int":"no"}}}', file)),
    {
      code: 'state-damaged',
    },
  );
});

t.test('a file of a newer version is told from a damaged one, so that it is left alone', async (t) => {
  for (const parse of [parseLedger, parseJournal])
    t.match(
      problem(() => parse('{"version":2}', file)),
      { code: 'state-newer', message: /version 2/ },
    );
});

t.test('a journal of a wrong shape is damaged, also where the shape is wrong deep inside', async (t) => {
  const changes: readonly object[] = [
    { plan: null },
    { plan: { steps: {} } },
    { plan: { ...journal.plan, steps: [null] } },
    { plan: { ...journal.plan, steps: [{ kind: 'format-disk' }] } },
    { plan: { ...journal.plan, steps: [{ kind: 'constructor' }] } },
    { direction: 'sideways' },
    { at: '0' },
    { at: -1 },
    { at: 0.5 },
    { socket: 1 },
    { ledger: null },
    { ledger: { ...emptyLedger, files: 1 } },
  ];
  for (const change of changes)
    t.match(
      problem(() => parseJournal(JSON.stringify({ ...journal, ledger: emptyLedger, ...change }), file)),
      { code: 'state-damaged', where: { file } },
      JSON.stringify(change),
    );
});
