import t from 'tap';
import { assignedName, commandsOf, replaced, Unclear } from '../../../host/unit-file/shell-words.ts';

/** `${name}`, which in a test would look like a mistake. */
const braced = (name: string): string => ['$', '{', name, '}'].join('');

const environment = new Map([
  ['A', 'one two'],
  ['E', ''],
  ['P', '*.toml'],
]);
const unset: string[] = [];
const replacing = {
  environment,
  positional: ['sh', 'x y', 'z'],
  onUnset: (name: string) => unset.push(name),
  onAssign: () => undefined,
};
const read = (script: string) =>
  commandsOf(script).map(({ joint, pieces }) => [
    joint,
    ...pieces.flatMap((piece) => replaced(piece, replacing)),
  ]);
const why = (script: string): string | undefined => {
  try {
    read(script);
    return undefined;
  } catch (error) {
    if (error instanceof Unclear) return error.message;
    throw error;
  }
};

t.test('simple commands are read with their quotes, variables and redirections', async (t) => {
  t.same(read('a b; c && d || e\nf # not g\n'), [
    [';', 'a', 'b'],
    [';', 'c'],
    ['&&', 'd'],
    ['||', 'e'],
    [';', 'f'],
  ]);
  t.same(read(`x 'a b'"c $A" \\$A "\\$A" a\\\nb $A "$A" $E "$E"`), [
    [';', 'x', 'a bc one two', '$A', '$A', 'ab', 'one', 'two', 'one two', ''],
  ]);
  t.same(read(`x "$@" $1 "${braced('2')}" $# ${braced('N:-d')} ${braced('E:-d')} "$*"`), [
    [';', 'x', 'x y', 'z', 'x', 'y', 'z', '2', 'd', 'd', 'x y z'],
  ]);
  t.same(read('x >/dev/null 2>&1 </dev/null &>> /y "1>2" a1>z'), [[';', 'x', '1>2', 'a1']]);
  t.same(read('[ -e /x ] && y'), [
    [';', '[', '-e', '/x', ']'],
    ['&&', 'y'],
  ]);
  t.same(unset, ['N']);
});

t.test('a command that depends on the run of the shell is unclear', async (t) => {
  for (const script of [
    ...[
      'a | b',
      'a &',
      '(a)',
      'if a; then b; fi',
      'x $(y)',
      'x `y`',
      'x *.toml',
      '{ a; }',
      'x <<E',
      'x "$(y)"',
    ],
    ...[
      `x ${braced('A#b')}`,
      'x "a',
      "x 'a",
      'x ~/a',
      'x {a,b}',
      'x $P',
      'f() { a; }',
      'case a in',
      'x < <(y)',
      'x $((1))',
    ],
  ])
    t.ok(why(script), script);
});

t.test('an assignment is a bare name and an equals sign', async (t) => {
  const names = (script: string) => commandsOf(script)[0]?.pieces.map(assignedName);
  t.same(names('A=b "B=c" C="d e" =x a-b=c'), ['A', undefined, 'C', undefined, undefined]);
});
