import t from 'tap';
import { printTable } from '../../daemon/toml/compare.ts';
import type { Handler } from '../../daemon/model/desired.ts';
import { type Problem, problemOf } from '../../protocol/problem/problem.ts';
import { parseShim } from '../../daemon/shims/local-file.ts';
import type { Policy } from '../../daemon/shims/location.ts';
import { parseToml } from '../../daemon/toml/toml.ts';

const file = '/etc/rcm-node/shims.d/spin.toml';
const sum = 'ab'.repeat(32);
const strict: Policy = { machine: 'amd64', allowUnpinned: false, allowedHosts: [] };

const parse = (text: string, policy: Partial<Policy> = {}): Handler =>
  parseShim(text, file, { ...strict, ...policy });

const problem = (text: string, policy: Partial<Policy> = {}): Problem => {
  try {
    parse(text, policy);
  } catch (error) {
    return problemOf(error);
  }
  throw new Error(`expected a Failure for ${text}`);
};

const where = (line: number, column: number) => ({ file, line, column });

const location = 'https://example.com/containerd-shim-spin-v2-linux-x86_64.tar.gz';
const row = (arch: string, more = `sha256 = "${sum}"`, url = location) =>
  `[[fetchStrategy.platforms]]\nos = "linux"\narch = "${arch}"\nlocation = "${url}"\n${more}\n`;
/** `top` in front, then a platform for amd64. */
const shim = (top: string, name = 'spin-v2') => `name = "${name}"\n${top}\n${row('amd64')}`;

t.test('the documented file becomes a handler', async (t) => {
  const text = `name = "spin-v2"
containerdRuntimeOptions = { SystemdCgroup = "true" }
runtimeClass = { name = "wasmtime-spin-v2", handler = "spin-v2" }
${row('amd64')}`;
  t.same(parse(text), {
    name: 'spin-v2',
    shim: 'spin-v2',
    artifact: { url: location, sha256: sum },
    runtime: { type: 'shim' },
    options: { SystemdCgroup: true },
    podAnnotations: [],
    containerAnnotations: [],
    where: { file, line: 1 },
  });
});

t.test('settings of the RuntimeClass have no effect on a node, and a misspelt one is an error', async (t) => {
  const name = 'runtimeClass.name = "a"\nruntimeClass.handler = "spin-v2"\n';
  const more = `runtimeClass.labels.team = "a"
runtimeClass.overhead.podFixed = { memory = "64Mi", cpu = 1 }
runtimeClass.scheduling.tolerations = [{ key = "wasm", operator = "Exists" }]
`;
  t.same(parse(shim(name + more)), parse(shim(name)));
  t.match(problem(shim(`${name}runtimeClass.overheads = {}`)), {
    code: 'unknown-key',
    hint: 'Did you mean "overhead"?',
  });
});

t.test('a resource as runtime-class-manager users write it works unchanged', async (t) => {
  const text = `name = "wws-v1"
nodeSelector = { wws = "true" }
rolloutStrategy = { type = "rolling", rolling = { maxUpdate = 5 } }
[fetchStrategy]
type = "anonymousHttp"
[fetchStrategy.anonHttp]
location = "https://example.com/wws.tar.gz"
sha256 = "sha256:${sum.toUpperCase()}"
[runtimeClass]
name = "wasmtime-wws-v1"
handler = "wws-v1"
`;
  t.match(parse(text), { name: 'wws-v1', artifact: { url: 'https://example.com/wws.tar.gz', sha256: sum } });
});

t.test('a file that asks for no restart is refused, because nothing would keep it from one', async (t) => {
  t.match(problem(shim('rolloutStrategy = { scope = "no-restart" }')), {
    code: 'bad-value',
    message: /^"rolloutStrategy.scope" is "no-restart", which only a Shim of the cluster can have/,
    where: where(2, 21),
    hint: /prepare/,
  });
  for (const scope of ['restarts', 'all']) parse(shim(`rolloutStrategy = { scope = "${scope}" }`));
});

t.test('each node uses the entry for its architecture, by either name', async (t) => {
  const text = `name = "spin-v2"\n${row('arm64', undefined, 'https://example.com/arm')}${row('x86_64')}`;
  t.equal(parse(text).artifact.url, location);
  t.equal(parse(text, { machine: 'arm64' }).artifact.url, 'https://example.com/arm');
  const other = `name = "a"\n${row('aarch64', undefined, 'https://example.com/1')}${row('aarch64')}`;
  t.equal(parse(other, { machine: 'arm64' }).artifact.url, 'https://example.com/1', 'the first that fits');
});

