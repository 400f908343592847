import t from 'tap';
import { assignmentOf, environmentIn, expandArguments } from '../../../host/unit-file/environment.ts';

/** `${name}`, which in a test would look like a mistake. */
const braced = (name: string): string => ['$', '{', name, '}'].join('');

t.test('a file of variables is read as systemd reads it', async (t) => {
  const text = `# a comment \\
A=1
;B=2
 C = three words \t
D="quoted \\"x\\" \\q \\$HOME" 'and more'
E='it''s # no comment'
F=a"b"
G=one\\
two
H=\\"x\\ y
export I=1
2J=no
K=
L="two
lines"
M="open`;
  t.same(environmentIn(text), [
    ['A', '1'],
    ['C', 'three words'],
    ['D', 'quoted "x" \\q $HOMEand more'],
    ['E', 'its # no comment'],
    ['F', 'a"b"'],
    ['G', 'onetwo'],
    ['H', '"x y'],
    ['K', ''],
    ['L', 'two\nlines'],
    ['M', 'open'],
  ]);
  t.same(environmentIn(''), []);
  t.same(environmentIn('A=1\r\nB=2'), [
    ['A', '1'],
    ['B', '2'],
  ]);
});

t.test('an assignment needs a name', async (t) => {
  t.same(assignmentOf('A=b=c'), ['A', 'b=c']);
  t.equal(assignmentOf('=b'), undefined);
  t.equal(assignmentOf('a-b=c'), undefined);
});

t.test(
  'a variable that is an argument of its own is split, one in braces is not, and an unset one is empty',
  async (t) => {
    const environment = new Map([
      ['OPTS', ` -c "/etc/my dir/x.toml"  --log-level  debug\\ 1 `],
      ['FILE', '/etc/a b.toml'],
      ['EMPTY', ''],
    ]);
    const of = (...argv: readonly string[]) => expandArguments(argv, environment);
    t.same(of('containerd', '$OPTS').argv, [
      'containerd',
      '-c',
      '/etc/my dir/x.toml',
      '--log-level',
      'debug 1',
    ]);
    t.same(
      of(
        'x',
        '-c',
        `${braced('FILE')}`,
        'a$FILE',
        `--f=${braced('FILE')}`,
        '$$FILE',
        '$EMPTY',
        `${braced('EMPTY')}`,
      ).argv,
      [...['x', '-c', '/etc/a b.toml', 'a$FILE', '--f=/etc/a b.toml', '$FILE', '']],
    );
    t.same(of('$NONE', `a${braced('NONE')}b`, '$FILE/x', '$'), {
      argv: ['ab'],
      unset: ['NONE', 'FILE/x', ''],
    });
  },
);
