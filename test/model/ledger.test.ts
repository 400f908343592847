import t from 'tap';
import { emptyLedger, type Ledger, parseLedger, printState } from '../../daemon/model/ledger.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const file = '/var/lib/rcm-node/ledger.json';
const problem = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('expected a Failure');
};

const digest = 'd'.repeat(64);

const ledger: Ledger = {
  ...emptyLedger,
  handlers: {
    spin: {
      key: digest,
      sha256: digest,
      path: '/opt/rcm-node/shims/spin/containerd-shim-spin',
      handler: {
        name: 'spin',
        shim: 'spin',
        artifact: { url: 'https://example.com/a' },
        runtime: { type: 'shim' },
        options: { big: 9223372036854775807n, small: 1, int: 'text' },
        podAnnotations: [],
        containerAnnotations: [],
        where: { file: '/f', line: 1 },
      },
    },
  },
  files: { '/etc/x': { kind: 'edited', digest, found: digest, edit: { kind: 'element' } } },
  folders: ['/etc/conf.d'],
  loaded: { invocation: '1f', config: digest },
  restarts: [1, 2],
  retired: { [digest]: { handler: 'spin', sandboxes: null } },
};

t.test('what is written is read again, 64-bit integers included', async (t) => {
  t.same(parseLedger(printState(ledger), file), ledger);
  t.same(parseLedger(printState(emptyLedger), file), emptyLedger);
  t.match(printState(emptyLedger), /\n$/);
});

t.test('a ledger of an earlier build without a new field is complete', async (t) => {
  t.same(parseLedger('{"version":1,"folders":["/x"]}', file), { ...emptyLedger, folders: ['/x'] });
});

t.test('a damaged ledger is never repaired by guesses', async (t) => {
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
      { code: 'state-damaged', message: new RegExp(`^"${key}" `), where: { file } },
      key,
    );
  t.match(
    problem(() => parseLedger('{"version":1,"trusted":{"x":{"$int":"no"}}}', file)),
    {
      code: 'state-damaged',
    },
  );
});

t.test('a file of a newer version is distinguished from a damaged one, and left alone', async (t) => {
  t.match(
    problem(() => parseLedger('{"version":2}', file)),
    { code: 'state-newer', message: /version 2/ },
  );
  // No program will ever count as far as this.
  for (const version of ['1e999', '1.5', '1000', '-1'])
    t.match(
      problem(() => parseLedger(`{"version":${version}}`, file)),
      { code: 'state-damaged' },
      version,
    );
});

t.test('a path, a key, a name or a time that this program never writes is damage', async (t) => {
  const spin = ledger.handlers.spin;
  const bad = { revision: digest, problem: { code: 'not-served', message: 'm' }, at: 1 };
  const changes: readonly object[] = [
    { handlers: { spin: { ...spin, path: '/etc/passwd' } } },
    { handlers: { spin: { ...spin, path: '/opt/rcm-node/shims/../../../etc/passwd' } } },
    { handlers: { spin: { ...spin, key: '../../etc' } } },
    { handlers: { other: spin } },
    { handlers: JSON.parse('{"__proto__":{}}') },
    { files: { 'etc/x': { kind: 'edited', digest } } },
    { files: { '/etc/../x': { kind: 'edited', digest } } },
    { files: { '/etc/x': { kind: 'edited', digest, edit: { kind: 'all' } } } },
    { folders: ['/etc/..'] },
    { restarts: [8.64e15 + 1] },
    { restarts: [null] },
    { bad: { ...bad, at: -1 } },
    { bad: { ...bad, problem: { code: '__proto__', message: 'm' } } },
    { failedStarts: { spin: { of: 'x', problem: bad.problem, at: 1 } } },
    { failedStarts: { spin: { of: digest, problem: {}, at: 1 } } },
    { failedStarts: { spin: { of: digest, problem: bad.problem, at: -1 } } },
    { failedStarts: { '../x': { of: digest, problem: bad.problem, at: 1 } } },
    { failedStarts: { spin: { of: digest, problem: bad.problem, at: 1, stamps: { x: 1 } } } },
    { failedStarts: null },
    { retired: { '..': { handler: 'spin', sandboxes: null } } },
    { attempts: { spin: { artifact: 'a', count: 0, at: 1, problem: bad.problem } } },
  ];
  for (const change of changes)
    t.match(
      problem(() => parseLedger(printState({ ...ledger, ...change }), file)),
      { code: 'state-damaged', where: { file } },
      printState({ version: 1, ...change }).slice(0, 80),
    );
});

t.test('unknown fields of a later build are no damage', async (t) => {
  const later = {
    ...ledger,
    bad: { revision: digest, problem: { code: 'not-known-yet', message: 'm', more: 1 }, at: 1 },
    newField: { x: 1 },
  };
  t.same(parseLedger(JSON.stringify({ ...later, handlers: {} }), file), {
    ...ledger,
    handlers: {},
    bad: { revision: digest, problem: { code: 'internal', message: 'm' }, at: 1 },
  });
});

t.test('an invalid digest is reported without its address, which may contain a password', async (t) => {
  const text = printState({ ...ledger, trusted: { 'https://me:secret@example.com/x': 'x' } } as Ledger);
  t.notMatch(problem(() => parseLedger(text, file)).message, /secret/);
});