t.test('an entry for another system does not affect the others', async (t) => {
  const foreign = [
    row('riscv64'),
    row('s390x'),
    row('loong64', undefined, 'https://example.com/loong'),
    row('amd64', undefined, 'https://example.com/bsd').replace('linux', 'freebsd'),
  ].join('');
  const text = `name = "a"\n${foreign}${row('amd64')}`;
  t.equal(parse(text).artifact.url, location);
  t.match(problem(text, { machine: 'arm64' }), {
    code: 'no-platform',
    message: /only for linux\/riscv64, linux\/s390x, linux\/loong64, freebsd\/amd64, linux\/amd64$/,
  });
});

t.test('an OCI runtime has its binary and the libraries beside it', async (t) => {
  const runtime = '[runtime]\ntype = "oci"\nbinary = "crun"\nlibraries = ["libwasmedge.so.0"]';
  t.match(parse(`name = "crun-wasm"\n${runtime}\n${row('amd64')}`).runtime, {
    type: 'oci',
    binary: 'crun',
    libraries: ['libwasmedge.so.0'],
  });
  t.same(parse(shim('runtime = { type = "shim" }')).runtime, { type: 'shim' });
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['runtime = { type = "vm" }', /"shim" or "oci" is expected/],
    ['runtime = {}', /"runtime.type" is missing/],
    ['runtime = { type = "oci" }', /"runtime.binary" is missing/],
    ['runtime = { type = "oci", binary = "../crun" }', /file name without folders/],
    ['runtime = { type = "oci", binary = ".." }', /file name without folders/],
    ['runtime = { type = "oci", binary = "crun", libraries = ["a b"] }', /file name without folders/],
    ['runtime = { type = "oci", binary = "crun", libraries = ["crun"] }', /names a file twice/],
    ['runtime = { type = "shim", binary = "x" }', /go with runtime.type = "oci" only/],
  ];
  for (const [top, message] of wrong) t.match(problem(shim(top)), { code: 'bad-value', message }, top);
});

t.test('an unknown key is named with line, column and the nearest known key', async (t) => {
  t.match(problem(shim('runtimeclass = { handler = "x" }')), {
    code: 'unknown-key',
    message: 'unknown key "runtimeclass"',
    where: where(2, 1),
    hint: 'Did you mean "runtimeClass"?',
  });
  t.match(problem(`name = "a"\n${row('amd64', `sha265 = "${sum}"`)}`), {
    code: 'unknown-key',
    message: 'unknown key "fetchStrategy.platforms[0].sha265"',
    where: where(6, 1),
    hint: 'Did you mean "sha256"?',
  });
  t.match(problem(shim('runtimeClass = { name = "x", priority = 1 }')), {
    code: 'unknown-key',
    where: where(2, 30),
    hint: 'Known keys here: name, handler, labels, overhead, scheduling.',
  });
});

