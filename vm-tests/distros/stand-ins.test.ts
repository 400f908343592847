/**
 * The stand-ins for supervisors of distributions where it takes systemd and containerd: they serve CRI in the layout of each, write the
 * configuration anew at each start, and end, kill and restart containerd as recorded. Every stop: rcm-node is not in it.
 */
import t, { type Test } from 'tap';
import { helloOciImage, importImage } from '../../testbed/artifacts/oci.ts';
import { bootDistroNode } from '../../testbed/distros/node.ts';
import { type Distro, distros } from '../../testbed/distros/rows.ts';
import { isRunning, runPod, waitForCri } from '../../testbed/node/pods.ts';
import { handlersOverCri, until } from '../../testbed/node/service.ts';
import type { TestNode } from '../../testbed/node/test-node.ts';

const progress = (line: string): void => t.comment(line);
const skip = process.getuid?.() === 0 ? false : 'a node needs root';

const show = async (node: TestNode, property: string): Promise<string> =>
  (await node.run(['systemctl', 'show', '--value', '-p', property, node.unit])).trim();
const containerd = async (node: TestNode): Promise<string> =>
  (await node.run(['pgrep', '-x', 'containerd'])).trim();
const exeOf = async (node: TestNode, pid: string): Promise<string> =>
  (await node.run(['readlink', `/proc/${pid}/exe`])).trim();

const restart = async (node: TestNode): Promise<void> => {
  await node.run(['systemctl', 'reset-failed', node.unit]);
  await node.run(['systemctl', 'restart', node.unit]);
  await waitForCri(node);
};

const booted = async (t: Test, distro: Distro): Promise<TestNode> => {
  const node = await bootDistroNode(distro, { progress });
  t.teardown(() => node.stop());
  return node;
};

/** What is the same for all: a Pod runs on while a restart writes the configuration anew. */
const writesAnew = async (t: Test, node: TestNode, distro: Distro): Promise<void> => {
  t.equal((await node.run(['systemctl', 'is-system-running'])).trim(), 'running');
  const image = await importImage(node, helloOciImage('wait'));
  const pod = await runPod(node, { handler: '', image, wait: 'running' });
  const [text, pid] = [await node.readFile(distro.config), await containerd(node)];
  await node.writeFile(distro.config, `${text}\n# changed by hand\n`);
  await restart(node);
  t.equal(await node.readFile(distro.config), text);
  t.not(await containerd(node), pid);
  t.ok(await isRunning(node, pod.containerId));
};

const version3 = (name: string): string =>
  `[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.${name}]\nruntime_type = "io.containerd.runc.v2"\n`;
const version2 = (name: string): string =>
  version3(name).replace("'io.containerd.cri.v1.runtime'", '"io.containerd.grpc.v1.cri"');
const k3sFolder = '/var/lib/rancher/k3s/agent/etc/containerd';
const always = ['runc', 'runhcs-wcow-process'];

for (const name of ['k3s', 'k3s-agent'] as const)
  t.test(`${name}: containerd is a child of the same executable`, { skip }, async (t) => {
    const node = await booted(t, distros[name]);
    t.same(await handlersOverCri(node), ['crun', ...always], 'crun is on PATH');
    const main = await show(node, 'MainPID');
    const pid = await containerd(node);
    t.equal(await exeOf(node, main), `${distros[name].bin}/k3s`);
    t.equal(await exeOf(node, pid), `${distros[name].bin}/k3s`);
    t.match(await node.readFile(`/proc/${pid}/cmdline`), `containerd\0-c\0${k3sFolder}/config.toml\0`);
    t.match(await node.readFile(`/proc/${pid}/stat`), new RegExp(`^${pid} \\(containerd\\) \\S+ ${main} `));
    await writesAnew(t, node, distros[name]);
  });

t.test('k3s ends when containerd ends, and is started again', { skip }, async (t) => {
  const node = await booted(t, distros.k3s);
  const main = await show(node, 'MainPID');
  await node.run(['kill', '-HUP', await containerd(node)]);
  await until(node, 'another k3s', async () => {
    const now = await show(node, 'MainPID');
    return now !== main && now !== '0' && (await show(node, 'ActiveState')) === 'active';
  });
  await waitForCri(node);
  t.equal(await show(node, 'NRestarts'), '1');
  await node.run(['kill', '-KILL', await show(node, 'MainPID')]);
  await until(node, 'no containerd', async () => (await node.exec(['pgrep', '-x', 'containerd'])).code === 1);
});

