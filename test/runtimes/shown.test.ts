import { parse } from 'smol-toml';
import t from 'tap';
import { plain } from '../../daemon/runtimes/containerd/plain.ts';
import { shownChange as shownChangeOf } from '../../daemon/runtimes/shown.ts';
import { forRandomDocuments } from '../model/random-toml.ts';

const shownChange = (before: string, after: string) => shownChangeOf(before, after, plain);
const shown = (text: string): string => shownChange(text, text).before;
const registry = 'plugins."io.containerd.grpc.v1.cri".registry';

t.test('possible secrets are masked, in every layout of TOML', async (t) => {
  const layouts = {
    'a table': `[${registry}.configs."registry.example".auth]\nusername = "hunter2"\npassword = 'hunter2'\n`,
    'an inline table': `[plugins]\n"x" = { registry = { auth = { password = "hunter2", id = "hunter2" } } }\n`,
    'dotted keys': `${registry}.configs."r".auth.identitytoken = "hunter2"\n`,
    'strings over several lines': `[x]\na = """\nhunter2\n  hunter2"""\nb = '''\n{"auths":{"r":{"auth":"hunter2"}}}\n'''\n`,
    'a list': '[x.header]\nAuthorization = ["Basic hunter2", \'hunter2\']\n',
    'a list over several lines': '[x]\na = [\n  "hunter2", # hunter2\n  "hunter2",\n]\n',
    'an address': '[x]\nendpoint = ["https://u:hunter2@mirror.example/v2?sig=hunter2"]\n',
    'a key that is an address': '[x."https://u:hunter2@r.example"]\n"hunter2 = hunter2" = true\n',
    'a key of an inline table': 'x = { "https://u:hunter2@r" = { "a hunter2" = true } }\n',
    'a list of tables': '[[x]]\npassword = "hunter2"\n[[x]]\ntoken = "hunter2"\n',
    'tables in a list': 'x = [{ token = "hunter2" }, [{ "u:hunter2 @" = true }]]\n',
    comments: '# password = "hunter2"\n[x] # hunter2\na = true # hunter2\n#hunter2\n',
    'a number': '[x]\npin = 4711\ndate = 1979-05-27\n',
    'line breaks of Windows': '[x]\r\na = "hunter2"\r\nb = """\r\nhunter2\r\n"""\r\n',
    'no line break at the end': '[x]\npassword = "hunter2"',
    'a key that is known elsewhere': `[${registry}]\nruntime_type = "hunter2"\n[x]\nversion = "hunter2"\n`,
    'no TOML at all': 'password = hunter2\n[[[ hunter2\n\nhunter2',
    'a string that does not end': 'a = true\npassword = "hunter2\nb = "hunter2"\n',
  };
  for (const [name, text] of Object.entries(layouts)) {
    const said = shown(text);
    t.notMatch(said, /hunter2|4711|1979/, name);
    t.match(said, '…', name);
    t.equal(said.split('\n').length, text.split('\n').length, `${name}: the lines of the file`);
  }
});

t.test('values without secrets stay readable', async (t) => {
  const text = `version = 2
imports = ["/etc/containerd/conf.d/*rcm-node.toml"] # added by rcm-node
disabled_plugins = []
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
options = { BinaryName = "/usr/bin/nvidia-container-runtime", SystemdCgroup = true }
# rcm-node begin
# rcm-node end
`;
  t.equal(shown(text), text);
});

const table = (name: string, ...rows: readonly string[]): string =>
  `[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.${name}]\n${rows.map((row) => `${row}\n`).join('')}`;

