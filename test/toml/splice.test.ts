import assert from 'node:assert/strict';
import t from 'tap';
import {
  addImport,
  appendBlock,
  findBlock,
  type ImportEdit,
  removeBlock,
  removeImport,
  removeTables,
  replaceBlock,
} from '../../daemon/toml/splice.ts';
import { Failure, type Problem } from '../../protocol/problem/problem.ts';
import { parseToml } from '../../daemon/toml/toml.ts';
import { forRandomDocuments, many } from '../model/random-toml.ts';

const file = '/etc/containerd/config.toml';
const glob = '/etc/containerd/rcm-node.d/*.toml';
const ours = `"${glob}"`;
const line = `imports = [${ours}] # added by rcm-node`;
const body = '[plugins.rcm.runtimes.spin]\nruntime_type = "/opt/rcm-node/shims/spin/shim"\n';
const block = `# rcm-node begin\n${body}# rcm-node end\n`;

const problemOf = (run: () => unknown): Problem => {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return error.problem;
    throw error;
  }
  throw new Error('nothing was thrown');
};

t.test('addImport puts the glob into the list, or a line where it is a top-level key', async (t) => {
  const cases: readonly (readonly [string, string, ImportEdit['kind']])[] = [
    ['imports = []', `imports = [${ours}]`, 'element'],
    ['imports = [ ] # x\n', `imports = [${ours} ] # x\n`, 'element'],
    ['imports = [ # x\n]\n', `imports = [${ours} # x\n]\n`, 'element'],
    ["'imports'=['/a']", `'imports'=['/a', ${ours}]`, 'element'],
    ['imports = ["/a" , ]\n', `imports = ["/a", ${ours} , ]\n`, 'element'],
    [
      'imports = [\n "/a", # one\n "/b" # two, ]\n]\n',
      `imports = [\n "/a", # one\n "/b", ${ours} # two, ]\n]\n`,
      'element',
    ],
    ['imports = [\r\n"/a",\r\n]\r\n[x]', `imports = [\r\n"/a", ${ours},\r\n]\r\n[x]`, 'element'],
    ['version = 3\n[a]\n', `version = 3\n${line}\n[a]\n`, 'line'],
    [
      '# c\nroot = "/"\nversion = 3 # v\n\n[a]\n',
      `# c\nroot = "/"\nversion = 3 # v\n${line}\n\n[a]\n`,
      'line',
    ],
    ['version = 3\r\n[a]\r\n', `version = 3\r\n${line}\r\n[a]\r\n`, 'line'],
    ['version = 3', `version = 3\n${line}`, 'line'],
    ['version = 3 # \r\nx = 1\r\n', `version = 3 # \r\n${line}\r\nx = 1\r\n`, 'line'],
    ['# c\n\n  [a]\nimports = 1\nversion = 3\n', `# c\n\n${line}\n  [a]\nimports = 1\nversion = 3\n`, 'line'],
    ['root = "/"', `${line}\nroot = "/"`, 'line'],
    ['\ufeff[a]\n', `\ufeff${line}\n[a]\n`, 'line'],
    ['\ufeff', `\ufeff${line}\n`, 'line'],
    ['', `${line}\n`, 'line'],
    ['\n\n', `\n\n${line}\n`, 'line'],
    ['# only a remark', `# only a remark\n${line}`, 'line'],
    ['a = """\nimports = []\n"""\n', `${line}\na = """\nimports = []\n"""\n`, 'line'],
    [block, `${line}\n${block}`, 'line'],
    [`# c\n${block}`, `# c\n${line}\n${block}`, 'line'],
  ];
  for (const [text, expected, kind] of cases) {
    const { text: after, edit } = addImport(text, glob, file);
    t.equal(after, expected);
    t.equal(edit.kind, kind, JSON.stringify(text));
    t.equal(removeImport(after, glob, file, edit), text, 'taken out with the edit remembered');
    t.equal(removeImport(after, glob, file), text, 'taken out with the edit forgotten');
    t.strictSame(addImport(after, glob, file), { text: after, edit: { kind: 'present' } });
  }
});