t.test('a wrong type or a missing field is named with its place', async (t) => {
  const wrong: readonly (readonly [string, number, number, RegExp])[] = [
    [`name = 5\n${row('amd64')}`, 1, 1, /"name" must be a string, not a number/],
    [`name = "a"\nfetchStrategy = "x"`, 2, 1, /"fetchStrategy" must be a table, not a string/],
    [`name = "a"\nfetchStrategy = { type = 1 }`, 2, 19, /"fetchStrategy.type" must be a string/],
    [`name = "a"\n[fetchStrategy]\nplatforms = "x"`, 3, 1, /must be an array/],
    [`name = "a"\n[fetchStrategy]\nplatforms = ["x"]`, 3, 14, /platforms\[0\]" must be a table/],
    [`name = "a"\n[[fetchStrategy.platforms]]\nos = "linux"`, 2, 1, /platforms\[0\].arch" is missing/],
    [`name = "a"\n[[fetchStrategy.platforms]]\narch = "amd64"`, 2, 1, /platforms\[0\].os" is missing/],
    [
      `name = "a"\n[[fetchStrategy.platforms]]\nos = "linux"\narch = "amd64"`,
      2,
      1,
      /platforms\[0\].location" is missing/,
    ],
    [shim('containerdRuntimeOptions = "x"'), 2, 1, /must be a table, not a string/],
    [shim('podAnnotations = { a = "b" }'), 2, 1, /must be an array, not a table/],
    [shim('podAnnotations = ["ok", "not ok"]'), 2, 25, /an annotation key/],
    [shim('runtimeClass = { name = 1 }'), 2, 18, /"runtimeClass.name" must be a string/],
  ];
  for (const [text, line, column, message] of wrong)
    t.match(problem(text), { code: 'bad-value', message, where: where(line, column) }, text);
  t.match(problem(row('amd64')), { code: 'bad-value', message: '"name" is missing' });
  t.match(problem('name = "a"'), { code: 'bad-value', message: '"fetchStrategy" is missing' });
  t.match(problem(''), { code: 'bad-value', message: '"name" is missing', where: { file } });
});

t.test('invalid TOML is reported with its place', async (t) => {
  t.match(problem('name = "a"\nname = "b"'), { code: 'bad-toml', where: { file, line: 2 } });
  t.match(problem('name = '), { code: 'bad-toml', where: { file, line: 1 } });
  t.match(problem('apiVersion: runtime.spinkube.dev/v1alpha1'), {
    code: 'bad-toml',
    where: { file, line: 1 },
  });
});

t.test('the handler is the name, unless the runtimeClass has another one', async (t) => {
  t.equal(parse(shim('')).name, 'spin-v2');
  t.equal(parse(shim('runtimeClass = { name = "x" }')).name, 'spin-v2');
  t.match(parse(shim('runtimeClass = { handler = "spin" }', 'Spin_2.0')), { name: 'spin', shim: 'Spin_2.0' });
  t.equal(parse(shim('', 'a')).name, 'a');
  t.equal(parse(shim('', `a${'b'.repeat(61)}c`)).name.length, 63);
});

t.test('an invalid name of a handler is refused with its place', async (t) => {
  for (const name of ['Spin', 'spin_v2', 'spin.v2', 'spin-', 'a'.repeat(64)])
    t.match(problem(shim('', name)), {
      code: 'bad-value',
      message: /the handler name ".*" is not valid: a handler name has at most 63/,
      where: where(1, 1),
    });
  for (const handler of ['', '-spin', 'spin v2', 'spin\\nv2', 'spin]', 'späin'])
    t.match(problem(shim(`runtimeClass = { name = "x", handler = "${handler}" }`)), {
      code: 'bad-value',
      message: /is not valid/,
      where: where(2, 30),
    });
  for (const name of ['', '.hidden', '../spin', 'a/b', 'a b', 'x'.repeat(129)])
    t.match(problem(shim('', name)), { code: 'bad-value', message: /file name without folders/ });
});

t.test('names of the runtime and of other installers are reserved', async (t) => {
  for (const name of [
    'runc',
    'crun',
    'runsc',
    'default',
    'untrusted',
    'nvidia',
    'nvidia-cdi',
    'kata',
    'kata-qemu',
  ])
    t.match(problem(shim('', name)), { code: 'reserved-handler', where: where(1, 1) }, name);
  t.match(problem(shim('runtimeClass = { handler = "runc" }')), {
    code: 'reserved-handler',
    where: where(2, 18),
  });
  t.equal(problem(shim('', 'constructor')).code, 'reserved-handler', 'what every JavaScript object has');
  t.equal(parse(shim('', 'katana')).name, 'katana');
});

t.test('without a digest a shim is refused with the way out, unless the node trusts', async (t) => {
  const text = `name = "a"\n${row('amd64', '')}`;
  t.match(problem(text), {
    code: 'unpinned',
    message: `no sha256 is given for ${location}`,
    where: where(2, 1),
  });
  t.same(parse(text, { allowUnpinned: true }).artifact, { url: location });
  const plain = `name = "a"\n${row('amd64', '', 'http://example.com/a')}`;
  t.match(problem(plain, { allowUnpinned: true }), {
    code: 'unpinned',
    message: /http proves nothing/,
    hint: /curl -fsSL http:\/\/example.com\/a \| sha256sum.*whatever the settings allow/,
  });
  const loud = `name = "a"\n${row('amd64', '', 'HTTP://example.com/a')}`;
  t.match(problem(loud, { allowUnpinned: true }), { code: 'unpinned', message: /http proves nothing/ });
  const file = `name = "a"\n${row('amd64', '', 'FILE:///srv/a')}`;
  t.same(parse(file, { allowUnpinned: true }).artifact, { url: 'file:///srv/a' });
  t.equal(
    parse(`name = "a"\n${row('amd64', undefined, 'http://example.com/a')}`).artifact.url,
    'http://example.com/a',
    'with a digest the transport does not matter',
  );
});

t.test('an invalid digest is refused, with its place', async (t) => {
  for (const bad of ['sha256:', 'abc', `${sum}0`, 'g'.repeat(64), `md5:${sum}`])
    t.match(problem(`name = "a"\n${row('amd64', `sha256 = "${bad}"`)}`), {
      code: 'bad-value',
      message: /a sha256 has 64 hexadecimal digits/,
      where: where(6, 1),
    });
});

t.test('a missing entry for the architecture is reported, with the existing entries', async (t) => {
  const arm = `name = "a"\n${row('arm64')}`;
  t.match(problem(arm), {
    code: 'no-platform',
    message: /is for linux\/amd64, only for linux\/arm64$/,
    where: where(2, 1),
  });
  const windows = arm.replace('linux', 'windows').replace('arm64', 'amd64');
  t.match(problem(windows), { code: 'no-platform' });
  t.match(problem('name = "a"\n[fetchStrategy]\n'), { code: 'no-platform', where: where(2, 1) });
  t.match(problem('name = "a"\n[fetchStrategy]\nplatforms = []\n'), { code: 'no-platform' });
  for (const arch of ['riscv64', 's390x', 'ppc64le', 'amd46', 'constructor'])
    t.match(problem(`name = "a"\n${row(arch)}`), {
      code: 'no-platform',
      message: new RegExp(`is for linux/amd64, only for linux/${arch}$`),
    });
  t.match(problem(`name = "a"\n${row('x\\u001b[31m')}`), {
    code: 'bad-value',
    message: /the name of an operating system or an architecture is expected/,
    where: where(4, 1),
  });
  t.notMatch(problem(`name = "a"\n${row('x\\u001b[31m')}`).message, '\u001b');
});

t.test('locations are URLs of a known kind', async (t) => {
  const says = (url: string): Problem => problem(`name = "a"\n${row('amd64', undefined, url)}`);
  t.match(says('example.com/a'), { code: 'bad-value', message: /no absolute URL/, where: where(5, 1) });
  for (const odd of [' https://example.com/a', 'ht\\ntps://example.com/a'])
    t.match(says(odd), { code: 'bad-value', message: /no absolute URL/ }, odd);
  t.match(says('ftp://example.com/a'), { code: 'bad-value', message: /the scheme "ftp:"/ });
  t.match(says('file://host/a'), { code: 'bad-value', message: /write file:\/\/\/path/ });
  for (const bad of ['file:///a%2Fb', 'file:///a%00', 'file:///100%'])
    t.match(says(bad), { code: 'bad-value', message: /no path of a file/ }, bad);
  for (const good of ['file:///srv/my%20shim.tar.gz', 'https://[2001:db8::1]:8443/a'])
    t.equal(parse(`name = "a"\n${row('amd64', undefined, good)}`).artifact.url, good);
});

t.test('only hosts that the node allows may be asked, in every entry', async (t) => {
  const allowedHosts = ['Mirror.example', 'port.example:8443'];
  const from = (url: string) => `name = "a"\n${row('amd64', undefined, url)}`;
  t.match(problem(from(location), { allowedHosts }), {
    code: 'policy-denied',
    message: /"example.com" are not allowed on this node/,
    where: where(5, 1),
  });
  t.match(problem(from('https://mirror.example.evil.net/a'), { allowedHosts }), { code: 'policy-denied' });
  t.match(problem(from('https://mirror.example@evil.net/a'), { allowedHosts }), { code: 'policy-denied' });
  t.match(problem(from('https://port.example/a'), { allowedHosts }), { code: 'policy-denied' });
  t.match(problem(`${from('https://mirror.example/a')}${row('arm64')}`, { allowedHosts }), {
    code: 'policy-denied',
    where: where(10, 1),
  });
  for (const url of ['https://MIRROR.example:444/a', 'https://port.example:8443/a', 'file:///srv/a'])
    t.equal(parse(from(url), { allowedHosts }).artifact.url, url);
});

t.test('a string that is a boolean or an integer becomes one', async (t) => {
  const options =
    '{ A = "true", B = "false", C = "0", D = "-12", E = "123456789012345", F = true, G = 7, H = 9223372036854775807 }';
  t.same(parse(shim(`containerdRuntimeOptions = ${options}`)).options, {
    A: true,
    B: false,
    C: 0,
    D: -12,
    E: 123456789012345,
    F: true,
    G: 7,
    H: 9223372036854775807n,
  });
  const texts =
    '{ A = "True", B = "007", C = "-0", D = "1.5", E = "1234567890123456", F = "", G = " 1", H = "0x1" }';
  const expected = {
    A: 'True',
    B: '007',
    C: '-0',
    D: '1.5',
    E: '1234567890123456',
    F: '',
    G: ' 1',
    H: '0x1',
  };
  t.same(parse(shim(`containerdRuntimeOptions = ${texts}`)).options, expected, 'the rest stays text');
});

t.test('a file has floats and lists by type, and a string in it stays one', async (t) => {
  const given = '{ A = 1.5, B = [1, 2.5, "true"], C = [["a"]], D = "[1]", E = "1.5" }';
  const { options } = parse(shim(`containerdRuntimeOptions = ${given}`));
  t.same(options, { A: 1.5, B: [1, 2.5, 'true'], C: [['a']], D: '[1]', E: '1.5' });
  t.same(parseToml(printTable(['t'], options), 'x'), { t: options }, 'and so they are written');
});

t.test('options known to containerd keep their required type', async (t) => {
  const parsed = parse(
    shim(
      'containerdRuntimeOptions = { Root = "123", BinaryName = "true", IoUid = "0", NoPivotRoot = "true" }',
    ),
  );
  t.same(parsed.options, { Root: '123', BinaryName: 'true', IoUid: 0, NoPivotRoot: true });
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['SystemdCgroup = "True"', /"containerdRuntimeOptions.SystemdCgroup" must be true or false/],
    ['SystemdCgroup = "1"', /must be true or false/],
    ['SystemdCgroup = 1', /must be true or false/],
    ['Root = 123', /must be a string/],
    ['ConfigPath = true', /must be a string/],
    ['IoGid = "wheel"', /must be an integer/],
    ['IoGid = 1.5', /must be an integer/],
  ];
  for (const [one, message] of wrong)
    t.match(
      problem(shim(`containerdRuntimeOptions = { ${one} }`)),
      { code: 'bad-value', message, where: where(2, 30) },
      one,
    );
});

t.test('options that cannot be written into a configuration are refused', async (t) => {
  const says = (one: string) => problem(shim(`containerdRuntimeOptions = { ${one} }`));
  t.match(says('A = "x\\ny"'), { code: 'bad-value', message: /control character/, where: where(2, 30) });
  t.match(says('A = "\\u007f"'), { message: /control character/ });
  t.match(says('A = [{ B = 1 }]'), { message: /A\[0\]" must be a string, not a table/ });
  t.match(says('A = ["x\\ny"]'), { message: /control character/, where: where(2, 35) });
  t.match(says('A = { B = 1 }'), { message: /must be a string, not a table/ });
  t.match(says('A = 2024-01-01'), { message: /must be a string, not a date/ });
  t.match(says('A = nan'), { message: /must be a finite number/ });
  t.match(says('A = inf'), { message: /must be a finite number/ });
  for (const key of ['"a b"', '"a]"', '"a\\nb"', '""', `"${'k'.repeat(65)}"`])
    t.match(says(`${key} = 1`), { code: 'bad-value', message: /no name of an option/ }, key);
});

t.test('no option or annotation can end its quotes', async (t) => {
  const evil = 'x" }, BinaryName = "/bin/sh';
  const text = shim(
    `containerdRuntimeOptions = { A = '${evil}', B = 'a\\', __proto__ = "x", C = '"]}#' }\npodAnnotations = ["a.b/*", "[a-z]?"]`,
  );
  const { options, podAnnotations } = parse(text);
  t.same(Object.keys(options), ['A', 'B', '__proto__', 'C']);
  t.same(podAnnotations, ['a.b/*', '[a-z]?']);
  const printed = printTable(['t'], { options, pod_annotations: podAnnotations });
  t.same(parseToml(printed, 'x'), { t: { options, pod_annotations: podAnnotations } });
  for (const bad of ['a\\"b', 'a b', 'a\\nb', 'a#b', '', 'x'.repeat(254)])
    t.match(problem(shim(`containerAnnotations = ["${bad}"]`)), {
      code: 'bad-value',
      message: /annotation key/,
    });
});

t.test('addresses are printed without possible secrets', async (t) => {
  const secret = 'https://user:hunter2@example.com/a?token=hunter2';
  for (const [more, policy] of [
    ['', {}],
    [undefined, { allowedHosts: ['b'] }],
  ] as const)
    t.notMatch(JSON.stringify(problem(`name = "a"\n${row('amd64', more, secret)}`, policy)), /hunter2/);
});

const image = `registry.example.com:5000/team/spin@sha256:${sum}`;

t.test('an image or artifact of a registry is pinned by the digest in its name', async (t) => {
  const inRow = (url: string, more = '') => `name = "a"\n${row('amd64', more, url)}`;
  t.same(parse(inRow(`OCI://Registry.example.com:5000/team/spin:v1@sha256:${sum}`)).artifact, {
    url: `oci://registry.example.com:5000/team/spin:v1@sha256:${sum}`,
    sha256: sum,
  });
  const file = 'cd'.repeat(32);
  t.match(parse(inRow(`oci://${image}`, `sha256 = "sha256:${file}"`)).artifact, {
    sha256: sum,
    fileSha256: file,
  });
  t.same(parse(`name = "a"\n[fetchStrategy.oci]\nimage = "${image}"\npath = "/assets/spin"\n`).artifact, {
    url: `oci://${image}`,
    sha256: sum,
    path: '/assets/spin',
  });
  t.same(
    parse(inRow('oci://registry.example.com/a:v1', `sha256 = "${file}"`), { allowUnpinned: true }).artifact,
    { url: 'oci://registry.example.com/a:v1', fileSha256: file },
  );
  t.match(problem(inRow('oci://registry.example.com/a:v1', `sha256 = "${file}"`)), {
    code: 'unpinned',
    message: 'no digest is given in oci://registry.example.com/a:v1, and a tag may be moved',
    where: where(5, 1),
    hint: /skopeo inspect .* docker:\/\/registry\.example\.com\/a:v1 or oras resolve/,
  });
});

t.test('what is no reference, and a registry that is not allowed, are told where they stand', async (t) => {
  const of = (image: string, more = '') => `name = "a"\n[fetchStrategy.oci]\nimage = "${image}"\n${more}`;
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['spin:v1', /after oci:\/\/ comes the host of the registry/],
    ['team/spin', /the host of the registry in full, like registry\.example\.com/],
    ['https://registry.example.com/spin', /after oci:\/\/ comes the host/],
    ['user:secret@registry.example.com/spin', /after oci:\/\/ comes the host|credentials cannot stand in it/],
    ['registry.example.com/Spin', /lower-case letters/],
    ['registry.example.com/../spin', /lower-case letters/],
    ['registry.example.com/spin@sha256:abc', /sha256: and 64 hexadecimal digits/],
    [`registry.example.com/spin@sha512:${sum}`, /sha256: and 64 hexadecimal digits/],
    ['registry.example.com/spin?x=1', /lower-case letters/],
  ];
  for (const [text, message] of wrong) {
    const found = problem(of(text));
    t.match(found, { code: 'bad-value', message, where: where(3, 1), hint: /^Write it in full/ }, text);
    t.notMatch(found.message, /secret/);
  }
  for (const path of ['assets/spin', '/assets/../spin', '/assets/', '/', '/a/./b'])
    t.match(problem(of(image, `path = "${path}"`)), {
      code: 'bad-value',
      message: /the absolute path of a file in the image/,
    });
  t.match(problem(of(image, row('amd64'))), { message: /goes with neither "platforms" nor "anonHttp"/ });
  t.match(problem(of(image, 'sha256 = "x"')), { code: 'unknown-key' });
  t.match(problem(of(image), { allowedHosts: ['example.com'] }), {
    code: 'policy-denied',
    message: /the host "registry\.example\.com" are not allowed/,
  });
  t.equal(parse(of(image), { allowedHosts: ['registry.example.com:5000'] }).artifact.sha256, sum);
});
