/**
 * A local user of the node, with no right but to log in, tries to choose what rcm-node runs as root: by a process that
 * looks like the kubelet, and by files that root left open to others.
 */
import t from 'tap';
import type { Report } from '../daemon/model/outcome.ts';
import {
  bootWithRcmNode,
  handlersOverCri,
  journalOf,
  rcmNode,
  until,
  untilReport,
  untilServing,
  writeShim,
  shimFilePath,
} from '../testbed/node/service.ts';
import type { TestNode } from '../testbed/node/test-node.ts';
import { makeStandInShim } from '../testbed/artifacts/shim.ts';

const progress = (line: string): void => t.comment(line);

const home = '/home/mallory';
/** What only root can make there. */
const marker = '/run/made-by-the-plugin';

/** No API server listens there: what counts is whether the plugin is run on the way to it. */
const kubeconfig = (plugin: string): string => `apiVersion: v1
kind: Config
current-context: x
contexts: [{ name: x, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { server: 'https://127.0.0.1:1' } }]
users:
- name: u
  user:
    exec: { apiVersion: client.authentication.k8s.io/v1, command: ${plugin}, interactiveMode: Never }
`;
const plugin = `#!/bin/sh\nid -u > ${marker}\n`;

const asMallory = (node: TestNode, script: string): Promise<string> =>
  node.run(['setpriv', '--reuid=mallory', '--regid=mallory', '--clear-groups', 'sh', '-c', script]);

const wasRun = async (node: TestNode): Promise<boolean> =>
  (await node.exec(['test', '-e', marker])).code === 0;

/** The process that an attack left; 0: there is none yet. */
const kubeletOf = async (node: TestNode, uids: string): Promise<string | undefined> =>
  (
    await node.run([
      'sh',
      '-c',
      `for p in $(pgrep -f '^kubelet -w'); do grep -qP '^Uid:\\t${uids}$' /proc/$p/status && echo $p; done; :`,
    ])
  ).trim() || undefined;

const troubleOf = ({ cluster }: Report): string => cluster?.problem?.message ?? '';