t.test('an existing glob in another spelling is not changed, and stays after removal', async (t) => {
  for (const spelling of [`'${glob}'`, `"""${glob}"""`, ours.replace('/e', '\\u002fe')]) {
    const text = `imports = ["/a", ${spelling}]\n`;
    const { text: after, edit } = addImport(text, glob, file);
    t.equal(after, text);
    t.equal(edit.kind, 'present');
    t.equal(removeImport(text, glob, file, edit), text);
  }
});

t.test('a glob cannot end its quotes', async (t) => {
  const evil = '"]\nroot = "x\\\t\u007f\u0000🦀';
  const { text } = addImport('', evil, file);
  t.equal(text.split('\n').length, 2);
  t.strictSame(parseToml(text, file).imports, [evil]);
  t.equal(removeImport(text, evil, file), '');
  t.equal(problemOf(() => addImport('', 'half \ud800 pair', file)).code, 'bad-value');
});

t.test('imports of another type are refused with their place', async (t) => {
  const cases: readonly (readonly [string, number, number])[] = [
    ['version = 3\n imports = "/x"\n', 2, 2],
    ['imports = ["/a",\n  7]\n', 2, 3],
    ['a = 1\n[imports]\n', 2, 1],
    ['[[imports]]\n', 1, 1],
    ['imports.x = 1\n', 1, 1],
  ];
  for (const [text, row, column] of cases) {
    const expected = { code: 'cannot-splice', where: { file, line: row, column } };
    t.match(
      problemOf(() => addImport(text, glob, file)),
      expected,
      text,
    );
  }
});

t.test('a file that is not TOML is refused as broken by others', async (t) => {
  const text = 'a = 1\nb = = 2\n';
  const edits = [
    () => addImport(text, glob, file),
    () => removeImport(text, glob, file),
    () => appendBlock(text, body, file),
    () => replaceBlock(text, body, file),
    () => removeBlock(text, file),
  ];
  for (const edit of edits) t.match(problemOf(edit), { code: 'broken-config', where: { file, line: 2 } });
});

t.test('removeImport removes only our element after foreign edits of the list', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    [`imports = [${ours}, "/x"]\n`, 'imports = ["/x"]\n'],
    [`imports = ["/a", ${ours}, "/x"]\n`, 'imports = ["/a", "/x"]\n'],
    [`imports = [\n  "/a",\n  '${glob}',\n  "/x",\n]\n`, 'imports = [\n  "/a",\n  "/x",\n]\n'],
    [`imports = [\n  ${ours},\n  "/x",\n]\n`, 'imports = [\n  "/x",\n]\n'],
    [`imports = [\n  ${ours}, # theirs\n  "/x",\n]\n`, 'imports = [\n  # theirs\n  "/x",\n]\n'],
    [`imports = [\n  "/a", # a\n  ${ours}\n]\n`, 'imports = [\n  "/a", # a\n]\n'],
    [`imports = [\n  "/a", # a\n  ${ours}, # o\n  "/x"]`, 'imports = [\n  "/a", # a\n  # o\n  "/x"]'],
    [`imports = [ "/a" # a\n , ${ours} # o\n , "/x"]`, 'imports = [ "/a" # a\n  # o\n , "/x"]'],
    [`imports = [ # a\n ${ours} # o\n , "/x"]`, 'imports = [ # a\n  # o\n  "/x"]'],
    [`imports = ["${glob}2"]\n`, `imports = ["${glob}2"]\n`],
    ['version = 3\n', 'version = 3\n'],
  ];
  for (const [text, expected] of cases) {
    t.equal(removeImport(text, glob, file, { kind: 'element' }), expected);
    t.equal(removeImport(text, glob, file), expected);
  }
});

