import t from 'tap';
import { parseSettings } from '../../daemon/model/settings.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const parse = (list: string) => parseSettings(`[runtime]\nprepare = ${list}\n`, '/config.toml').prepare;
const problem = (list: string) => {
  try {
    parse(list);
  } catch (error) {
    return problemOf(error);
  }
  throw new Error(`expected a Failure for ${list}`);
};

const plain = { options: {}, podAnnotations: [], containerAnnotations: [], where: { file: '/config.toml' } };

t.test('a name is a shim without options', async (t) => {
  t.strictSame(parse('["spin-v2", "slot-1"]'), [
    { name: 'spin-v2', shim: 'spin-v2', runtime: { type: 'shim' }, ...plain },
    { name: 'slot-1', shim: 'slot-1', runtime: { type: 'shim' }, ...plain },
  ]);
  t.strictSame(parse('[]'), []);
});

t.test('a table has the fields that a file of shims.d has', async (t) => {
  const list = `[
  { handler = "crun-wasm", runtime = { type = "oci", binary = "crun-wasm" }, podAnnotations = ["run.oci.*"] },
  { handler = "spin-group", containerdRuntimeOptions = { SystemdCgroup = true } },
]`;
  t.strictSame(parse(list), [
    {
      ...plain,
      name: 'crun-wasm',
      shim: 'crun-wasm',
      runtime: { type: 'oci', binary: 'crun-wasm', libraries: [] },
      podAnnotations: ['run.oci.*'],
    },
    {
      ...plain,
      name: 'spin-group',
      shim: 'spin-group',
      runtime: { type: 'shim' },
      options: { SystemdCgroup: true },
    },
  ]);
});

t.test('a mistake is named with its line', async (t) => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['["Spin"]', /"runtime\.prepare\[0\]" is "Spin", but a handler name has/],
    ['["runc"]', /the handler name "runc" is reserved/],
    ['["a", "a"]', /the handler "a" is prepared twice/],
    ['[1]', /"runtime\.prepare\[0\]" must be the name of a handler or a table, not a number/],
    ['[[]]', /must be the name of a handler or a table, not an array/],
    ['[{}]', /"runtime\.prepare\[0\]\.handler" is missing/],
    [
      '[{ handler = "a", runtime = { type = "oci" } }]',
      /"runtime\.prepare\[0\]\.runtime\.binary" is missing/,
    ],
    ['[{ handler = "a", runtime = { binary = "b" } }]', /"binary" goes with type = "oci" only/],
    ['[{ handler = "a", containerdRuntimeOptions = { SystemdCgroup = "maybe" } }]', /must be true or false/],
    ['[{ handler = "a", artifact = "x" }]', /unknown key/],
    [JSON.stringify(Array.from({ length: 65 }, (_, at) => `h${at}`)), /at most 64 handlers/],
  ];
  for (const [list, message] of rows)
    t.match(problem(list), { message, where: { file: '/config.toml', line: 2 } }, list);
});
