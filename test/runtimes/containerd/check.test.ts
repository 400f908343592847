import t from 'tap';
import { parseConfig, configFile } from '../../../daemon/runtimes/parsed.ts';
import { type Expectation, faultOf, verdict } from '../../../daemon/runtimes/containerd/check.ts';
import type { DumpFact } from '../../../daemon/runtimes/facts.ts';
import type { Problem } from '../../../protocol/problem/problem.ts';
import { regular, runtime } from '../../../testbed/simulated/bare-host.ts';

const main = '/etc/containerd/config.toml';
const cri = 'plugins."io.containerd.cri.v1.runtime"';
const spin = { runtime_type: '/opt/spin', options: { Level: 3 } };
const ours: Expectation = { tables: new Map([['spin', spin]]), ours: new Set(['spin', 'old']) };

const parsed = (files: Readonly<Record<string, string>>) =>
  parseConfig(Object.entries(files).map(([path, text]) => configFile(path, regular(text))));
const dumped = (text: string): DumpFact => ({ kind: 'dumped', text });
const dump = (more = '', top = ''): string =>
  `version = 3\nimports = ["${more.length}"]\n${top}\n[${cri}.containerd]\ndefault_runtime_name = "runc"\n[${cri}.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n${more}`;
const handler = (name: string, lines = 'runtime_type = "/opt/spin"\noptions = { Level = 3 }\n'): string =>
  `[${cri}.containerd.runtimes.${name}]\n${lines}`;
const judge = (
  before: DumpFact,
  after: DumpFact,
  files: Readonly<Record<string, string>> = { [main]: 'version = 3\n' },
  expected = ours,
): Problem | undefined => verdict({ id: 'x', before, after }, expected, parsed(files), main);

t.test('a configuration that differs by our handlers only may be written', async (t) => {
  const plain = dump();
  t.equal(judge(dumped(plain), dumped(dump(handler('spin')))), undefined);
  t.equal(
    judge(dumped(dump(handler('old'))), dumped(dump(handler('spin')))),
    undefined,
    'one of ours may go',
  );
  t.equal(
    judge(
      dumped(plain),
      dumped(
        dump(
          handler(
            'spin',
            'runtime_type = "/opt/spin"\npod_annotations = []\nsnapshotter = ""\nsandboxer = "podsandbox"\n[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.spin.options]\nLevel = 3\nRoot = ""\n',
          ),
        ),
      ),
    ),
    undefined,
    'what the decoder adds is no difference',
  );
  t.equal(judge({ kind: 'impossible', why: 'x' }, { kind: 'impossible', why: 'x' }), undefined);
});

t.test('any other difference is refused with its key, and its value is for root', async (t) => {
  const changes: readonly (readonly [what: string, after: string, message: RegExp, detail?: string])[] = [
    [
      'a foreign handler goes',
      dump(handler('spin')).replace('runtimes.runc', 'runtimes.runc2'),
      /default handler/,
    ],
    ['a setting changes', dump(handler('spin'), 'oom_score = -999'), /oom_score$/, 'from nothing to -999'],
    [
      'a foreign handler changes',
      dump(handler('spin')).replace('"io.containerd.runc.v2"', '"io.containerd.runc.v1"'),
      /runtimes\.runc\.runtime_type$/,
      'from "io.containerd.runc.v2" to "io.containerd.runc.v1"',
    ],
    ['a foreign handler comes', dump(handler('spin') + handler('other')), /runtimes\.other$/],
    ['a list changes', dump(handler('spin'), 'disabled_plugins = ["x"]'), /disabled_plugins/],
  ];
  for (const [what, after, message, detail] of changes)
    t.match(
      judge(dumped(dump()), dumped(after)),
      { message, ...(detail === undefined ? {} : { detail }) },
      what,
    );
  const long = judge(dumped(dump()), dumped(dump(handler('spin'), `x = "${'y'.repeat(500)}"`)));
  t.ok((long?.detail?.length ?? 0) < 300);
});

t.test('a refusal does not repeat a possible secret of others', async (t) => {
  const registry =
    '\n[plugins."io.containerd.grpc.v1.cri".registry.configs."r.io".auth]\npassword = "hunter2"\n';
  for (const lost of [registry, '\n[proxy]\naddress = "https://me:hunter2@proxy"\n']) {
    const problem = judge(dumped(dump(lost)), dumped(dump(handler('spin'))));
    t.match(problem, {
      code: 'would-change-others',
      message: /would change /,
      detail: /^from .*"….* to nothing$/,
    });
    t.notMatch(JSON.stringify(problem), /hunter2/);
  }
  const named = dump(`${handler('spin')}\n[registry."https://me:hunter2@r.io"]\na = 1\n`);
  const keyed = judge(dumped(named), dumped(named.replace('a = 1', 'a = 2')));
  t.equal(keyed?.message, 'the new configuration would change registry."…".a');
});

t.test('a foreign version or default handler is repeated only if it is a plain word', async (t) => {
  const odd = judge(
    dumped(dump()),
    { kind: 'failed', why: 'x' },
    { '/a': 'version = 2', '/b': 'version = {}' },
  );
  t.match(odd, {
    code: 'version-mix',
    message: /^it declares a version that is no number while \/a declares 2;/,
  });
});

t.test('zero and absent are equal within a handler, and nowhere else', async (t) => {
  const runc = (lines: string): string => dump(lines + handler('spin'));
  t.equal(judge(dumped(dump()), dumped(runc('base_runtime_spec = ""\ncni_max_conf_num = 0\n'))), undefined);
  t.match(judge(dumped(dump()), dumped(dump(handler('spin'), 'oom_score = 0'))), {
    code: 'would-change-others',
  });
});

