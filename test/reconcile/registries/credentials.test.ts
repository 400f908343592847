import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { credentialsFor } from '../../../daemon/reconcile/registries/credentials.ts';
import { makeTools } from '../../../host/exec.ts';
import type { Host } from '../../../host/host.ts';
import { hintOf, problemOf } from '../../../protocol/problem/problem.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const file = '/etc/rcm-node/registries.json';
const image = { host: 'a.example', repository: 'team/spin' };
const entry = (username: string, password = 'pässword:1') => ({
  auth: Buffer.from(`${username}:${password}`).toString('base64'),
});

/** The kubelet of this root, in its /proc. */
const writeKubelet = (root: string, argv: readonly string[]): void => {
  const at = join(root, 'proc/4242');
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'cmdline'), argv.map((word) => `${word}\0`).join(''));
  writeFileSync(join(at, 'environ'), 'FROM_KUBELET=yes\0HOME=/root\0');
  writeFileSync(join(at, 'status'), 'Uid:\t0\t0\t0\t0\n');
  writeFileSync(join(at, 'cgroup'), '0::/system.slice/kubelet.service\n');
  writeFileSync(join(at, 'stat'), '4242 (kubelet) S 1\n');
  symlinkSync(root, join(at, 'root'));
  symlinkSync('/', join(at, 'cwd'));
  symlinkSync('/usr/bin/kubelet', join(at, 'exe'));
};

const v1 = 'credentialprovider.kubelet.k8s.io/v1';
const yaml = (name = 'provider', more = '') => `apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: ${name}
    matchImages: ["*.example"]
    defaultCacheDuration: 1h
    apiVersion: ${v1}
    args: [--one, "two words"]
    env: [{ name: FROM_CONFIG, value: "1" }]
${more}`;

const answer = (cacheKeyType: string, more: object = {}) =>
  JSON.stringify({
    apiVersion: v1,
    kind: 'CredentialProviderResponse',
    cacheKeyType,
    auth: { '*.example': { username: 'token', password: 'hush' } },
    ...more,
  });

const setUp = (t: Test, argv?: readonly string[]) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  const { root, fake, write } = node;
  const configured = argv ?? [
    'kubelet',
    '--image-credential-provider-config=/etc/providers.yaml',
    '--image-credential-provider-bin-dir',
    '/opt/providers',
  ];
  writeKubelet(root, configured);
  const { systemd } = fake.host;
  if (!systemd) throw new Error('expected a service manager');
  const host: Host = {
    ...fake.host,
    tools: makeTools(),
    systemd: {
      ...systemd,
      unit: async (name) => ({
        ...(await systemd.unit(name)),
        ...(name === 'kubelet.service' ? { mainPid: 4242 } : {}),
      }),
    },
  };
  const ask = (one = image, credentials?: string, providers = true) =>
    credentialsFor(
      host,
      { registries: { credentials, providers } },
      { unit: fake.containerd.unit },
      one,
    ).catch(problemOf);
  /** Notes each call, its input, arguments and environment, and prints this. */
  const provider = (prints: string, last = '', name = 'provider') =>
    write(
      `/opt/providers/${name}`,
      `#!/bin/sh
{ cat; echo; printf '%s\\n' "$@" "$FROM_KUBELET" "$FROM_CONFIG" "$HOME"; } >> ${root}/asked
cat <<'END'
${prints}
END
${last}
`,
      0o755,
    );
  const asked = () => (node.read('/asked') ?? '').trim().split('\n');
  return { ...node, ask, provider, asked };
};

t.test(
  'the file of config.toml counts first, and the kubelet is asked for what it does not have',
  async (t) => {
    const { write, ask, provider, asked } = setUp(t);
    write(file, JSON.stringify({ auths: { 'a.example/team': entry('me') } }), 0o600);
    write('/etc/providers.yaml', yaml());
    provider(answer('Image'));
    t.same(await ask(image, file), { username: 'me', password: 'pässword:1' });
    t.same(asked(), [''], 'no provider was asked');
    t.same(await ask({ ...image, repository: 'x' }, file), {
      username: 'token',
      password: 'hush',
    });
    t.same(await ask({ host: 'b.test', repository: 'x' }, file), undefined, 'of neither');
    t.equal(await ask({ ...image, repository: 'x' }, file, false), undefined, 'providers = false');
  },
);

t.test(
  'a file that others can read or write is refused, and so is one that is missing or of programs',
  async (t) => {
    const { root, write, ask } = setUp(t);
    const text = JSON.stringify({ auths: { 'a.example': entry('me') } });
    const refused = async (mode: number): Promise<unknown> => {
      write(file, text, mode);
      return ask(image, file);
    };
    for (const mode of [0o640, 0o604, 0o644])
      t.match(await refused(mode), {
        code: 'registry-credentials',
        message: /others than root may read it/,
        where: { file },
      });
    t.match(await refused(0o660), { code: 'untrusted' });
    t.match(await refused(0o600), { username: 'me' });
    chmodSync(join(root, 'etc/rcm-node'), 0o777);
    t.match(await ask(image, file), { code: 'untrusted' }, 'its folder');
    t.match(await ask(image, '/etc/none.json'), {
      code: 'registry-credentials',
      where: { file: '/etc/none.json' },
    });
    write('/etc/x.json', JSON.stringify({ auths: {}, credsStore: 'pass' }), 0o600);
    t.match(await ask(image, '/etc/x.json'), {
      code: 'registry-credentials',
      message: /runs none for a file/,
    });
  },
);