t.test('an addition to a handler is ours; what was there is not, wherever it is moved', async (t) => {
  const foreign = table('nvidia', 'runtime_type = "x"', '[x]', 'token = "hunter2"');
  const ours = table('spin', 'runtime_type = "/opt/spin"', 'options = { mode = "fast" }');
  const added = shownChange(foreign, `${foreign}${ours}`);
  t.match(added.after, 'mode = "fast"');
  t.notMatch(added.after, 'hunter2');
  const taken = shownChange(
    table('runc', 'options = { Socket = "hunter2" }'),
    `${table('runc', 'options = { Socket = "hunter2" }')}${table('crun', "options = { Socket = 'hunter2' }")}`,
  );
  t.notMatch(taken.after, 'hunter2', 'a value that is taken over from the default handler');
  const gone = shownChange(table('spin', 'runtime_type = "/opt/spin"', 'token = "hunter2"'), ours);
  t.notMatch(`${gone.before}${gone.after}`, 'hunter2', 'what another program wrote into our table');
});

t.test('no value, comment or odd key of a random document is shown', async (t) => {
  let count = 0;
  const strings = (value: unknown): readonly string[] => {
    if (typeof value === 'string') return [value];
    if (typeof value !== 'object' || value === null || value instanceof Date) return [];
    return Object.values(value).flatMap(strings);
  };
  forRandomDocuments(400, ({ text }) => {
    const said = shown(text);
    if (said.split('\n').length !== text.split('\n').length) throw new Error('other lines');
    const { imports: _imports, version: _version, ...doc } = parse(text, { integersAsBigInt: 'asNeeded' });
    const secrets = [
      ...strings(doc).flatMap((value) => value.split(/[\r\n]+/)),
      ...['a remark', '0xdead_BEEF', '1979-05-27', '6.626e-34', '9223372036854775807', 'not.a.table'],
    ].filter((one) => one.trim().length > 4 && !one.includes('rcm-node') && !/^imports = /.test(one));
    for (const secret of secrets) {
      count += 1;
      if (said.includes(secret)) throw new Error(`${JSON.stringify(secret)} is in ${JSON.stringify(said)}`);
    }
  });
  t.ok(count > 1000, `${count} texts were looked for`);
});

t.test('a value that is taken over is recognised, however it was written before', async (t) => {
  for (const [was, is] of [
    ["'a\\hunter2'", '"a\\\\hunter2"'],
    ['"""\nhunter2"""', '"hunter2"'],
    ['"\\u0068unter2"', '"hunter2"'],
    ['["PW=\\u0068unter2"]', '["PW=hunter2"]'],
    ['0x1267', '4711'],
  ] as const) {
    const foreign = table('runc', `options = { Socket = ${was} }`);
    const { after } = shownChange(foreign, `${foreign}${table('crun', `options = { Socket = ${is} }`)}`);
    t.notMatch(after, /hunter2|4711/, was);
  }
});

t.test('a known key shows nothing of deeper or other values, or of an address', async (t) => {
  for (const text of [
    'imports = { a = "hunter2" }\n',
    '[root]\npassword = "hunter2"\n',
    'imports = ["https://u:hunter2@r.example/x"]\n',
    '[plugins.x.headers]\ndefault_runtime_name = "hunter2"\n',
    table('runc', 'runtime_type = "x"', 'env = { Root = "hunter2" }'),
    '[x]\n"ghp_16C7e42F292c6912E7710c838347Ae17hunter2" = 1\n',
  ])
    t.notMatch(shown(text), 'hunter2', text);
});

t.test('only our block of a template is shown', async (t) => {
  const theirs = '{{ template "base" . }}\n[x]\npassword = "{{ .hunter2 }}"\n';
  const block = `# rcm-node begin\n${table('spin', 'runtime_type = "/opt/rcm-node/x"', 'options = { token = "hunter2" }')}# rcm-node end\n`;
  const { before, after } = shownChange(theirs, theirs + block);
  t.equal(before, '{{ template "base" . }}\n…\n…\n');
  t.match(after, /^\{\{ template "base" \. \}\}\n…\n…\n# rcm-node begin\n\[plugins/);
  t.match(after, 'runtime_type = "/opt/rcm-node/x"');
  t.match(after, /# rcm-node end\n$/);
  t.notMatch(after, 'hunter2');
  t.notMatch(shown(`a = {{\n# rcm-node begin\nhunter2\n# rcm-node end\n`), 'hunter2');
});
