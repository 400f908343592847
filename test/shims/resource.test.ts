import t from 'tap';
import type { Handler } from '../../daemon/model/desired.ts';
import { revisionOf } from '../../daemon/shims/revision.ts';
import { type Problem, printProblem, problemOf } from '../../protocol/problem/problem.ts';
import { parseShim } from '../../daemon/shims/local-file.ts';
import type { Policy } from '../../daemon/shims/location.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { parseShimResource, resourceFile } from '../../daemon/shims/resource.ts';

const sum = 'ab'.repeat(32);
const strict: Policy = { machine: 'amd64', allowUnpinned: false, allowedHosts: [] };
const location = 'https://example.com/containerd-shim-spin-v2-linux-x86_64.tar.gz';
const platforms = [
  { os: 'linux', arch: 'aarch64', location: 'https://example.com/arm', sha256: sum },
  { os: 'linux', arch: 'x86_64', location, sha256: sum },
];

const resource = (spec: unknown, name: unknown = 'spin-v2') => ({
  apiVersion: 'runtime.spinkube.dev/v1alpha1',
  kind: 'Shim',
  metadata: { name, resourceVersion: '7' },
  spec,
});
const spec = (more: object = {}) => ({ fetchStrategy: { platforms }, ...more });

const problem = (object: unknown, policy: Partial<Policy> = {}): Problem => {
  try {
    parseShimResource(object, { ...strict, ...policy });
  } catch (error) {
    return problemOf(error);
  }
  throw new Error(`expected a Failure for ${JSON.stringify(object)}`);
};

t.test('a resource gives the same handler as a file with the same fields', async (t) => {
  const given = resource(
    spec({
      nodeSelector: { spin: 'true' },
      containerdRuntimeOptions: { SystemdCgroup: 'true', Root: '/run/x' },
      runtimeClass: { name: 'wasmtime-spin-v2', handler: 'spin' },
      rolloutStrategy: { type: 'rolling', rolling: { maxUpdate: '10%' } },
      podAnnotations: ['run.oci.handler'],
      containerAnnotations: ['module.wasm.image/*'],
    }),
  );
  const fromFile = parseShim(
    `name = "spin-v2"
containerdRuntimeOptions = { SystemdCgroup = "true", Root = "/run/x" }
runtimeClass = { name = "wasmtime-spin-v2", handler = "spin" }
podAnnotations = ["run.oci.handler"]
containerAnnotations = ["module.wasm.image/*"]
[[fetchStrategy.platforms]]
os = "linux"
arch = "amd64"
location = "${location}"
sha256 = "${sum}"`,
    '/f.toml',
    strict,
  );
  const handler = parseShimResource(given, strict);
  const order = { shim: 'spin-v2', revision: revisionOf(given as ShimObject), scope: 'restarts' } as const;
  t.same(handler, {
    ...fromFile,
    where: { file: 'shims.runtime.spinkube.dev/spin-v2' },
    order,
  } satisfies Handler);
  t.match(handler, { name: 'spin', shim: 'spin-v2', options: { SystemdCgroup: true, Root: '/run/x' } });
  t.equal(handler.where.file, resourceFile('spin-v2'));
});

t.test('a single location applies to every node, and a list takes precedence', async (t) => {
  const anonHttp = { location: 'https://example.com/any', sha256: `sha256:${sum.toUpperCase()}` };
  const single = resource({ fetchStrategy: { type: 'anonymousHttp', anonHttp } });
  t.same(parseShimResource(single, strict).artifact, { url: anonHttp.location, sha256: sum });
  const both = resource({ fetchStrategy: { type: 'whatever', anonHttp, platforms } });
  t.equal(parseShimResource(both, strict).artifact.url, location);
  t.equal(parseShimResource(both, { ...strict, machine: 'arm64' }).artifact.url, 'https://example.com/arm');
});

t.test('an OCI runtime is described as in a file', async (t) => {
  const runtime = { type: 'oci', binary: 'crun', libraries: ['libwasmedge.so.0'] };
  t.same(parseShimResource(resource(spec({ runtime })), strict).runtime, runtime);
});