t.test(
  'k3s: a template adds a handler; one with a table of the base starts no containerd',
  { skip },
  async (t) => {
    const node = await booted(t, distros.k3s);
    const template = `${k3sFolder}/config-v3.toml.tmpl`;
    const base = '{{ template "base" . }}\n';
    await node.writeFile(template, base + version3('site'));
    await restart(node);
    t.same(await handlersOverCri(node), ['crun', ...always, 'site']);
    await node.writeFile(template, base + version3('runc'));
    await node.exec(['systemctl', 'restart', '--no-block', node.unit]);
    await until(node, 'a failed start', async () => (await show(node, 'SubState')) === 'auto-restart');
    t.match(
      await node.readFile('/var/lib/rancher/k3s/agent/containerd/containerd.log'),
      /table runc already exists|runc.*(defined|exists)/,
    );
    await node.run(['rm', template]);
    await restart(node);
    await node.writeFile(`${k3sFolder}/config.toml.tmpl`, base + version2('former'));
    await restart(node);
    t.ok(
      (await handlersOverCri(node)).includes('former'),
      'a template of version 2 alone is for a base of version 2',
    );
  },
);

t.test('k3s that merges imports drop-ins', { skip }, async (t) => {
  const node = await booted(t, distros['k3s, newest']);
  await node.writeFile(`${k3sFolder}/config-v3.toml.tmpl`, version3('site'));
  await node.writeFile(`${k3sFolder}/config-v3.toml.d/a.toml`, `version = 3\n${version3('a')}`);
  await restart(node);
  t.same(await handlersOverCri(node), ['a', 'crun', ...always, 'site']);
  await writesAnew(t, node, distros['k3s, newest']);
});

t.test('k3s with containerd 1.7', { skip }, async (t) => {
  const node = await booted(t, distros['k3s, former']);
  await node.writeFile(`${k3sFolder}/config-v3.toml.tmpl`, 'not read');
  await node.writeFile(`${k3sFolder}/config.toml.tmpl`, `{{ template "base" . }}\n${version2('site')}`);
  await restart(node);
  t.same(await handlersOverCri(node), [...always, 'site']);
  await writesAnew(t, node, distros['k3s, former']);
});

t.test('RKE2 has its own folder and the socket of k3s', { skip }, async (t) => {
  const node = await booted(t, distros.rke2);
  t.equal(await exeOf(node, await containerd(node)), `${distros.rke2.bin}/containerd`);
  t.same(await handlersOverCri(node), ['crun', ...always]);
  await writesAnew(t, node, distros.rke2);
});

for (const name of ['k0s', 'k0s, former'] as const)
  t.test(
    `${name}: a change of its folder starts another containerd, without a restart of the unit`,
    { skip },
    async (t) => {
      const node = await booted(t, distros[name]);
      const main = await show(node, 'MainPID');
      t.equal(await exeOf(node, await containerd(node)), '/var/lib/k0s/bin/containerd');
      await writesAnew(t, node, distros[name]);
      const [now, pid] = [await show(node, 'MainPID'), await containerd(node)];
      t.not(now, main);
      await node.writeFile('/etc/k0s/containerd.d/site.toml', version3('site'));
      await until(node, 'another containerd', async () => {
        const { stdout } = await node.exec(['pgrep', '-x', 'containerd']);
        return stdout.trim() !== '' && stdout.trim() !== pid;
      });
      await waitForCri(node);
      t.same(await handlersOverCri(node), ['runc', 'site']);
      t.equal(await show(node, 'MainPID'), now);
      t.equal(await show(node, 'NRestarts'), '0');

      await node.writeFile('/etc/k0s/containerd.d/site.toml', 'version = 2\n');
      await node.run(['systemctl', 'restart', node.unit]);
      await until(node, 'a failed start', async () => (await show(node, 'SubState')) === 'auto-restart');
      t.match(await node.run(['journalctl', '-b', '-u', node.unit, '-o', 'cat']), /expected 3, got 2/);
    },
  );

t.test('MicroK8s fills in a template and is containerd itself', { skip }, async (t) => {
  const node = await booted(t, distros.microk8s);
  t.equal(await show(node, 'MainPID'), await containerd(node));
  t.equal(await exeOf(node, await containerd(node)), '/snap/microk8s/6089/bin/containerd');
  const template = '/var/snap/microk8s/current/args/containerd-template.toml';
  await node.writeFile(template, `${await node.readFile(template)}\n${version2('site')}`);
  await restart(node);
  t.same(await handlersOverCri(node), ['runc', 'site']);
  await writesAnew(t, node, distros.microk8s);
});
