import t from 'tap';
import { object, parseVersioned, type Read } from '../../daemon/model/schema.ts';
import { storedHandler, storedProblem } from '../../daemon/model/stored.ts';

const read = <T>(value: unknown, reader: Read<T>): T =>
  parseVersioned(JSON.stringify({ version: 1, it: value }), '/x', object<{ it: unknown }>({ it: reader }))
    .it as T;

const handler = {
  name: 'crun-wasm',
  shim: 'crun-wasm',
  artifact: { url: 'https://example.com/x', sha256: 'd'.repeat(64) },
  runtime: { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] },
  options: { SystemdCgroup: true, Root: '/run/x', IoUid: 1.5, Paths: ['a', [1]] },
  podAnnotations: ['a/*'],
  containerAnnotations: [],
  where: { file: 'shims.runtime.spinkube.dev/x' },
  order: { shim: 'crun-wasm', revision: '0123456789abcdef', scope: 'all' },
};

t.test('a handler is read back as written, and invalid fields are refused', async (t) => {
  t.same(read(handler, storedHandler), handler);
  for (const change of [
    { name: '../x' },
    { name: '__proto__' },
    { shim: 'a/b' },
    { artifact: { url: 'ftp://x' } },
    { artifact: { url: 'https://x', sha256: 'x' } },
    { runtime: { type: 'oci', binary: '../x', libraries: [] } },
    { runtime: { type: 'vm' } },
    { options: { SystemdCgroup: null } },
    { options: { Paths: [null] } },
    { options: { Paths: JSON.parse('['.repeat(100) + ']'.repeat(100)) } },
    { options: { 'a b': 1 } },
    { podAnnotations: [1] },
    { where: {} },
    { order: { shim: 'x', revision: 'X Y', scope: 'all' } },
  ])
    t.throws(() => read({ ...handler, ...change }, storedHandler), /\/x: /, JSON.stringify(change));
});

t.test('an unknown code of a later build is read as `internal`, which has a hint', async (t) => {
  const problem = {
    code: 'not-served',
    message: 'm',
    where: { file: '/f', line: 1 },
    handler: 'h',
    hint: 'i',
  };
  t.same(read(problem, storedProblem), problem);
  t.equal(read({ code: 'from-tomorrow', message: 'm' }, storedProblem).code, 'internal');
  t.throws(() => read({ code: '__proto__', message: 'm' }, storedProblem));
});

t.test('a code of an older program is read by its present name', async (t) => {
  t.equal(read({ code: 'fight', message: 'm' }, storedProblem).code, 'write-conflict');
  t.equal(read({ code: 'waits-for-turn', message: 'm' }, storedProblem).code, 'rollout-pending');
});