t.test('a provider is asked as the kubelet asks it', async (t) => {
  const { write, ask, provider, asked } = setUp(t);
  write('/etc/providers.yaml', yaml());
  provider(answer('Image'));
  await ask();
  const [input = '', ...rest] = asked();
  t.same(JSON.parse(input), {
    apiVersion: v1,
    kind: 'CredentialProviderRequest',
    image: 'a.example/team/spin',
  });
  t.same(rest, ['--one', 'two words', 'yes', '1', '/root']);
});

t.test('an answer is kept for the image, the registry or everything, as long as it says', async (t) => {
  const calls = async (prints: string, wait = 0): Promise<number> => {
    const { write, ask, provider, asked, fake } = setUp(t);
    write('/etc/providers.yaml', yaml());
    provider(prints);
    await ask();
    fake.advance(wait);
    await ask();
    await ask({ ...image, repository: 'other' });
    await ask({ host: 'b.example', repository: 'x' });
    return asked().filter((line) => line.startsWith('{')).length;
  };
  t.equal(await calls(answer('Image')), 3);
  t.equal(await calls(answer('Registry')), 2);
  t.equal(await calls(answer('Global')), 1);
  t.equal(await calls(answer('Global', { cacheDuration: '0s' })), 4);
  t.equal(await calls(answer('Global', { cacheDuration: '5s' }), 6000), 2);
  t.equal(await calls(answer('Global'), 3_601_000), 2, 'the default of the configuration');
});

t.test('a failing provider is named, without its output', async (t) => {
  const { root, write, ask, provider } = setUp(t);
  const wrong = async (says: RegExp, code = 'registry-credentials'): Promise<void> => {
    const problem = await ask();
    t.match(problem, { code, message: says });
    t.notMatch(JSON.stringify(problem), /hush/);
    t.ok('code' in (problem ?? {}) && hintOf(problem as Parameters<typeof hintOf>[0]));
  };
  await wrong(/there is no such file/);
  write('/etc/providers.yaml', 'a: [hush');
  await wrong(/cannot be parsed as YAML/);
  write('/etc/providers.yaml', 'a: hush');
  await wrong(/no CredentialProviderConfig/);
  write('/etc/providers.yaml', yaml('../../bin/sh'));
  await wrong(/no name of a file/);
  write('/etc/providers.yaml', yaml());
  await wrong(/provider \/opt\/providers\/provider cannot be started: ENOENT/);
  provider('hush');
  await wrong(/gave no CredentialProviderResponse/);
  provider('hush', 'echo hush >&2; exit 7');
  await wrong(/failed with code 7/);
  provider('hush', 'kill -9 $$');
  await wrong(/was ended by SIGKILL/);
  provider(answer('Image'));
  chmodSync(join(root, 'opt/providers/provider'), 0o775);
  await wrong(/not only root can change it/, 'untrusted');
  chmodSync(join(root, 'opt/providers/provider'), 0o755);
  chmodSync(join(root, 'etc/providers.yaml'), 0o666);
  await wrong(/not only root can change it/, 'untrusted');
});

t.test('a kubelet without providers has none, whatever files exist', async (t) => {
  const { write, ask, provider } = setUp(t, ['kubelet']);
  write('/etc/providers.yaml', yaml());
  provider(answer('Image'));
  t.equal(await ask(), undefined);
});

t.test('for a kubelet inside its distribution, its usual files are read', async (t) => {
  const { root, write, fake } = setUp(t);
  const host = { ...fake.host, tools: makeTools() };
  const of = { distro: 'k3s', unit: fake.containerd.unit };
  const ask = () => credentialsFor(host, defaultSettings, of, image);
  t.equal(await ask(), undefined);
  write('/var/lib/rancher/credentialprovider/config.yaml', yaml());
  write(
    '/var/lib/rancher/credentialprovider/bin/provider',
    `#!/bin/sh\ncat > ${root}/asked\necho '${answer('Image')}'\n`,
    0o755,
  );
  t.match(await ask(), { username: 'token' });
});

t.test('of several providers the first with credentials is used', async (t) => {
  const { write, ask, provider } = setUp(t);
  const second = yaml('second').slice(yaml('second').indexOf('  - name'));
  write('/etc/providers.yaml', yaml('provider', second));
  provider(answer('Image', { auth: null }));
  provider(answer('Image', { auth: { 'a.example': { username: 'second', password: 'p' } } }), '', 'second');
  t.match(await ask(), { username: 'second' });
});

t.test('the configuration may be a folder, whose files are read in the order of their names', async (t) => {
  const { write, ask, provider } = setUp(t);
  write('/etc/providers.yaml/20-b.yml', yaml());
  write(
    '/etc/providers.yaml/10-a.json',
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1',
      kind: 'CredentialProviderConfig',
      providers: [],
    }),
  );
  write('/etc/providers.yaml/README', 'no configuration');
  provider(answer('Image'));
  t.match(await ask(), { username: 'token' });
  write('/etc/providers.yaml/15.yaml', 'a: b');
  t.match(await ask(), { code: 'registry-credentials', where: { file: '/etc/providers.yaml/15.yaml' } });
});
