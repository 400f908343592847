import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { observeRuntime } from '../../../daemon/reconcile/observe/runtime.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const setUp = (t: Test) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  node.write('/etc/containerd/config.toml', 'version = 3\n');
  const { containerd, host } = node.fake;
  return { ...node, containerd, look: () => observeRuntime(host, defaultSettings) };
};

t.test('the environment file of the unit names the configuration', async (t) => {
  const { containerd, look, write } = setUp(t);
  const execStart = ['/usr/bin/containerd', '$OPTS'];
  containerd.unit = { ...containerd.unit, execStart, environmentFiles: ['-/etc/default/containerd'] };
  t.match(await look(), { name: 'containerd', configPath: '/etc/containerd/config.toml' });
  write('/etc/default/containerd', 'OPTS="-c /etc/other.toml"\n');
  t.match(await look(), { configPath: '/etc/other.toml' });
});

t.test('an environment file that others can write is not used, and nothing is done', async (t) => {
  const { containerd, look, write } = setUp(t);
  containerd.unit = { ...containerd.unit, environmentFiles: ['/etc/default/containerd'] };
  write('/etc/default/containerd', 'CONTAINERD_CONFIG=/home/mallory/x.toml\n', 0o666);
  t.match(await look(), {
    name: 'none',
    problem: { code: 'untrusted', where: { file: '/etc/default/containerd' } },
  });
});

t.test('a program that others can write is not run as root', async (t) => {
  const { look, root, fake } = setUp(t);
  t.match(await look(), { binary: '/usr/bin/containerd' });
  chmodSync(join(root, 'usr/bin/containerd'), 0o777);
  const { dumps } = fake.containerd;
  t.match(await look(), {
    name: 'none',
    problem: { code: 'untrusted', where: { file: '/usr/bin/containerd' } },
  });
  t.equal(fake.containerd.dumps, dumps);
});

t.test('a containerd of k3s is read with the folder that its rendered file imports', async (t) => {
  const root = makeRoot(t);
  const folder = '/var/lib/rancher/k3s/agent/etc/containerd';
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put('/etc/systemd/system/k3s-agent.service', '[Service]\nExecStart=/usr/local/bin/k3s agent\n');
  const imports = `imports = ["${folder}/config-v3.toml.d/*.toml"]`;
  const socket = '/run/k3s/containerd/containerd.sock';
  put(`${folder}/config.toml`, `version = 3\n${imports}\n\n[grpc]\naddress = "${socket}"\n`);
  const binary = '/var/lib/rancher/k3s/data/abc/bin/containerd';
  const { fake } = openNode(root, {
    version: '2.1.4',
    unit: 'k3s-agent.service',
    execStart: ['/usr/local/bin/k3s', 'agent'],
    child: [binary, '-c', `${folder}/config.toml`],
  });
  const look = () => observeRuntime(fake.host, defaultSettings);
  t.match(await look(), {
    name: 'containerd',
    distro: 'k3s',
    binary,
    socket,
    configPath: `${folder}/config.toml`,
    place: { kind: 'folder', folder: `${folder}/config-v3.toml.d`, readBy: 'runtime' },
    unit: { name: 'k3s-agent.service' },
    cri: { kind: 'answers' },
  });
  put(`${folder}/config.toml`, '');
  rmSync(join(root, `${folder}/config.toml`));
  const missing = (code: string) => ({ name: 'none', problem: { code, hint: /Start it once/ } });
  t.match(await look(), missing('runtime-unreachable'), 'it runs, so it is not gone');
  fake.containerd.unit = { ...fake.containerd.unit, active: 'inactive', mainPid: 0 };
  t.match(await look(), missing('no-runtime'));
});

t.test('an unsupported host is reported, whatever runs on it', async (t) => {
  const root = makeRoot(t);
  writeFileSync(join(root, 'etc/os-release'), 'ID=bottlerocket\n');
  const { fake } = openNode(root, { version: '1.7.24' });
  t.match(await observeRuntime(fake.host, defaultSettings), {
    name: 'none',
    problem: { code: 'unsupported-host', message: /^this is Bottlerocket: / },
  });
});
