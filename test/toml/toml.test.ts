import assert from 'node:assert/strict';
import t from 'tap';
import { Failure } from '../../protocol/problem/problem.ts';
import { elementsOf, locate, parseToml, placeOf, scan, type TomlPath } from '../../daemon/toml/toml.ts';
import { forRandomDocuments, many } from '../model/random-toml.ts';

const failureOf = (run: () => unknown): Failure => {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

/** Statements as `path = value text`, headers as `[path]`. */
const summary = (text: string): readonly string[] =>
  scan(text).map((statement) => {
    const path = statement.path.join('/');
    return statement.kind === 'pair'
      ? `${path} = ${text.slice(statement.valueStart, statement.valueEnd)}`
      : `${statement.kind} ${path}`;
  });

t.test('a parse error names file, line and column and can carry another code', async (t) => {
  const { problem } = failureOf(() => parseToml('a = 1\nb = \n', '/etc/x.toml'));
  t.equal(problem.code, 'bad-toml');
  t.match(problem.where, { file: '/etc/x.toml', line: 2, column: 5 });
  t.notMatch(problem.message, /\n/);
  t.match(problem.message, /a value is expected/);
  t.equal(failureOf(() => parseToml('[', 'x', 'broken-config')).problem.code, 'broken-config');
  t.match(failureOf(() => parseToml('\ufeff]', 'x')).problem.where, { line: 1, column: 1 });
});

t.test('integers stay exact up to 64 bits and are refused beyond', async (t) => {
  t.strictSame({ ...parseToml('a = 9007199254740993\nb = 7', 'x') }, { a: 9007199254740993n, b: 7 });
  const { problem } = failureOf(() => parseToml('ok = 1\n[t]\nn = [1, 9223372036854775808]', 'x'));
  t.match(problem, { code: 'bad-toml', where: { line: 3, column: 9 }, message: /64 bits/ });
});

t.test('a hostile document is a Failure or a plain answer, never an exhausted stack', async (t) => {
  const many = 100_000;
  const hostile = [
    '['.repeat(many),
    `a = ${'['.repeat(many)}`,
    `a = ${'['.repeat(many)}${']'.repeat(many)}`,
    `a = ${'{a='.repeat(many)}1${'}'.repeat(many)}`,
    `a${'.a'.repeat(many)} = 1`,
    `[a${'.a'.repeat(many)}]\nb = 1`,
    `a = { a${'.a'.repeat(many)} = 1 }`,
    `a = """${'"'.repeat(many)}`,
    `a = ${'9'.repeat(many)}`,
    `a = ${'[[],'.repeat(many)}`,
  ];
  for (const text of hostile) {
    t.equal(failureOf(() => parseToml(text, 'x')).problem.code, 'bad-toml', text.slice(0, 9));
    t.doesNotThrow(() => scan(text));
    t.doesNotThrow(() => locate(text, ['a', 'a', 0, 'a']));
    t.doesNotThrow(() => elementsOf(text, 4));
  }
  const wide = `a = [${'[],'.repeat(many)}]`;
  t.equal(elementsOf(wide, 4).length, many);
  t.equal((parseToml(wide, 'x').a as unknown[]).length, many);
});

t.test('scan reads every layout of keys, values and headers', async (t) => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['', []],
    ['\ufeff', []],
    ['# only a remark', []],
    ['\ufeffa=1', ['a = 1']],
    ['a = 1 # no final line break', ['a = 1']],
    ['a = 1\r\n\r\n[b]\r\nc = 2\r\n', ['a = 1', 'header b', 'b/c = 2']],
    ['\t"a b" . \'c.d\' . e\t= "x # y" # z', ['a b/c.d/e = "x # y"']],
    ['"\\u0061\\"\\e" = 1', ['a"\u001b = 1']],
    ['"" = 1\nx.\'\'.b = 2', [' = 1', 'x//b = 2']],
    ['1979-05-27 = 1979-05-27 07:32:00 \t# d', ['1979-05-27 = 1979-05-27 07:32:00']],
    ['a = """x""""" # y\nb = 1', ['a = """x"""""', 'b = 1']],
    ['a = """\\"""" # y\nb = 1', ['a = """\\""""', 'b = 1']],
    ["a = '''\n[b]\n''''\nc = 1", ["a = '''\n[b]\n''''", 'c = 1']],
    ["a = 'C:\\'\nb = 1", ["a = 'C:\\'", 'b = 1']],
    [
      'a = [ # ]\n "]", [1,\n 2], {b = "}"}, ] # x\nb = 1',
      ['a = [ # ]\n "]", [1,\n 2], {b = "}"}, ]', 'b = 1'],
    ],
    ['a = {\n b.c = 1, # }\n d = [],\n}\ne = 1', ['a = {\n b.c = 1, # }\n d = [],\n}', 'e = 1']],
    [' [ a . "b.c" ] # x\nd = 1', ['header a/b.c', 'a/b.c/d = 1']],
    [
      '[[x]]\na=1\n[x.y]\nb=1\n[[x.z]]\n[[x]]\n[x.y]\n[[x.z]]\n[[x.z]]\nc=1\n[w]',
      [
        ...[
          'array-header x/0',
          'x/0/a = 1',
          'header x/0/y',
          'x/0/y/b = 1',
          'array-header x/0/z/0',
          'array-header x/1',
        ],
        ...['header x/1/y', 'array-header x/1/z/0', 'array-header x/1/z/1', 'x/1/z/1/c = 1', 'header w'],
      ],
    ],
    [
      '[a]\n[a.__proto__]\nconstructor = 1',
      ['header a', 'header a/__proto__', 'a/__proto__/constructor = 1'],
    ],
  ];
  for (const [text, expected] of cases) {
    parseToml(text, 'a case of this table');
    t.strictSame(summary(text), expected, JSON.stringify(text));
  }
});

