import t from 'tap';
import { problemOf } from '../../protocol/problem/problem.ts';
import {
  at,
  boolean,
  type Cursor,
  elements,
  entries,
  fail,
  integer,
  printKey,
  required,
  string,
  strings,
  table,
} from '../../daemon/toml/cursor.ts';
import { parseToml } from '../../daemon/toml/toml.ts';

const cursor = (text: string): Cursor => ({
  file: '/f.toml',
  text,
  path: [],
  value: parseToml(text, '/f.toml'),
  code: 'bad-value',
});

const problem = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('expected a Failure');
};

t.test('an absent value is undefined, an empty list or no entries', async (t) => {
  const none = at(cursor(''), 'x');
  t.same(
    [table(none, []), string(none), boolean(none), integer(none, 0, 1)],
    [undefined, undefined, undefined, undefined],
  );
  t.same([entries(none), elements(none), strings(none)], [[], [], []]);
  t.match(
    problem(() => required(none, string(none))),
    { code: 'bad-value', message: '"x" is missing' },
  );
  t.equal(at(none, 'deeper').value, undefined);
});

t.test('a present value has its place', async (t) => {
  const root = cursor('a = "b"\nlist = ["x", "y"]\non = true\nn = 7\n[t]\nk = 1\n');
  t.equal(string(at(root, 'a')), 'b');
  t.same(strings(at(root, 'list')), ['x', 'y']);
  t.equal(boolean(at(root, 'on')), true);
  t.equal(integer(at(root, 'n'), 7, 7), 7);
  t.same(
    entries(at(root, 't')).map(([key, one]) => [key, one.value, one.path]),
    [['k', 1, ['t', 'k']]],
  );
  t.same(
    problem(() => fail(at(at(root, 'list'), 1), 'odd')),
    {
      code: 'bad-value',
      message: 'odd',
      where: { file: '/f.toml', line: 2, column: 14 },
    },
  );
});

t.test('a wrong type is reported with the expected and the present one', async (t) => {
  const root = cursor(
    'text = "x"\nlist = []\nday = 2024-01-01\nhalf = 0.5\nbig = 9223372036854775807\n[tab]\n',
  );
  const says = (work: () => unknown): string => problem(work).message;
  t.equal(
    says(() => string(at(root, 'list'))),
    '"list" must be a string, not an array',
  );
  t.equal(
    says(() => string(at(root, 'tab'))),
    '"tab" must be a string, not a table',
  );
  t.equal(
    says(() => boolean(at(root, 'text'))),
    '"text" must be true or false, not a string',
  );
  t.equal(
    says(() => table(at(root, 'day'), [])),
    '"day" must be a table, not a date',
  );
  t.equal(
    says(() => entries(at(root, 'half'))),
    '"half" must be a table, not a number',
  );
  t.equal(
    says(() => elements(at(root, 'tab'))),
    '"tab" must be an array, not a table',
  );
  t.equal(
    says(() => integer(at(root, 'half'), 0, 1)),
    '"half" must be an integer, not a number',
  );
  t.equal(
    says(() => string(at(root, 'big'))),
    '"big" must be a string, not an integer',
  );
  t.equal(
    says(() => integer(at(root, 'big'), 0, 10)),
    '"big" is 9223372036854775807, but must be from 0 to 10',
  );
  t.equal(
    says(() => strings(at(cursor('l = [1]'), 'l'))),
    '"l[0]" must be a string, not a number',
  );
  t.equal(
    says(() => string({ ...root, value: null })),
    '"" must be a string, not nothing',
  );
  t.equal(
    says(() => string({ ...root, value: Symbol('x') })),
    '"" must be a string, not symbol',
  );
});

t.test('an invalid value is shown, cut and without control characters', async (t) => {
  const root = cursor(`a = "x\\u001b[31m"\nlong = "${'y'.repeat(5000)}"\n`);
  t.equal(
    problem(() => string(at(root, 'a'), /^y$/, 'a "y" is expected')).message,
    '"a" is "x\\u001b[31m", but a "y" is expected',
  );
  t.ok(problem(() => string(at(root, 'long'), /^x$/, 'x')).message.length < 200);
});

t.test('an unknown key is named with its place and the nearest known one', async (t) => {
  const root = cursor('interval = 1\n[outer]\nSha265 = "x"\n');
  t.same(
    problem(() => table(root, ['interval'])),
    {
      code: 'unknown-key',
      message: 'unknown key "outer"',
      where: { file: '/f.toml', line: 2, column: 1 },
      hint: 'Known keys here: interval.',
    },
  );
  t.same(
    problem(() => table(at(root, 'outer'), ['location', 'sha256'])),
    {
      code: 'unknown-key',
      message: 'unknown key "outer.Sha265"',
      where: { file: '/f.toml', line: 3, column: 1 },
      hint: 'Did you mean "sha256"?',
    },
  );
  t.match(problem(() => table(cursor('nane = 1'), ['nope', 'name'])).hint, /"name"/);
  t.equal(table(root, ['interval', 'outer']), root);
});

t.test('printed keys cannot end a line or control a terminal', async (t) => {
  t.equal(printKey(['a', 0, 'b-c']), 'a[0].b-c');
  t.equal(printKey(['a\n\u001b[31m']), 'a\\n\\u001b[31m');
  t.ok(printKey(['k'.repeat(100_000)]).length <= 120);
  const hostile = cursor(`"${'k'.repeat(2_000_000)}" = 1`);
  t.ok(problem(() => table(hostile, ['name'])).message.length < 200);
});
