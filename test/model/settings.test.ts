import t from 'tap';
import { problemOf } from '../../protocol/problem/problem.ts';
import { defaultSettings, parseSettings } from '../../daemon/model/settings.ts';

const file = '/etc/rcm-node/config.toml';
const parse = (text: string) => parseSettings(text, file);
const problem = (text: string) => {
  try {
    parse(text);
  } catch (error) {
    return problemOf(error);
  }
  throw new Error(`expected a Failure for ${text}`);
};

t.test('an empty file, and one of comments, is the defaults', async (t) => {
  t.same(parse(''), defaultSettings);
  t.same(parse('# nothing\n'), defaultSettings);
});

t.test('every setting can be set', async (t) => {
  t.same(
    parse(`
interval = 5
sweep = 60
allowUnpinned = true
allowedHosts = ["example.com", "192.0.2.1", "[2001:db8::1]", "example.com:8443"]
maxArtifactBytes = 1000
downloadTimeout = 10
idleTimeout = 11
attempts = 12
mirrors = [{ prefix = "https://github.com/", replace = "https://mirror.example/github/" }, { prefix = "oci://", replace = "oci://mirror.example" }]
extraCa = "/etc/ssl/extra.pem"
quiet = 0
stable = 7
repairsPerHour = 0
restartsPerHour = 60
verifyExcept = ["kata-qemu", "*"]
takeover = true
logLevel = "debug"
[proxy]
http = "http://user:secret@proxy:3128"
https = "http://proxy:3129"
no = "localhost,.internal"
[runtime]
unit = "snap.microk8s.daemon-containerd.service"
[registries]
credentials = "/etc/rcm-node/registries.json"
providers = false
`),
    {
      interval: 5,
      sweep: 60,
      allowUnpinned: true,
      allowedHosts: ['example.com', '192.0.2.1', '[2001:db8::1]', 'example.com:8443'],
      maxArtifactBytes: 1000,
      downloadTimeout: 10,
      idleTimeout: 11,
      attempts: 12,
      mirrors: [
        { prefix: 'https://github.com/', replace: 'https://mirror.example/github/' },
        { prefix: 'oci://', replace: 'oci://mirror.example' },
      ],
      signatures: [],
      proxy: { http: 'http://user:secret@proxy:3128', https: 'http://proxy:3129', no: 'localhost,.internal' },
      extraCa: '/etc/ssl/extra.pem',
      registries: { credentials: '/etc/rcm-node/registries.json', providers: false },
      unit: 'snap.microk8s.daemon-containerd.service',
      prepare: [],
      quiet: 0,
      stable: 7,
      repairsPerHour: 0,
      restartsPerHour: 60,
      verifyExcept: ['kata-qemu', '*'],
      takeover: true,
      logLevel: 'debug',
      cluster: defaultSettings.cluster,
      closed: false,
    },
  );
  t.same(parse('[proxy]\n[registries]\n[runtime]\n'), defaultSettings, 'empty tables change nothing');
});

t.test('an error is named with line and column, as a problem of the settings', async (t) => {
  const table: readonly (readonly [string, number, number, RegExp])[] = [
    ['interval = 4', 1, 1, /"interval" is 4, but must be from 5 to 86400/],
    ['interval = "60"', 1, 1, /must be an integer, not a string/],
    ['interval = 9223372036854775807', 1, 1, /must be from 5/],
    ['stable = 41', 1, 1, /from 1 to 40/],
    ['allowUnpinned = "yes"', 1, 1, /must be true or false/],
    ['allowedHosts = ["ok", "https://u:pw@no"]', 1, 23, /" is \(not shown\), but a host name is expected/],
    ['allowedHosts = "example.com"', 1, 1, /must be an array/],
    ['logLevel = "loud"', 1, 1, /"debug", "info"/],
    ['extraCa = "relative.pem"', 1, 1, /an absolute path/],
    ['\n[runtime]\nunit = "containerd"', 3, 1, /\.service unit/],
    ['[runtime]\nunit = "../x.service"', 2, 1, /\.service unit/],
    ['[[mirrors]]\nprefix = "https://a/"', 1, 1, /"mirrors\[0\]\.replace" is missing/],
    ['[[mirrors]]\nprefix = "ftp://a/"\nreplace = "https://b/"', 2, 1, /"mirrors\[0\]\.prefix": a URL with/],
    ['[[mirrors]]\nprefix = "ftp://"\nreplace = "https://b"', 2, 1, /a URL with https:, http:, file:, oci:/],
    ['[registries]\ncredentials = "registries.json"', 2, 1, /an absolute path/],
    ['[proxy]\nhttp = "proxy:3128"', 2, 1, /^"proxy\.http": a URL with/],
    ['[proxy]\nhttps = "http://["', 2, 1, /a URL with/],
  ];
  for (const [text, line, column, message] of table)
    t.match(problem(text), { code: 'bad-settings', message, where: { file, line, column } }, text);
});

t.test('a misspelt policy is an error and never a more permissive default', async (t) => {
  t.match(problem('allowedHost = ["example.com"]'), {
    code: 'unknown-key',
    hint: 'Did you mean "allowedHosts"?',
    where: { file, line: 1, column: 1 },
  });
  t.match(problem('interval = 60\ninterval ='), { code: 'bad-settings', where: { file, line: 2 } });
});

t.test('no message repeats a password', async (t) => {
  t.notMatch(JSON.stringify(problem('[proxy]\nhttp = "user:hunter2@proxy"')), /hunter2/);
});

t.test('the identity is that of the kubelet by default, and a misspelt one is an error', async (t) => {
  t.same(parse('').cluster, {
    identity: 'kubelet',
    kubeconfig: undefined,
    legacyLabels: false,
    spread: 300,
  });
  t.same(
    parse('[cluster]\nidentity = "serviceaccount"\nkubeconfig = "/etc/k/kubelet.conf"\nlegacyLabels = true\n')
      .cluster,
    { identity: 'serviceaccount', kubeconfig: '/etc/k/kubelet.conf', legacyLabels: true, spread: 300 },
  );
  t.match(problem('[cluster]\nidentity = "admin"\n'), { code: 'bad-settings', where: { file, line: 2 } });
  t.match(problem('[cluster]\nkubeconfig = "kubelet.conf"\n'), { where: { line: 2 } });
  t.equal(parse('[cluster]\nspread = 0\n').cluster.spread, 0, 'all at once is a choice');
  t.match(problem('[cluster]\nspread = -1\n'), { code: 'bad-settings', where: { line: 2 } });
  t.match(problem('[cluster]\nlabels = true\n'), { code: 'unknown-key', where: { line: 2 } });
});
