import t from 'tap';
import { Failure } from '../../protocol/problem/problem.ts';
import { parseToml } from '../../daemon/toml/toml.ts';

const said = (text: string) => {
  try {
    parseToml(text, '/f');
  } catch (error) {
    if (error instanceof Failure) return error.problem;
  }
  throw new Error(`it was taken: ${text}`);
};

t.test('an error has the expected and the present text, with its line', async (t) => {
  const cases = [
    ['name = "spin\nb = 1\n', 1, /has no closing quote/],
    ["name = 'spin\r\nb = 1\r\n", 1, /has no closing quote/],
    ['a = 1\nname = "spin', 2, /has no closing quote/],
    ['a = """\nspin\n', 1, /has no closing quote/],
    ['name = "a\u0001b"\n', 1, /a control character; an escape is expected/],
    ['# \u0001\n', 1, /a comment holds a control character/],
    ['name = spin\n', 1, /a value is expected: a text in quotes/],
    ['name = \nb = 1\n', 1, /a value is expected after "=", and there is none/],
    ['name = # later\n', 1, /there is none/],
    ['name = \u201cspin\u201d\n', 1, /straight quotes/],
    ['name: spin\n', 1, /"=" is expected after the key, and ":" stands there; this looks like YAML/],
    ['{"name": "spin"}\n', 1, /looks like JSON/],
    ['<html>\n', 1, /or a web page/],
    ['a = 1\n[fetchStrategy\nb = 1\n', 2, /no closing bracket/],
    ['name spin\n', 1, /a key of letters/],
    ['a = 1\na = 2\n', 2, /stands further above/],
    ['a = [1,\n2\nb = 3\n', 3, /a comma is expected before this/],
    ['a = "\\q"\n', 1, /a backslash in this text/],
  ] as const;
  for (const [text, line, message] of cases) {
    const problem = said(text);
    t.match(problem, { code: 'bad-toml', message, where: { file: '/f', line } }, JSON.stringify(text));
    t.notMatch(problem.message, /Invalid TOML|control characters are/, JSON.stringify(text));
  }
});

t.test('the text of the file is not repeated', async (t) => {
  for (const text of [
    'password = hunter2\n',
    'password = "hunter2\n',
    'hunter2 hunter2\n',
    'a = "\\hunter2"',
  ])
    t.notMatch(said(text).message, 'hunter2', text);
});
