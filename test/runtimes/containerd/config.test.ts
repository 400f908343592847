import t from 'tap';
import type { Handler } from '../../../daemon/model/desired.ts';
import { parseToml } from '../../../daemon/toml/toml.ts';
import {
  criPath,
  declaredSchema,
  disablesCri,
  generationOf,
  generations,
  handlersIn,
  handlerTable,
  newestSchema,
  runtimesPath,
  schemas,
  viewOf,
} from '../../../daemon/runtimes/containerd/config.ts';
import { tableAt } from '../../../daemon/toml/compare.ts';

const parse = (text: string) => parseToml(text, '/etc/containerd/config.toml');
const v1 = '[plugins.cri.containerd.runtimes.spin]\nx = 1\n';
const v2 = '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.spin]\nx = 2\n';
const v3 = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.spin]\nx = 3\n';

t.test('every known schema has its table for handlers, and no other has', async (t) => {
  t.equal(newestSchema, 4);
  t.same(runtimesPath(1), ['plugins', 'cri', 'containerd', 'runtimes']);
  t.same(runtimesPath(2), ['plugins', 'io.containerd.grpc.v1.cri', 'containerd', 'runtimes']);
  t.same(runtimesPath(3), ['plugins', 'io.containerd.cri.v1.runtime', 'containerd', 'runtimes']);
  t.same(criPath(4), criPath(3), 'version 4 moved other tables');
  for (const schema of [0, 5, -1, 1.5]) t.equal(runtimesPath(schema), undefined, String(schema));
  t.equal(schemas.length, 5);
});

t.test('the schema of a file is the declared one, and 1 without a declaration', async (t) => {
  const table: readonly (readonly [string, number | undefined])[] = [
    ['', 1],
    ['version = 0', 1],
    ['version = 2', 2],
    ['version = 7', 7],
    ['version = "2"', undefined],
    ['version = 2.5', undefined],
    ['version = -1', undefined],
    ['version = 9223372036854775807', undefined],
  ];
  for (const [text, schema] of table) t.equal(declaredSchema(parse(text)), schema, text);
});

t.test('1.x and 2.x have their own wiring; later versions are not guessed', async (t) => {
  t.match(generationOf('1.6.20'), { wiring: 'block', freshSchema: 2 });
  t.match(generationOf('1.7.24~ds1'), { wiring: 'block' });
  t.match(generationOf('2.3.0-beta.1'), { wiring: 'drop-in', freshSchema: 3 });
  for (const version of ['', '3.0.0', '0.2', 'main']) t.equal(generationOf(version), undefined, version);
  for (const { freshSchema } of generations) t.ok(runtimesPath(freshSchema), 'a fresh file has a place');
});

t.test('a table is found by its path, through tables only', async (t) => {
  const doc = parse('a = { b = { c = 1 } }\nd = 2024-01-01\ne = [{ f = 1 }]\n');
  t.same(tableAt(doc, ['a', 'b']), { c: 1 });
  t.equal(tableAt(doc, []), doc);
  for (const path of [['a', 'b', 'c'], ['d'], ['e'], ['x', 'y']]) t.equal(tableAt(doc, path), undefined);
});

t.test('a dump lists the served handlers, also where 2.0 does not migrate it', async (t) => {
  t.match(viewOf(parse(v3)), { runtimes: { spin: { x: 3 } }, defaultName: 'runc' });
  t.match(viewOf(parse(v2)), { path: criPath(2), runtimes: { spin: { x: 2 } } });
  t.match(viewOf(parse(v1)), { path: criPath(1), runtimes: { spin: { x: 1 } } });
  t.match(viewOf(parse(v1 + v2 + v3)), { path: criPath(3) }, 'the newest holds');
  const named = v3.replace(
    '[plugins',
    '[plugins."io.containerd.cri.v1.runtime".containerd]\ndefault_runtime_name = "crun"\n[plugins',
  );
  t.match(viewOf(parse(named)), { defaultName: 'crun' });
  t.match(viewOf(parse(named.replace('"crun"', '""'))), { defaultName: 'runc' });
  t.equal(viewOf(parse('version = 3\n')), undefined);
  t.equal(viewOf(parse('[plugins.cri.containerd]\nx = 1\n')), undefined);
});

t.test('the file that defines a handler is found, for a table of any version', async (t) => {
  t.same(
    handlersIn(parse(v1 + v2 + v3)).map(({ path }) => path),
    [3, 2, 1].map((schema) => [...(runtimesPath(schema) ?? []), 'spin']),
  );
  t.same(handlersIn(parse('')), []);
});

t.test('a disabled CRI is noticed by each of its names', async (t) => {
  t.equal(disablesCri(parse('disabled_plugins = ["cri"]')), 0);
  t.equal(
    disablesCri(parse('disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.grpc.v1.cri"]')),
    1,
  );
  for (const part of ['io.containerd.cri.v1.runtime', 'io.containerd.cri.v1.images'])
    t.equal(disablesCri(parse(`disabled_plugins = ["${part}"]`)), 0, part);
  for (const text of ['', 'disabled_plugins = []', 'disabled_plugins = ["criu"]', 'disabled_plugins = "cri"'])
    t.equal(disablesCri(parse(text)), undefined, text);
});

const shim: Handler = {
  name: 'spin',
  shim: 'spin-v2',
  artifact: { url: 'https://example.com/a' },
  runtime: { type: 'shim' },
  options: {},
  podAnnotations: [],
  containerAnnotations: [],
  where: { file: '/f' },
};

t.test('a shim is named by its absolute path, with its own options only', async (t) => {
  t.same(handlerTable(shim, '/p', { SystemdCgroup: true }), { runtime_type: '/p' });
  t.same(
    handlerTable(
      { ...shim, options: { SystemdCgroup: true }, podAnnotations: ['a/*'], containerAnnotations: ['b'] },
      '/p',
      {},
    ),
    {
      runtime_type: '/p',
      pod_annotations: ['a/*'],
      container_annotations: ['b'],
      options: { SystemdCgroup: true },
    },
  );
});

t.test(
  'an OCI runtime goes through the runc shim with the cgroup driver of the default handler',
  async (t) => {
    const oci: Handler = {
      ...shim,
      runtime: { type: 'oci', binary: 'crun', libraries: [] },
      options: { Root: '/run/crun', BinaryName: '/bin/evil' },
    };
    t.same(handlerTable(oci, '/p', { SystemdCgroup: true, Root: '/run/runc' }), {
      runtime_type: 'io.containerd.runc.v2',
      options: { SystemdCgroup: true, Root: '/run/crun', BinaryName: '/p' },
    });
  },
);
