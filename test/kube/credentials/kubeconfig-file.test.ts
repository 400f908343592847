import t from 'tap';
import { thrownProblem } from '../../../testbed/failure.ts';
import { parseKubeconfig } from '../../../kube/credentials/kubeconfig-file.ts';

const file = '/etc/kubernetes/kubelet.conf';

/** As kubeadm writes it, with other lines for its cluster and its user. */
const config = (cluster: string, user: string, more = ''): string => `apiVersion: v1
kind: Config
current-context: system:node:a@kubernetes
contexts:
- name: system:node:a@kubernetes
  context: {cluster: kubernetes, user: system:node:a}
clusters:
- name: other
  cluster: {server: "https://other"}
- name: kubernetes
  cluster:
${cluster.replace(/^/gm, '    ')}
users:
- name: system:node:a
  user:
${user.replace(/^/gm, '    ')}
${more}`;

const server = 'server: https://10.0.0.1:6443';
const token = 'token: abc';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

t.test('the certificate and CA of a kubelet are found, relative to the kubeconfig', async (t) => {
  const cluster = `${server}\ncertificate-authority: pki/ca.crt\ntls-server-name: kubernetes`;
  const user =
    'client-certificate: ../../var/lib/kubelet/current.pem\nclient-key: /var/lib/kubelet/current.pem';
  t.same(parseKubeconfig(config(cluster, user), file), {
    server: 'https://10.0.0.1:6443',
    serverName: 'kubernetes',
    ca: { kind: 'file', path: '/etc/kubernetes/pki/ca.crt' },
    user: {
      kind: 'certificate',
      cert: { kind: 'file', path: '/var/lib/kubelet/current.pem' },
      key: { kind: 'file', path: '/var/lib/kubelet/current.pem' },
    },
  });
});

t.test('inline data takes precedence over files', async (t) => {
  const cluster = `${server}\nproxy-url: http://proxy:3128\ncertificate-authority: /x\ncertificate-authority-data: ${base64('ca')}`;
  const user = `client-certificate-data: ${base64('cert')}\nclient-key-data: ${base64('key')}\ntoken: x`;
  t.same(parseKubeconfig(config(cluster, user), file), {
    server: 'https://10.0.0.1:6443',
    proxy: 'http://proxy:3128',
    ca: { kind: 'inline', text: 'ca' },
    user: {
      kind: 'certificate',
      cert: { kind: 'inline', text: 'cert' },
      key: { kind: 'inline', text: 'key' },
    },
  });
});

t.test('tokens are read inline, or from a file, which takes precedence', async (t) => {
  t.same(parseKubeconfig(config(server, token), file).user, {
    kind: 'token',
    token: { kind: 'inline', text: 'abc' },
  });
  t.same(parseKubeconfig(config(server, `${token}\ntokenFile: t`), file).user, {
    kind: 'token',
    token: { kind: 'file', path: '/etc/kubernetes/t' },
  });
});

const exec = (more: string): string =>
  `exec:\n  apiVersion: client.authentication.k8s.io/v1beta1\n${more.replace(/^/gm, '  ')}`;

t.test('a plugin has its arguments', async (t) => {
  const more =
    'command: bin/plugin\nargs: [token, -i, 5]\nenv: [{name: A, value: b}]\nprovideClusterInfo: true\ninteractiveMode: Never';
  t.same(parseKubeconfig(config(server, exec(more)), file).user, {
    kind: 'exec',
    plugin: {
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      command: '/etc/kubernetes/bin/plugin',
      args: ['token', '-i', '5'],
      env: { A: 'b' },
      provideClusterInfo: true,
    },
  });
  t.match(parseKubeconfig(config(server, exec('command: gke-plugin\nenv: null')), file).user, {
    plugin: { command: 'gke-plugin', args: [], env: {}, provideClusterInfo: false },
  });
});

t.test('a single context is used where none is chosen, and JSON is read as YAML', async (t) => {
  const value = {
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://a' } }],
    users: [{ name: 'u', user: { token: 'abc' } }],
  };
  t.equal(parseKubeconfig(JSON.stringify(value), file).server, 'https://a');
});

const refused = (text: string) => thrownProblem(() => parseKubeconfig(text, file));

t.test('an unusable entry is refused by name', async (t) => {
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    ['', /no kubeconfig/],
    ['[]', /no kubeconfig/],
    ['a: 1', /no current-context/],
    ['current-context: x', /no context called "x"/],
    [config(server, token).replace('cluster: kubernetes', 'cluster: none'), /no cluster called "none"/],
    [config(server, token).replace('user: system:node:a}', 'user: none}'), /no user called "none"/],
    [config(`${server}\ninsecure-skip-tls-verify: true`, token), /insecure-skip-tls-verify is not accepted/],
    [config('server: http://10.0.0.1', token), /no https address/],
    [config('server: [1]', token), /server is no text/],
    [config('certificate-authority: x', token), /no https address/],
    [config(`${server}\nproxy-url: socks5://x`, token), /proxy-url/],
    [config(server, 'client-certificate: x'), /no client-key/],
    [config(server, 'username: x\npassword: y'), /username is not supported/],
    [config(server, 'auth-provider: {name: gcp}'), /auth-provider is not supported/],
    [config(server, 'client-key: x'), /no credentials/],
    [config(server, exec('args: []')), /no command/],
    [config(server, exec('command: x\ninteractiveMode: Always')), /talk to a person/],
    [
      config(server, 'exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}'),
      /speaks client.*v1alpha1/,
    ],
    [config(server, 'exec: {command: x}'), /speaks no version/],
  ];
  for (const [text, message] of cases)
    t.match(refused(text), { code: 'bad-kubeconfig', message, where: { file } });
});

t.test('a file that is no YAML is named with its line, and nothing of it is shown', async (t) => {
  const problem = refused(config(server, 'token: "secret'));
  t.match(problem, {
    code: 'bad-kubeconfig',
    message: /^it is not YAML: [A-Z_]+$/,
    where: { line: /^\d+$/ },
  });
  t.notMatch(JSON.stringify(problem), /secret/);
});
