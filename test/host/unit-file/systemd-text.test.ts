import t from 'tap';
import {
  assignmentsIn,
  commandsIn,
  specifiersOf,
  withSpecifiers,
  wordsOf,
} from '../../../host/unit-file/systemd-text.ts';

const same = (text: string): string | undefined => text;
const argvOf = (value: string): unknown => {
  const commands = commandsIn(value, (text) => withSpecifiers(text, specifiersOf('containerd.service')));
  return commands.kind === 'broken' ? commands.why : commands.list.map(({ argv }) => argv);
};

t.test('lines continue after a backslash, and comments are skipped, also in between', async (t) => {
  const text = `\ufeff# ExecStart=/no
; ExecStart=/no
[Service]
ExecStart=/usr/bin/containerd \\
# a comment in between
   -c \\
  ; another one
  /etc/x.toml
  Environment = A=1 \t
NoValue
=nothing
[Install]
Alias=cri.service\r
two=back\\\\
slashes=stay
`;
  t.same(
    assignmentsIn(text).map(({ section, key, value, line }) => [section, key, value, line]),
    [
      ['Service', 'ExecStart', '/usr/bin/containerd     -c    /etc/x.toml', 4],
      ['Service', 'Environment', 'A=1', 9],
      ['Install', 'Alias', 'cri.service', 13],
      ['Install', 'two', 'back\\\\', 14],
      ['Install', 'slashes', 'stay', 15],
    ],
  );
  t.same(assignmentsIn('a=1\\'), [{ section: '', key: 'a', value: '1', line: 1 }]);
  t.same(assignmentsIn('[Service\nExecStart=/x')[0]?.section, '', 'a header that is not closed is none');
});

t.test('arguments have quotes, also in the middle, and escapes; invalid escapes stay', async (t) => {
  for (const [text, words] of [
    ['a  b\tc', ['a', 'b', 'c']],
    [`"a b" 'c d' e"f g"h ''`, ['a b', 'c d', 'ef gh', '']],
    [String.raw`a\sb \x41\u00e4\U0001F600\101 "\"q\""`, ['a b', 'Aä😀A', '"q"']],
    [String.raw`\q a\ b \xZZ`, ['\\q', 'a\\ b', '\\xZZ']],
    [String.raw`\000 a\\b`, ['\\000', 'a\\b']],
    ['', []],
  ] as const)
    t.same(wordsOf(text), words, text);
  t.equal(wordsOf('a "b'), undefined);
});

t.test(
  'a command has prefixes, several commands are separated by a lone semicolon, and a path is absolute',
  async (t) => {
    t.match(commandsIn('-@!!/usr/bin/containerd name -c /x', same), {
      list: [{ program: '/usr/bin/containerd', argv: ['name', '-c', '/x'], expands: true }],
    });
    t.match(commandsIn(':+containerd', same), { list: [{ program: 'containerd', expands: false }] });
    t.same(argvOf('/a x ; /b y'), [
      ['/a', 'x'],
      ['/b', 'y'],
    ]);
    t.same(argvOf(String.raw`/a \; ";" x;y`), [['/a', ';', ';', 'x;y']]);
    t.same(argvOf('/a 100%% %n %N %t/x'), [['/a', '100%', 'containerd.service', 'containerd', '/run/x']]);
    t.match(argvOf('bin/containerd'), /neither an absolute path nor a name/);
    t.match(argvOf('/a %H'), /what "%H" stands for is not known/);
    t.match(argvOf('/a "x'), /a quote is not closed/);
    t.match(argvOf('@/a'), /no name for the process/);
    t.same(argvOf(''), []);
  },
);

t.test('specifiers of the unit are resolved; those that only the host knows are not', async (t) => {
  const known = specifiersOf('my-app@one-two.service');
  t.match(known, {
    n: 'my-app@one-two.service',
    N: 'my-app@one-two',
    p: 'my-app',
    i: 'one-two',
    I: 'one/two',
    j: 'app',
  });
  t.equal(withSpecifiers('%%n %i %S 5% %', known), '%n one-two /var/lib 5% %');
  for (const letter of 'HmbvlaoYz') t.equal(withSpecifiers(`x%${letter}`, known), undefined, letter);
});
