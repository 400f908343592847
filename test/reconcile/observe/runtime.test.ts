import { chmodSync } from 'node:fs';
import { join } from 'node:path';
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

t.test('the file of the unit’s environment says where the configuration is', async (t) => {
  const { containerd, look, write } = setUp(t);
  const execStart = ['/usr/bin/containerd', '$OPTS'];
  containerd.unit = { ...containerd.unit, execStart, environmentFiles: ['-/etc/default/containerd'] };
  t.match(await look(), { name: 'containerd', configPath: '/etc/containerd/config.toml' });
  write('/etc/default/containerd', 'OPTS="-c /etc/other.toml"\n');
  t.match(await look(), { configPath: '/etc/other.toml' });
});

t.test('one that others can write says nothing, and nothing is done', async (t) => {
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
