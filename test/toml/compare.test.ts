import { inspect } from 'node:util';
import t from 'tap';
import { deepEqual, differences, printPath, printString, printTable } from '../../daemon/toml/compare.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { parseToml } from '../../daemon/toml/toml.ts';
import { randomOf } from '../model/random-toml.ts';

const parse = (text: string): Record<string, unknown> => parseToml(text, 'x');

t.test('documents are equal by meaning, not by spelling', async (t) => {
  const equal: readonly (readonly [string, string])[] = [
    ['a = 1\n[b]\nc = 2', 'b = { "c" = 0x2 }\na = 1 # x'],
    ['a = nan', 'a = -nan'],
    ['a = 1979-05-27 07:32:00Z', 'a = 1979-05-27T07:32:00Z'],
    ['a = 9223372036854775807', 'a = 0x7fffffffffffffff'],
    ['[[a]]\n[[a]]\nb = 1', 'a = [{}, {b = 1}]'],
    ['__proto__ = 1', '"__proto__" = 1'],
  ];
  for (const [a, b] of equal) t.ok(deepEqual(parse(a), parse(b)), `${a} | ${b}`);
  const different: readonly (readonly [string, string])[] = [
    ['a = 1', 'a = "1"'],
    ['a = 1', 'b = 1'],
    ['a = 1', 'a = 1\nb = 1'],
    ['a = 0.0', 'a = -0.0'],
    ['a = 9223372036854775807', 'a = 9223372036854775806'],
    ['a = 1979-05-27', 'a = 1979-05-27T00:00:00Z'],
    ['a = 1979-05-27T00:00:00', 'a = 1979-05-27T00:00:00Z'],
    ['a = [1, 2]', 'a = [2, 1]'],
    ['a = []', 'a = {}'],
    ['__proto__.x = 1', 'x = 1'],
    ['a.__proto__ = {}', 'a.b = {}'],
  ];
  for (const [a, b] of different) t.notOk(deepEqual(parse(a), parse(b)), `${a} | ${b}`);
});

t.test('what is not given is absent in a comparison, and nothing else counts as equal', async (t) => {
  t.ok(deepEqual({ a: 1, b: undefined }, { a: 1 }));
  t.ok(deepEqual({ a: { b: undefined } }, { c: undefined, a: {} }));
  const different: readonly (readonly [unknown, unknown])[] = [
    [{ a: undefined }, { a: null }],
    [
      { a: undefined, b: 1 },
      { a: 1, b: undefined },
    ],
    [[undefined], [null]],
    [[], [undefined]],
    [{ a: 9007199254740993n }, { a: '9007199254740993n' }],
    [parse('a = 1979-05-27'), { a: '1979-05-27' }],
    [parse('a = nan'), parse('a = inf')],
    [parse('[a.__proto__]'), parse('[a]')],
    [{ constructor: undefined }, { constructor: 1 }],
  ];
  for (const [a, b] of different) t.notOk(deepEqual(a, b) || deepEqual(b, a), inspect([a, b]));
});

t.test('differences are listed by leaf, and whole tables by their root', async (t) => {
  const before = parse(
    'z = 1\nlist = ["a"]\n[t]\nsame = 1\nold = { x = 1 }\n[t.deep]\nn = 1\n[[rows]]\nid = 1\n[[rows]]\nid = 2',
  );
  const after = parse(
    'list = ["a", "b"]\n[t]\nsame = 1\n[t.deep]\nn = nan\n[t.new.sub]\ny = 1\n[[rows]]\nid = 1\n[[rows]]\nid = 3',
  );
  const changes = differences(before, after);
  t.strictSame(
    changes.map(({ path }) => printPath(path)),
    ['list', 'rows[1].id', 't.deep.n', 't.new', 't.old', 'z'],
  );
  t.match(changes.at(-1), { before: 1, after: undefined });
  t.match(changes.at(3), { before: undefined, after: { sub: { y: 1 } } });
  t.strictSame(differences(before, before), []);
  t.strictSame(differences(parse('a = nan'), parse('a = nan')), []);
});