t.test('a line of ours is removed as a whole only when nothing of others is in it', async (t) => {
  const edit: ImportEdit = { kind: 'line' };
  const cases: readonly (readonly [string, string])[] = [
    [`version = 3\nimports=[ '${glob}', ]\n[a]\n`, 'version = 3\n[a]\n'],
    [`version = 3\nimports = [\n  ${ours},\n]\n[a]\n`, 'version = 3\n[a]\n'],
    [`imports = [${ours}, "/x"] # added by rcm-node\n`, 'imports = ["/x"] # added by rcm-node\n'],
    [`imports = [${ours}] # keep this remark\n`, ' # keep this remark\n'],
    [`imports = [ # why\n  ${ours}\n]\n`, 'imports = [ # why\n]\n'],
    [`version = 3\r\n${line}`, 'version = 3'],
  ];
  for (const [text, expected] of cases) t.equal(removeImport(text, glob, file, edit), expected);
  t.equal(removeImport(`imports = [${ours}]\n`, glob, file), 'imports = []\n', 'without remark it is theirs');
});

t.test(
  'appendBlock adds our block at the end, with the line breaks of the file, and removeBlock restores it',
  async (t) => {
    const windows = block.replaceAll('\n', '\r\n');
    const open = block.replace('begin', 'begin (no newline before)');
    const cases: readonly (readonly [string, string])[] = [
      ['', block],
      ['\ufeff', `\ufeff${block}`],
      ['version = 3\n', `version = 3\n${block}`],
      ['version = 3', `version = 3\n${open}`],
      ['# c', `# c\n${open}`],
      ['  ', `  \n${open}`],
      ['a = 1\r\nb = 2\r\n', `a = 1\r\nb = 2\r\n${windows}`],
      ['a = 1\r\nb = 2', `a = 1\r\nb = 2\r\n${windows.replace('begin', 'begin (no newline before)')}`],
      ['a = 1\r\nb = 2\n', `a = 1\r\nb = 2\n${block}`],
      ['[[x]]\ny = 1\n', `[[x]]\ny = 1\n${block}`],
      ['[plugins.rcm]\na = 1\n', `[plugins.rcm]\na = 1\n${block}`],
      [
        'a = """\n# rcm-node begin\n# rcm-node end\n"""\n',
        `a = """\n# rcm-node begin\n# rcm-node end\n"""\n${block}`,
      ],
      ['  # rcm-node begin\n', `  # rcm-node begin\n${block}`],
    ];
    for (const [text, expected] of cases) {
      const { text: after } = appendBlock(text, body, file);
      t.equal(after, expected);
      t.equal(findBlock(after)?.body, body);
      t.equal(after.slice(0, findBlock(after)?.start).trimEnd(), text.trimEnd());
      t.equal(removeBlock(after, file), text);
      const other = '[plugins.rcm.other]\n# nothing else\n';
      const replaced = replaceBlock(after, other, file);
      t.equal(findBlock(replaced)?.body, other);
      t.equal(replaceBlock(replaced, body, file), after);
      t.equal(removeBlock(replaced, file), text);
    }
  },
);

t.test('a body keeps its meaning in a file of other line breaks', async (t) => {
  for (const text of ['a = """\nx"""', 'a = """\r\nx\r\ny"""', 'a = """x\ny\r\n"""'].map(
    (pair) => `[t]\n${pair}`,
  )) {
    const foreign = 'a = 1\r\n';
    const { text: after } = appendBlock(foreign, text, file);
    t.strictSame(parseToml(after, file).t, parseToml(text, file).t);
    t.equal(removeBlock(after, file), foreign);
  }
});

t.test('a block that cannot be added names the line in its way', async (t) => {
  const cases: readonly (readonly [string, string, number | undefined])[] = [
    ['a = 1\nplugins = { rcm = {} }\n', body, 2],
    ['a = 1\nplugins.rcm.runtimes = {}\n', body, 2],
    ['a = 1\nplugins.rcm.runtimes.spin.x = 1\n', body, 2],
    ['[plugins.rcm]\nx = 1\n[plugins.rcm.runtimes]\nspin = "no table"\n', body, 4],
    ['a = 1\n[b]\n[plugins.rcm.runtimes.spin]\ny = 1\n', body, 3],
    ['a = 1\n[[plugins]]\n[[plugins]]\n', body, 3],
    ['a = 1\n[b]\n', 'c = 1\n', undefined],
    ['a = 1\n', '[b\n', undefined],
    ['a = 1\n', '[b]\n# rcm-node end\n', undefined],
    [`a = 1\n${block}`, '[other]\n', 2],
    ['a = 1\n# rcm-node end\n', body, 2],
  ];
  for (const [text, wanted, row] of cases) {
    const problem = problemOf(() => appendBlock(text, wanted, file));
    t.equal(problem.code, 'cannot-splice', text);
    t.equal(problem.where?.file, file);
    t.equal(problem.where?.line, row, `${text} -> ${problem.message}`);
  }
});