t.test('a lost default handler is named with the line that asks for it', async (t) => {
  const after = dump(handler('spin')).replace('= "runc"', '= "nvidia"');
  const files = { [main]: `version = 3\n\n[${cri}.containerd]\ndefault_runtime_name = "nvidia"\n` };
  const before = dump(`${handler('nvidia')}`).replace('= "runc"', '= "nvidia"');
  t.match(judge(dumped(before), dumped(after), files), {
    code: 'default-handler-lost',
    message: /would lose/,
    where: { file: main, line: 4 },
  });
  t.match(judge(dumped(after), dumped(after), files), { message: /is not defined/ });
});

t.test('a refusal of a hidden handler names the file that hides it', async (t) => {
  const frozen = '/etc/containerd/conf.d/99-frozen.toml';
  const files = {
    [main]: 'version = 3\n',
    [frozen]: `version = 3\n${handler('spin', 'runtime_type = "/other"\n')}`,
  };
  t.match(judge(dumped(dump()), dumped(dump(handler('spin', 'runtime_type = "/other"\n'))), files), {
    code: 'shadowed',
    handler: 'spin',
    message: /override/,
    where: { file: frozen, line: 2 },
  });
  t.match(judge(dumped(dump()), dumped(dump())), {
    code: 'shadowed',
    message: /not see/,
    where: { file: main },
  });
  const table = { [main]: 'version = 3\n', [frozen]: `version = 3\n\n[${cri}]\nx = 1\n` };
  t.match(judge(dumped(dump()), dumped(dump()), table), { where: { file: frozen, line: 3 } });
});

t.test('files of several versions are named before their consequences', async (t) => {
  const odd = '/etc/containerd/conf.d/50-odd.toml';
  const files = { [main]: 'version = 2\n', [odd]: '# x\nversion = 3\n' };
  const wanted = { code: 'version-mix', where: { file: odd, line: 2 } };
  const failed: DumpFact = { kind: 'failed', why: 'x' };
  t.match(judge(dumped(dump()), dumped(dump()), files), wanted);
  t.match(judge(dumped(dump()), dumped(dump(handler('spin'), 'oom_score = 1')), files), wanted);
  t.match(judge(dumped(dump()), failed, files), wanted);
  t.match(judge(failed, failed, files), wanted);
  t.equal(
    judge(dumped(dump()), dumped(dump(handler('spin'))), files),
    undefined,
    'without one they are no obstacle',
  );
});

t.test('a refusal of the parser is quoted, for the present or the new file', async (t) => {
  const failed: DumpFact = { kind: 'failed', why: 'line 3: bad' };
  t.match(judge(failed, failed), { code: 'broken-config', message: /present.*line 3: bad/ });
  t.match(judge(dumped(dump()), failed), { code: 'would-change-others', message: /new.*line 3: bad/ });
});

t.test('a large 64-bit number is the same in the dump', async (t) => {
  const expected: Expectation = {
    tables: new Map([['spin', { runtime_type: '/x', n: 7n }]]),
    ours: new Set(['spin']),
  };
  const after = dump(handler('spin', 'runtime_type = "/x"\nn = 7\n'));
  t.equal(judge(dumped(dump()), dumped(after), undefined, expected), undefined);
});

t.test('an invalid present configuration is found without running the runtime’s parser', async (t) => {
  const files = parsed({
    [main]: 'imports = ["/gone.toml"]\n',
    '/b.toml': 'disabled_plugins = [\n "x",\n "io.containerd.grpc.v1.cri"]\n',
  });
  t.match(faultOf({ ...runtime, dangling: [{ from: main, path: '/gone.toml' }] }, files, []), {
    code: 'dangling-import',
    message: /gone/,
    where: { file: main, line: 1 },
  });
  t.match(faultOf(runtime, files, []), { code: 'cri-disabled', where: { file: '/b.toml', line: 3 } });
  t.equal(
    faultOf(runtime, parsed({ [main]: 'disabled_plugins = ["io.containerd.snapshotter.v1.aufs"]' }), []),
    undefined,
  );
});

t.test('a handler in the table of another version is named with its file', async (t) => {
  const odd = '/etc/containerd/conf.d/50-nvidia.toml';
  const v2 = 'plugins."io.containerd.grpc.v1.cri"';
  const files = {
    [main]: `version = 2\n[${v2}.containerd.runtimes.runc]\nruntime_type = "x"\n`,
    [odd]: `[${cri}.containerd.runtimes.nvidia]\nruntime_type = "x"\n`,
  };
  const lost = dump(handler('spin')).replace('runtimes.runc', 'runtimes.nvidia');
  for (const after of [lost, dump()])
    t.match(judge(dumped(dump()), dumped(after), files), {
      code: 'version-mix',
      message:
        /below plugins."io.containerd.cri.v1.runtime".* handlers stand below plugins."io.containerd.grpc.v1.cri"/,
      where: { file: odd, line: 1 },
    });
  t.equal(judge(dumped(dump()), dumped(dump(handler('spin'))), files), undefined, 'where it does no harm');
});

t.test(
  'a default handler that no file names was replaced by the last file that defines others',
  async (t) => {
    const late = '/etc/containerd/conf.d/50-late.toml';
    const files = {
      [main]: `version = 3\n[${cri}.containerd.runtimes.runc]\nruntime_type = "x"\n`,
      [late]: `version = 3\n\n[${cri}.containerd.runtimes.other]\nruntime_type = "x"\n`,
    };
    const lost = dump(handler('spin')).replace('runtimes.runc', 'runtimes.other');
    t.match(judge(dumped(dump()), dumped(lost), files), {
      code: 'default-handler-lost',
      where: { file: late, line: 3 },
    });
  },
);