t.test('a string option may contain the quotes of TOML', async (t) => {
  const options = (given: Record<string, string>) =>
    parseShimResource(resource(spec({ containerdRuntimeOptions: given })), strict).options;
  t.same(options({ BinaryName: '"/usr/bin/crun"', Root: "'/run/x'", A: '"' }), {
    BinaryName: '/usr/bin/crun',
    Root: '/run/x',
    A: '"',
  });
  t.same(options({ A: '"a" or "b"', B: '\'"', C: '"a\\"' }), { A: '"a" or "b"', B: '\'"', C: '"a\\"' });
  t.same(options({ A: '"12"', B: '12' }), { A: '12', B: 12 }, 'what is quoted is a string');
});

t.test('an option has the value that runtime-class-manager would write', async (t) => {
  const options = (given: Record<string, unknown>) =>
    parseShimResource(resource(spec({ containerdRuntimeOptions: given })), strict).options;
  t.same(
    options({
      ...{
        A: '1.5',
        B: '-1e-3',
        C: '["a", \'b\']',
        D: '[1, 2]',
        E: '[["a"], []]',
        F: ' true ',
        G: '1_000',
        H: '0x1F',
      },
      ...{
        I: '"a\\\\b"',
        J: '["\\"x\\"", "12", "true"]',
        K: '1234567890123456',
        L: '9223372036854775807',
        M: '"1.5"',
      },
    }),
    {
      ...{ A: 1.5, B: -0.001, C: ['a', 'b'], D: [1, 2], E: [['a'], []], F: true, G: 1000, H: 31 },
      ...{ I: 'a\\b', J: ['"x"', '12', 'true'], K: 1234567890123456, L: 9223372036854775807n, M: '1.5' },
    },
  );
  t.ok(Object.is(options({ A: '-0.0' }).A, 0), 'the state, as JSON, has no other zero');
  const texts = {
    A: '/run/x',
    B: '007',
    C: '[a',
    D: '2024-01-01',
    E: 'nan',
    F: '1.5.0',
    G: 'a = 1',
    H: '',
    I: '1.',
  };
  t.same(options(texts), texts, 'what is no value of TOML is a string');
  const typed = { Root: '[1]', BinaryName: '1.5', IoUid: '7', SystemdCgroup: 'true' };
  t.same(options(typed), { Root: '[1]', BinaryName: '1.5', IoUid: 7, SystemdCgroup: true });
  for (const [given, message] of [
    [
      { A: '{ b = 1 }' },
      /A" is a table of TOML; an option here is a string, a number, true, false or a list of these$/,
    ],
    [{ A: '[{ b = 1 }]' }, /A\[0\]" must be a string, not a table/],
    [{ A: '["a\\nb"]' }, /A\[0\]: an option value holds a control character/],
    [{ A: '"a\\u0000"' }, /control character/],
    [{ A: '[1.5, nan]' }, /A\[1\]" must be a finite number/],
    [{ IoUid: '[1]' }, /IoUid" must be an integer/],
    [{ SystemdCgroup: '["true"]' }, /must be true or false/],
    [{ A: JSON.parse('['.repeat(100) + ']'.repeat(100)) }, /must be a string, not an array/],
  ] as const)
    t.match(problem(resource(spec({ containerdRuntimeOptions: given }))), { code: 'bad-value', message });
});

t.test('an empty digest counts as none, as in runtime-class-manager', async (t) => {
  const from = (sha256: string, url = location) =>
    resource({ fetchStrategy: { anonHttp: { location: url, sha256 } } });
  t.match(problem(from('')), { code: 'unpinned', message: /no sha256 is given/ });
  t.same(parseShimResource(from(''), { ...strict, allowUnpinned: true }).artifact, { url: location });
  t.match(problem(from('', 'http://example.com/a'), { allowUnpinned: true }), {
    code: 'unpinned',
    message: /http proves nothing about the sender/,
  });
  t.match(problem(from('sha256:')), { code: 'bad-value' });
});

t.test('of two entries for one architecture the first counts, as in runtime-class-manager', async (t) => {
  const both = ['x86_64', 'amd64'].map((arch) => ({
    os: 'linux',
    arch,
    location: `https://example.com/${arch}`,
    sha256: sum,
  }));
  const of = (list: readonly object[]) =>
    parseShimResource(resource({ fetchStrategy: { platforms: list } }), strict).artifact.url;
  t.equal(of(both), 'https://example.com/x86_64');
  t.equal(of([...both].reverse()), 'https://example.com/amd64');
});

t.test('keys of a newer schema are ignored, and so is null', async (t) => {
  const newer = {
    ...resource({
      future: true,
      runtime: null,
      podAnnotations: null,
      runtimeClass: { name: 'x', handler: null, overhead: {} },
      fetchStrategy: {
        later: {},
        anonHttp: null,
        platforms: platforms.map((one) => ({ ...one, signature: 'x' })),
      },
    }),
    status: { nodes: 3 },
  };
  t.match(parseShimResource(newer, strict), { name: 'spin-v2', artifact: { url: location } });
});

t.test('an error has the name of the resource and the path of the field', async (t) => {
  const where = { file: 'shims.runtime.spinkube.dev/spin-v2' };
  const odd = [{ os: 'linux', arch: 'amd 64', location, sha256: sum }];
  t.same(problem(resource({ fetchStrategy: { platforms: odd } })), {
    code: 'bad-value',
    message:
      '"spec.fetchStrategy.platforms[0].arch" is "amd 64", but the name of an operating system or an architecture is expected, like linux or amd64',
    where,
  });
  for (const [given, code, message] of [
    [
      spec({ runtimeClass: { handler: 'runc' } }),
      'reserved-handler',
      /^spec\.runtimeClass\.handler: .*"runc"/,
    ],
    [spec({ runtimeClass: 'x' }), 'bad-value', /^"spec\.runtimeClass" must be a table, not a string$/],
    [
      spec({ containerdRuntimeOptions: { SystemdCgroup: 'yes' } }),
      'bad-value',
      /SystemdCgroup" must be true/,
    ],
    [spec({ runtime: { type: 'oci' } }), 'bad-value', /^"spec\.runtime\.binary" is missing$/],
    [{}, 'bad-value', /^"spec\.fetchStrategy" is missing$/],
    [undefined, 'bad-value', /^"spec" is missing$/],
    [
      { fetchStrategy: {} },
      'no-platform',
      /^"spec\.fetchStrategy" has none of "platforms", "oci" and "anonHttp"$/,
    ],
  ] as const)
    t.match(problem(resource(given)), { code, message, where });
  const arm = { fetchStrategy: { platforms: platforms.slice(0, 1) } };
  t.match(problem(resource(arm)), {
    code: 'no-platform',
    message: 'no entry of "spec.fetchStrategy.platforms" is for linux/amd64, only for linux/aarch64',
  });
  t.match(problem(resource(spec(), 'kata')), {
    code: 'reserved-handler',
    message: 'metadata.name: the handler name "kata" is reserved',
  });
});

t.test('a name with dots is a shim, but no handler', async (t) => {
  t.match(problem(resource(spec(), 'spin.v2')), { message: /^metadata\.name: the handler name "spin\.v2"/ });
  const named = resource(spec({ runtimeClass: { handler: 'spin' } }), 'spin.v2');
  t.match(parseShimResource(named, strict), { name: 'spin', shim: 'spin.v2' });
});

t.test("the node's own policy holds for resources, and the message names the setting", async (t) => {
  const open = resource({ fetchStrategy: { anonHttp: { location } } });
  const refused = problem(open);
  t.match(refused, { code: 'unpinned', where: { file: resourceFile('spin-v2') } });
  t.equal(
    printProblem(refused),
    `shims.runtime.spinkube.dev/spin-v2: spec.fetchStrategy.anonHttp: no sha256 is given for ${location}`,
  );
  t.same(parseShimResource(open, { ...strict, allowUnpinned: true }).artifact, { url: location });
  t.match(problem(resource(spec()), { allowedHosts: ['example.org'] }), {
    code: 'policy-denied',
    message: /^spec\.fetchStrategy\.platforms\[0\]\.location: .*allowedHosts/,
  });
  const onDisk = resource({
    fetchStrategy: { anonHttp: { location: 'file:///srv/a', sha256: 'ab'.repeat(32) } },
  });
  t.equal(parseShimResource(onDisk, strict).artifact.url, 'file:///srv/a');
  t.match(
    problem(onDisk, { allowedHosts: ['example.org'] }),
    { code: 'policy-denied', message: /a file: location .*allowedHosts/ },
    'a list of hosts would be no limit for a user who can write a file on this node',
  );
});

t.test('an invalid object is a problem and no crash', async (t) => {
  for (const given of [undefined, null, 'x', [], 7, {}, { metadata: 'x' }, { metadata: {} }, resource({}, 7)])
    t.match(problem(given), { code: 'bad-value', where: { file: 'shims.runtime.spinkube.dev/?' } });
  t.match(problem(resource(spec(), '../../etc')), { message: /^"metadata\.name" is .* file name/ });
});