t.test('a statement ends before its line break, after its comment', async (t) => {
  const text = ' a = 1 # x\r\n[b] # y\nc = """\n"""  ';
  t.strictSame(
    scan(text).map(({ start, end }) => text.slice(start, end)),
    ['a = 1 # x', '[b] # y', 'c = """\n"""  '],
  );
});

t.test('on invalid TOML, scan ends before the line that it cannot read', async (t) => {
  t.strictSame(summary('a = 1\n{{ template "base" . }}\nb = 2'), ['a = 1']);
  t.strictSame(summary('a = 1\n[b\nc = 2'), ['a = 1']);
  t.strictSame(summary('a = 1\n"\\q" = 2'), ['a = 1']);
});

t.test('elementsOf gives each element and nothing around it', async (t) => {
  const elements = (text: string) => elementsOf(text, 0).map(({ start, end }) => text.slice(start, end));
  t.strictSame(elements('[]'), []);
  t.strictSame(elements('[ # x\n]'), []);
  t.strictSame(elements('"not a list"'), []);
  t.strictSame(elements('["a" # ,\n , \'b,]\' ,[1, 2],{c = [3]} , 1979-05-27 07:32:00 , ] # ]'), [
    ...['"a"', "'b,]'", '[1, 2]', '{c = [3]}', '1979-05-27 07:32:00'],
  ]);
});

t.test('locate points at the statement of a value', async (t) => {
  const text = [
    'version = 3', // 1
    'imports = ["/a",', // 2
    '  "/b"]', // 3
    'dotted . key = { in.side = 1, "q r" = [ { x = 2 } ] }', // 4
    '[plugins."io.containerd.cri"]', // 5
    '  sandbox = "x"', // 6
    '[plugins."io.containerd.cri".runtimes.runc]', // 7
    '[plugins.other]', // 8
    '[[list]]', // 9
    'n = 1', // 10
    '  [[list]]', // 11
    '  n = 2', // 12
    '  [list.sub]', // 13
  ].join('\r\n');
  const cases: readonly (readonly [TomlPath, string | undefined])[] = [
    [['version'], '1:1'],
    [['imports'], '2:1'],
    [['imports', 0], '2:12'],
    [['imports', 1], '3:3'],
    [['imports', 2], '2:1'],
    [['dotted'], '4:1'],
    [['dotted', 'key'], '4:1'],
    [['dotted', 'key', 'in'], '4:18'],
    [['dotted', 'key', 'in', 'side'], '4:18'],
    [['dotted', 'key', 'q r'], '4:31'],
    [['dotted', 'key', 'q r', 0], '4:41'],
    [['dotted', 'key', 'q r', 0, 'x'], '4:43'],
    [['dotted', 'key', 'q r', 0, 'nothing'], '4:41'],
    [['dotted', 'nothing'], '4:1'],
    [['plugins', 'io.containerd.cri'], '5:1'],
    [['plugins', 'io.containerd.cri', 'sandbox'], '6:3'],
    [['plugins', 'io.containerd.cri', 'nothing'], '5:1'],
    [['plugins', 'io.containerd.cri', 'runtimes'], '7:1'],
    [['plugins', 'io.containerd.cri', 'runtimes', 'runc', 'options', 'x'], '7:1'],
    [['plugins'], '8:1'],
    [['list'], '11:3'],
    [['list', 0], '9:1'],
    [['list', 0, 'n'], '10:1'],
    [['list', 1, 'n'], '12:3'],
    [['list', 1, 'sub'], '13:3'],
    [['nothing'], undefined],
    [[], undefined],
  ];
  parseToml(text, 'x');
  for (const [path, expected] of cases) {
    const place = locate(text, path);
    t.equal(place && `${place.line}:${place.column}`, expected, JSON.stringify(path));
  }
  t.strictSame(locate('\ufeffa = 1', ['a']), { line: 1, column: 1 });
  t.strictSame(placeOf('a\n\nb', 3), { line: 3, column: 1 });
});