t.test('keys with names of JavaScript properties are ordinary keys', async (t) => {
  const before = parse('a = 1');
  const after = parse('a = 1\nconstructor = 1\ntoString = 2\n[__proto__]\nx = 1');
  t.strictSame(
    differences(before, after).map(({ path }) => printPath(path)),
    ['__proto__', 'constructor', 'toString'],
  );
});

t.test('a path is printed as in TOML', async (t) => {
  t.equal(
    printPath(['plugins', 'io.containerd.grpc.v1.cri', 'containerd', 'x y"', 0, '']),
    'plugins."io.containerd.grpc.v1.cri".containerd."x y\\""[0].""',
  );
  t.equal(printPath([]), '');
});

t.test('a table is printed with its values first and its sub-tables in headers of their own', async (t) => {
  const table = {
    options: { BinaryName: '/x', empty: {} },
    runtime_type: 'io.containerd.spin.v2',
    annotations: ['a.*', 'b"'],
    nothing: undefined,
    privileged: false,
  };
  t.equal(
    printTable(['plugins', 'io.x', 'spin'], table),
    [
      '[plugins."io.x".spin]',
      'runtime_type = "io.containerd.spin.v2"',
      'annotations = ["a.*", "b\\""]',
      'privileged = false',
      '[plugins."io.x".spin.options]',
      'BinaryName = "/x"',
      '[plugins."io.x".spin.options.empty]',
      '',
    ].join('\n'),
  );
});

t.test('every value is read back as printed', async (t) => {
  const values = parse(
    'a = 1\nb = 1.5\nc = 1e300\nd = -0.0\ne = [inf, -inf, nan]\nf = 9007199254740993\ng = 1e17\nh = -5e-7\n' +
      'i = 1979-05-27\nj = 07:32:00\nk = 1979-05-27T07:32:00.5\nl = 1979-05-27T07:32:00-07:00\nm = [[], [true]]\n' +
      'n = "\\u0000\\u001f\\u007f\\\\\\"\\n"\n[o."p q".__proto__]\nr = 9007199254740994.0\n',
  );
  t.ok(deepEqual(parse(printTable(['x'], values)).x, values), printTable(['x'], values));
});

t.test('no name and no value can end its quotes', async (t) => {
  const random = randomOf(7);
  const pieces = [
    '"',
    '\\',
    '\n',
    '\r',
    ']',
    '[',
    '#',
    '=',
    '.',
    "'",
    '"""',
    '\u0000',
    '\u007f',
    '\u0085',
    '\u2028',
    'a',
    '🦀',
  ];
  for (let round = 0; round < 500; round += 1) {
    const text = () => Array.from({ length: random.below(6) }, () => random.pick(pieces)).join('');
    const [name, key, value, listed] = [text(), text(), text(), text()];
    const printed = printTable(['plugins', name], { [key]: value, list: [listed], sub: { [value]: 1 } });
    const expected = { plugins: { [name]: { [key]: value, list: [listed], sub: { [value]: 1 } } } };
    if (!deepEqual(parse(printed), expected)) t.fail(`round ${round}: ${JSON.stringify(printed)}`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    if (/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(printed))
      t.fail(`round ${round}: ${JSON.stringify(printed)}`);
  }
  t.equal(printString('a"b\\\u001b'), '"a\\"b\\\\\\u001B"');
});

t.test('a value that TOML, or a table of ours, cannot have is refused', async (t) => {
  const refused: readonly (() => unknown)[] = [
    () => printTable(['x'], { a: null }),
    () => printTable(['x'], { a: () => 1 }),
    () => printTable(['x'], { a: [{ b: 1 }] }),
    () => printTable(['x'], { a: 2n ** 63n }),
    () => printTable(['x'], { a: '\udc00' }),
    () => printTable(['\ud800'], {}),
    () => printTable(['x', 0], {}),
    () => printTable([], {}),
  ];
  for (const print of refused) {
    try {
      print();
      t.fail(`${print} was not refused`);
    } catch (error) {
      t.equal(error instanceof Failure && error.problem.code, 'bad-value', `${print}`);
    }
  }
});