t.test('a local user of the node', async (t) => {
  const shim = await makeStandInShim('trixie', '1', progress);
  const node = await bootWithRcmNode('trixie', { progress });
  t.teardown(() => node.stop());
  await node.run(['useradd', '--create-home', '--shell', '/bin/bash', 'mallory']);
  await node.run(['chpasswd'], { input: 'mallory:secret\n' });

  await t.test('a setuid program with the name kubelet gives no kubeconfig', async (t) => {
    await asMallory(
      node,
      `cd ${home} && cat > ./-h <<'END'\n${kubeconfig(`${home}/plugin`)}END\ncat > plugin <<'END'\n${plugin}END\nchmod 755 plugin`,
    );
    // While an admin edits with vipw, chfn waits for 15 seconds, and is root by then.
    await node.run(['systemd-run', '--unit=admin', '-E', "EDITOR=sh -c 'sleep 300'", 'vipw']);
    await until(node, 'the accounts locked', async () => {
      return (await node.exec(['test', '-e', '/etc/passwd.edit'])).code === 0;
    });
    // In a service of the system, where jobs of cron and at are, too.
    await node.run([
      ...['systemd-run', '--unit=job', '-p', 'User=mallory', '-p', `WorkingDirectory=${home}`],
      ...['bash', '-c', 'while :; do echo secret | (exec -a kubelet chfn -w --kubeconfig -h 1); done'],
    ]);
    await until(node, 'chfn is root', () => kubeletOf(node, '0\\t0\\t0\\t0'));
    await node.run(['systemctl', 'start', 'rcm-node']);
    const why = /process \d+ looks like a kubelet and is not accepted: its program is \/usr\/bin\/chfn/;
    await until(node, 'doctor says why', async () => why.test((await rcmNode(node, 'doctor')).stdout));
    t.notOk(await wasRun(node), 'doctor did not run the plugin of the user');
    await until(node, 'the service says why', async () => why.test(await journalOf(node)));
    t.notOk(await wasRun(node), 'nor did the service');
    await node.exec(['systemctl', 'stop', 'job', 'admin']);
    await untilReport(node, 'no trouble once it is gone', (report) => troubleOf(report) === '');
  });

  await t.test('a kubelet without a unit of its own is found by the service, too', async (t) => {
    await node.run(['mkdir', '-p', '/etc/kubernetes']);
    await node.writeFile('/etc/kubernetes/kubelet.conf', 'users: {');
    // Any program serves, as long as root put it there.
    await node.run(['cp', '/bin/bash', '/usr/local/bin/kubelet']);
    await node.run([
      ...['systemd-run', '--unit=worker', '/usr/local/bin/kubelet', '-c', 'sleep 1000; :'],
      '--kubeconfig=/etc/kubernetes/kubelet.conf',
    ]);
    await node.run(['systemctl', 'restart', 'rcm-node']);
    await untilReport(node, 'its kubeconfig read', (report) => troubleOf(report).includes('it is not YAML'));
    t.pass('the unit lets it read the program and the cgroup of another process');
  });

  await t.test('a kubeconfig, or a plugin, that others can write is not used', async (t) => {
    const refuses = async (reason: string): Promise<void> => {
      const { stdout } = await rcmNode(node, 'doctor');
      t.match(stdout, reason);
      t.notOk(await wasRun(node));
    };
    await node.writeFile('/etc/kubernetes/kubelet.conf', kubeconfig(`${home}/plugin`), 0o644);
    await refuses(`${home} belongs to uid 1000`);
    await node.writeFile('/etc/kubernetes/kubelet.conf', kubeconfig('/etc/kubernetes/plugin'), 0o646);
    await node.writeFile('/etc/kubernetes/plugin', plugin, 0o755);
    await refuses('it has mode 0646');
    // Always one fault, or the service, which ticks meanwhile, would run the plugin.
    await node.run(['chmod', '0775', '/etc/kubernetes']);
    await node.run(['chmod', '0644', '/etc/kubernetes/kubelet.conf']);
    await refuses('/etc/kubernetes has mode 0775');
    await node.run(['chown', 'mallory', '/etc/kubernetes/plugin']);
    await node.run(['chmod', '0755', '/etc/kubernetes']);
    await refuses('it belongs to uid 1000');
    await node.run(['chown', 'root', '/etc/kubernetes/plugin']);
    await rcmNode(node, 'doctor');
    t.equal((await node.readFile(marker)).trim(), '0', 'what is root’s alone is run');
    await node.run(['systemctl', 'stop', 'worker']);
  });

  await t.test('a local file, or settings, that others can write change nothing', async (t) => {
    await writeShim(node, 'spin-v2', shim);
    await untilServing(node, ['spin-v2']);
    const complains = (of: string): Promise<Report> =>
      untilReport(node, `complains of ${of}`, ({ outcome }) => JSON.stringify(outcome).includes(`"${of}"`));
    const path = shimFilePath('spin-v2');
    await node.run(['chmod', '0666', path]);
    await asMallory(node, `: > ${path}`);
    await complains(path);
    t.match((await rcmNode(node, 'status')).stdout, /it has mode 0666/);
    t.same(await handlersOverCri(node), ['runc', 'spin-v2'], 'what was served is served');
    await writeShim(node, 'spin-v2', shim);
    await untilServing(node, ['spin-v2']);
    await node.run(['chmod', '0777', '/etc/rcm-node/shims.d']);
    await asMallory(node, `rm ${path}`);
    await complains('/etc/rcm-node/shims.d');
    t.same(await handlersOverCri(node), ['runc', 'spin-v2']);
    await node.run(['chmod', '0755', '/etc/rcm-node/shims.d']);
    await writeShim(node, 'spin-v2', shim);
    await untilServing(node, ['spin-v2']);
    await node.run(['chmod', '0664', '/etc/rcm-node/config.toml']);
    await complains('/etc/rcm-node/config.toml');
    t.match((await rcmNode(node, 'plan')).stdout, /it has mode 0664/);
    await node.run(['chmod', '0644', '/etc/rcm-node/config.toml']);
    await untilServing(node, ['spin-v2']);
  });
});