t.test('a megabyte is scanned whole', async (t) => {
  const count = 15_000;
  const tables = Array.from(
    { length: count },
    (_, index) => `[plugins."io.x.${index}".runtimes] # remark\n  a = [1, "]"]\n`,
  );
  const text = `${tables.join('')}# ${'x'.repeat(200_000)}\n`;
  t.ok(text.length > 1_000_000);
  t.equal(scan(text).length, 2 * count);
  t.match(locate(text, ['plugins', `io.x.${count - 1}`, 'runtimes', 'a', 1]), {
    line: 2 * count,
    column: 11,
  });
});

type Tree = Record<string, unknown>;

/** Builds the document again from the statements alone: values by parsing their text, the rest by their paths. */
const rebuild = (text: string): unknown => {
  const root: Tree = {};
  for (const statement of scan(text)) {
    let node: unknown = root;
    const { path } = statement;
    for (const [index, part] of path.entries()) {
      const isLast = index === path.length - 1;
      const table = node as Tree;
      if (isLast && statement.kind === 'pair')
        table[part] = parseToml(`v = ${text.slice(statement.valueStart, statement.valueEnd)}`, 'v').v;
      else table[part] ??= typeof path[index + 1] === 'number' ? [] : {};
      node = table[part];
    }
  }
  return root;
};

/** Tables without a prototype made plain, dates made text: what assert compares. */
const plain = (value: unknown): unknown => {
  if (value instanceof Date) return `date ${value.toISOString()}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, plain(child)]));
};

const pathsOf = (value: unknown, path: TomlPath = []): readonly TomlPath[] => {
  if (typeof value !== 'object' || value === null || value instanceof Date) return [path];
  const isList = Array.isArray(value);
  const below = Object.entries(value).flatMap(([key, child]) =>
    pathsOf(child, [...path, isList ? Number(key) : key]),
  );
  return path.length === 0 ? below : [path, ...below];
};

t.test('random documents: the statements cover the whole document, and locate finds its keys', async (t) => {
  let keys = 0;
  forRandomDocuments(many, ({ text, spellings }, random) => {
    const document = parseToml(text, 'random');
    assert.deepEqual(plain(rebuild(text)), plain(document));
    const paths = pathsOf(document);
    for (let left = Math.min(paths.length, 5); left > 0; left -= 1) {
      const path = random.pick(paths);
      const place = locate(text, path);
      assert.ok(place, JSON.stringify(path));
      const lines = text.replace(/^\ufeff/, '').split('\n');
      const rest = lines[place.line - 1]!.slice(place.column - 1);
      if (typeof path.at(-1) === 'number' && !rest.startsWith('[[')) continue;
      // A dotted key or a header may begin with any of the parts; it has to be one of this very path.
      const spelled = rest.replace(/^\[?\[?[ \t]*/, '');
      const fits = path.some((part) =>
        [...(spellings.get(String(part)) ?? ['version', '"version"', 'imports', "'imports'", '"im'])].some(
          (spelling) => spelled.startsWith(spelling),
        ),
      );
      assert.ok(fits, `${JSON.stringify(path)} was sought, found: ${rest}`);
      keys += 1;
    }
  });
  t.ok(keys > 1000, `${keys} keys were located`);
});
