import t from 'tap';
import { problemOf } from '../../protocol/problem/problem.ts';
import { version } from '../../protocol/version.ts';
import {
  flag,
  isPath,
  json,
  list,
  nullable,
  object,
  one,
  optional,
  parseVersioned,
  printVersioned,
  type Read,
  record,
  text,
  time,
  variant,
  whole,
} from '../../daemon/model/schema.ts';

const file = '/x.json';
const read = <T>(source: string, reader: Read<T>): unknown => {
  try {
    return parseVersioned(`{"version":1,"it":${source}}`, file, object<{ it: unknown }>({ it: reader })).it;
  } catch (error) {
    return problemOf(error).message;
  }
};

t.test('valid values are read, and invalid ones are reported with their place', async (t) => {
  t.equal(read('"a"', text(/a/)), 'a');
  t.equal(read('true', flag), true);
  t.match(read('1', flag), /"it" holds/);
  t.equal(read('"b"', one('a', 'b')), 'b');
  t.match(read('"c"', one('a', 'b')), /"it" holds/);
  t.same(read('[1,2]', list(whole(0, 2))), [1, 2]);
  t.match(read('[1,null]', list(whole(0, 2))), '"it[1]" is missing');
  t.match(read('{"a":3}', record(/^a$/, whole(0, 2))), /"it\.a" is 3, but must be from 0 to 2/);
  t.match(read('{"__proto__":1}', record(/^a$/, whole(0, 2))), /"it\.__proto__" holds/);
  t.match(read('{"secret":"x"}', record(/^/, time, true)), /^"it\[0\]" must/);
  t.equal(read('null', nullable(text())), null);
  t.equal(read('null', optional(text())), undefined);
  t.match(read('1e999', time), /must be an integer/);
  t.match(read('8640000000000001', time), /must be from/);
});

t.test('variants are distinguished by a key, and an unknown key is dropped', async (t) => {
  type Either = { kind: 'a'; x: number } | { kind: 'b'; y?: string };
  const either = variant<Either, 'kind'>('kind', {
    a: { kind: one('a'), x: whole(0, 9) },
    b: { kind: one('b'), y: optional(text()) },
  });
  t.same(read('{"kind":"a","x":1,"z":2}', either), { kind: 'a', x: 1 });
  t.same(read('{"kind":"b"}', either), { kind: 'b' });
  for (const odd of ['{"kind":"c"}', '{"kind":"constructor"}', '{}', '[]', '1'])
    t.type(read(odd, either), 'string', odd);
});

t.test('foreign JSON is accepted unchanged, up to a depth', async (t) => {
  t.same(read('{"a":[1,{"b":null}]}', json(3)), { a: [1, { b: null }] });
  t.match(read('[[[[1]]]]', json(3)), /holds/);
});

t.test('a path is absolute and without `..`', async (t) => {
  for (const good of ['/a', '/a/b.c/..d', '/a//b', '/']) t.ok(isPath.test(good), good);
  for (const bad of ['', 'a', '/..', '/a/../b', '/a/.', '/a\0'])
    t.notOk(isPath.test(bad), JSON.stringify(bad));
});

t.test('a newer version is distinguished from damage', async (t) => {
  const codeOf = (source: string): string => {
    try {
      parseVersioned(source, file, () => 1);
      return 'read';
    } catch (error) {
      return problemOf(error).code;
    }
  };
  t.equal(codeOf('{"version":1}'), 'read');
  t.equal(codeOf('{"version":2}'), 'state-newer');
  for (const odd of ['', '{', 'null', '[]', '{}', '{"version":"2"}', '{"version":1e999}', '{"version":1.5}'])
    t.equal(codeOf(odd), 'state-damaged', odd);
});

t.test('what an older release cannot read in the file of a newer one is no damage', async (t) => {
  const problemIn = (agent: unknown, it = '"new"') => {
    try {
      const source = `{"version":1,"agent":${JSON.stringify(agent)},"it":${it}}`;
      parseVersioned(source, file, object<{ it: unknown }>({ it: one('a') }));
      return undefined;
    } catch (error) {
      return problemOf(error);
    }
  };
  t.match(problemIn('99.2.0'), {
    code: 'state-newer',
    message:
      /^rcm-node 99\.2\.0 wrote the file, and this is .*"it" holds what rcm-node does not write there$/,
    where: { file },
  });
  t.equal(problemIn('99.2.0', '"a"'), undefined, 'what it can read it reads');
  for (const agent of [undefined, null, 7, version, '', 'x', '\u001b[31m9', `9${'9'.repeat(99)}`])
    t.equal(problemIn(agent)?.code, 'state-damaged', JSON.stringify(agent));
});

t.test('a file of the state says which release wrote it', async (t) => {
  const text = printVersioned({ version: 1, it: 2n } as { version: 1 });
  t.same(JSON.parse(text), { version: 1, agent: version, it: { $int: '2' } });
  t.match(text, /\n$/);
});