t.test('foreign text around the block stays when it is removed', async (t) => {
  const open = block.replace('begin', 'begin (no newline before)');
  t.equal(removeBlock(`a = 1\n${open}[theirs]\n`, file), 'a = 1\n[theirs]\n');
  t.equal(removeBlock(`a = 1\n${block}[theirs]\n`, file), 'a = 1\n[theirs]\n');
  t.equal(removeBlock(block.trimEnd(), file), '');
  t.equal(removeBlock('a = 1\n', file), 'a = 1\n');
  const joined = problemOf(() => removeBlock(`[a]\nx = 1\n${block}y = 2\n`, file));
  t.equal(joined.code, 'cannot-splice', 'y belongs to our last table and would move into [a]');
});

t.test('half a block, two blocks or markers in disorder are refused with their line', async (t) => {
  const damaged = [
    'a = 1\n# rcm-node begin\n',
    'a = 1\n# rcm-node end\n',
    `a = 1\n${block}# rcm-node begin\n`,
  ];
  for (const text of [...damaged, 'a = 1\n# rcm-node end\n# rcm-node begin\n']) {
    t.equal(findBlock(text), undefined);
    t.match(
      problemOf(() => removeBlock(text, file)),
      { code: 'cannot-splice', where: { line: 2 } },
    );
    t.match(
      problemOf(() => replaceBlock(text, body, file)),
      { code: 'cannot-splice', where: { line: 2 } },
    );
  }
  t.equal(problemOf(() => replaceBlock('a = 1\n', body, file)).code, 'cannot-splice');
});

t.test('a megabyte of foreign text is spliced and restored', async (t) => {
  const text = `version = 3\n${`[[x]]\r\na = [1, 2]\n# ${'theirs '.repeat(9)}\n`.repeat(12_500)}`;
  t.ok(text.length > 1_000_000);
  const withImport = addImport(text, glob, file);
  const after = appendBlock(withImport.text, body, file).text;
  t.ok(removeImport(removeBlock(after, file), glob, file, withImport.edit) === text);
});

t.test('hostile text is refused by every edit, without an exhausted stack', async (t) => {
  const many = 100_000;
  for (const text of ['['.repeat(many), `imports = ${'['.repeat(many)}`, `a${'.a'.repeat(many)} = 1`]) {
    t.equal(problemOf(() => addImport(text, glob, file)).code, 'broken-config');
    t.equal(problemOf(() => appendBlock(text, body, file)).code, 'broken-config');
    t.equal(problemOf(() => appendBlock('a = 1\n', text, file)).code, 'cannot-splice');
  }
  t.equal(problemOf(() => removeBlock('# rcm-node begin\n'.repeat(many), file)).code, 'cannot-splice');
});

/** The document as plain data that assert compares strictly; dates as text, since their kind hides in private fields. */
const plain = (value: unknown): unknown => {
  if (value instanceof Date) return `date ${value.toISOString()}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, plain(child)]));
};
const meaning = (text: string): Record<string, unknown> =>
  plain(parseToml(text, 'random')) as Record<string, unknown>;

t.test('random documents: an added table has its meaning, and is removed to the byte', async (t) => {
  const kinds = new Set<string>();
  forRandomDocuments(many, ({ text }, random) => {
    const before = meaning(text);
    const imports = [...((before.imports as string[] | undefined) ?? []), glob];
    const first = addImport(text, glob, file);
    kinds.add(first.edit.kind);
    assert.deepEqual(meaning(first.text), { ...before, imports });
    assert.equal(removeImport(first.text, glob, file), text);

    const second = appendBlock(first.text, body, file).text;
    assert.deepEqual(meaning(second), { ...before, imports, ...meaning(body) });
    assert.equal(findBlock(second)?.body, body);
    assert.equal(removeBlock(second, file), first.text);

    const out = random.chance(0.5)
      ? removeImport(removeBlock(second, file), glob, file, first.edit)
      : removeBlock(removeImport(second, glob, file, first.edit), file);
    assert.equal(out, text);

    const crossed = addImport(appendBlock(text, body, file).text, glob, file);
    assert.deepEqual(meaning(crossed.text), { ...before, imports, ...meaning(body) });
    const back = random.chance(0.5)
      ? removeImport(removeBlock(crossed.text, file), glob, file, crossed.edit)
      : removeBlock(removeImport(crossed.text, glob, file, crossed.edit), file);
    assert.equal(back, text);
  });
  t.strictSame([...kinds].sort(), ['element', 'line'], 'both ways were taken');
});

t.test('a table is removed from any layout that another program printed', async (t) => {
  const wanted = ['p', 'r', 'x'];
  const cases: readonly (readonly [string, string])[] = [
    ['[p.r.y]\na = 1\n\n[p.r.x]\nb = 2\n\n[p.r.x.o]\nc = 3\n\n[z]\n', '[p.r.y]\na = 1\n\n[z]\n'],
    ['[p.r.y]\na = 1\n\n[p.r.x]\nb = 2\n', '[p.r.y]\na = 1\n'],
    ['[p.r.x]\nb = 2\n[z]\n', '[z]\n'],
    // A remark behind the header of a table may be a person's.
    ['[p]\n  [p.r]\n    [p.r."x"] # mine\n      b = [\n 1, # one\n ]\n[z]', '[p]\n  [p.r]\n    # mine\n[z]'],
    ['[p.r.x.o]\nc = 3\n[z]\nq = 1\n[p.r.x]\nb = 2\n', '[z]\nq = 1\n'],
    ['p.r.x.b = 2\np.r.y = 1\n', 'p.r.y = 1\n'],
    ['[p]\nr.x = { b = 2 }\nr.y = 1\n', '[p]\nr.y = 1\n'],
    ['[p.r]\r\nx = { b = 2 }\r\ny = 1\r\n', '[p.r]\r\ny = 1\r\n'],
    ['[p]\nr = { x = { b = 2 }, y = 1 }\n', '[p]\nr = { y = 1 }\n'],
    ['p = { r = { y = 1 , x = { b = 2 } }, s = 2 }\n', 'p = { r = { y = 1 }, s = 2 }\n'],
    ['p = { r.x.b = 2 }\n', 'p = {  }\n'],
    ['[p.r.x]\nb = 2\n# theirs\n[p.r.x.o]\nc = 3\n# too\n', '# theirs\n# too\n'],
    ['[a]\nb = """\n[p.r.x]\n"""\n[p.r.x]\nb = 2\n', '[a]\nb = """\n[p.r.x]\n"""\n'],
  ];
  for (const [before, after] of cases) t.equal(removeTables(before, [wanted], file), after, before);
  const odd = problemOf(() => removeTables('p = { r.x.b = 2, r.x.c = 3, r.y = 1 }\n', [wanted], file));
  t.match(odd, { code: 'cannot-splice', where: { file } });
});

t.test('a table that is removed from any document leaves the meaning of the rest', async (t) => {
  forRandomDocuments(300, ({ text }) => {
    const tables = '[rcm-own.x]\na = 1\n\n[rcm-own.x.options]\nb = { c = [1] }\n';
    const whole = text === '' || text.endsWith('\n') ? text + tables : `${text}\n${tables}`;
    const rest = removeTables(whole, [['rcm-own', 'x']], file);
    assert.ok(whole.startsWith(rest.trimEnd()));
    assert.deepEqual(parseToml(rest, file), parseToml(text, file));
  });
  t.pass('300 documents');
});
