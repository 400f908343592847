/** `crio config` prints all of these configurations without an error, and the daemon ends of them at its next start. */
import t, { type Test } from 'tap';
import { type Node, makeRoot, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { loadCrio } from '../../../testbed/simulated/runtimes/crio.ts';

const opened = (t: Test, text: string): Node => {
  const node = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3' });
  node.write('/etc/crio/crio.conf.d/50.conf', text);
  writeShim(node, 'wasmedge');
  return node;
};

const of = (name: string, ...keys: readonly string[]): string =>
  `[crio.runtime.runtimes.${name}]\nruntime_path = "/usr/bin/crun"\n${keys.join('\n')}\n`;
const runtime = (...keys: readonly string[]): string => `[crio.runtime]\n${keys.join('\n')}\n`;
const byDefault = runtime('default_runtime = "kata"');

const deadly: Readonly<Record<string, string>> = {
  'a seccomp profile that is not there': of('crun', 'seccomp_profile = "/missing.json"'),
  'a runtime_config_path of an OCI runtime': of('crun', 'runtime_config_path = "/usr/bin/crun"'),
  'a name that "vm" does not take': of('crun', 'runtime_type = "vm"'),
  '"pod" without its monitor': of('crun', 'runtime_type = "pod"'),
  'websockets of an OCI runtime': of('crun', 'stream_websockets = true'),
  'an affinity that is not known': of('crun', 'exec_cpu_affinity = "last"'),
  'a name in place of a path': '[crio.runtime.runtimes.crun]\nruntime_path = "crun"\n',
  'a default handler that inherits from itself': `${byDefault}[crio.runtime.runtimes.kata]\ninherit_default_runtime = true\n`,
  'a program, in other case': '[crio.runtime.runtimes.crun]\nRuntime_Path = "/usr/bin/nope"\n',
  'a monitor, in other case': of('kata', 'Monitor_Path = "/usr/bin/nope"'),
  'tables in other case':
    '[Crio.Runtime.Runtimes.kata]\nruntime_path = "/usr/bin/crun"\nmonitor_path = "/nope"\n',
  'the monitor of all, in other case': runtime('Conmon = "/nope"'),
  'a default handler, in other case': `[crio.runtime]\nDefault_Runtime = "kata"\n[crio.runtime.runtimes.kata]\nruntime_path = "/nope"\n`,
  'a cgroup, in other case': of('crun', 'Monitor_Cgroup = "nonsense"'),
  'a cgroup of all monitors': runtime('conmon_cgroup = "nonsense"'),
  'a cgroup where systemd makes none': `${runtime('cgroup_manager = "cgroupfs"')}${of('crun', 'monitor_cgroup = "x.slice"')}`,
  'an annotation, in other case': of('crun', 'Allowed_Annotations = ["x.y"]'),
};

for (const [name, text] of Object.entries(deadly))
  t.test(`refused before a restart: ${name}`, async (t) => {
    const node = opened(t, text);
    t.match(loadCrio(node.root, [], 'dump'), { kind: 'loaded' });
    t.match(loadCrio(node.root, [], 'daemon'), { kind: 'fatal' });
    t.match((await node.plan()).decision.plan, { kind: 'refused', problem: { code: 'broken-config' } });
  });

t.test('a key that appears twice, in upper and lower case, is refused: either may count', async (t) => {
  const node = opened(t, of('crun', 'Runtime_Path = "/nope"'));
  t.match((await node.plan()).decision.plan, {
    kind: 'refused',
    problem: { message: /twice/, where: { file: '/etc/crio/crio.conf.d/50.conf', line: 3 } },
  });
});

t.test('the name of a default handler that may be a token is not shown', async (t) => {
  const secret = 'a1b2c3d4e5f6a7b8c9d0';
  const said = async (name: string, ...keys: readonly string[]): Promise<string> => {
    const text = `${runtime(`default_runtime = "${name}"`)}[crio.runtime.runtimes.${name}]\n${keys.join('\n')}\n`;
    return JSON.stringify((await opened(t, text).plan()).decision.plan);
  };
  const unfit = ['runtime_path = "/usr/bin/crun"', 'exec_cpu_affinity = "last"'];
  t.match(await said('kata', ...unfit), /default handler \\"kata\\" has an exec_cpu_affinity/);
  t.match(await said('kata'), /program of the default handler is kata, which is not there/);
  for (const keys of [unfit, []]) {
    const shown = await said(secret, ...keys);
    t.match(shown, /default handler (has|is)/);
    t.notMatch(shown, secret);
  }
});

const harmless: Readonly<Record<string, string>> = {
  'a monitor that one for all stands above': `${runtime('conmon = "/usr/bin/conmon"')}${of('kata', 'monitor_path = "/nope"')}`,
  'annotations that CRI-O has had for long, as OpenShift allows them': of(
    'crun',
    'allowed_annotations = ["io.containers.trace-syscall", "io.kubernetes.cri-o.Devices", "io.kubernetes.cri-o.userns-mode", "seccomp-profile.kubernetes.cri-o.io", "cpu-quota.crio.io"]',
  ),
  'keys in other case': of('kata', 'Monitor_Path = "/usr/bin/conmon"'),
  'faults of a handler that is only left out': of('kata', 'stream_websockets = true'),
};

for (const [name, text] of Object.entries(harmless))
  t.test(`served: ${name}`, async (t) => {
    const node = opened(t, text);
    t.match(loadCrio(node.root, [], 'daemon'), { kind: 'loaded' });
    t.match((await node.plan()).decision.plan, { kind: 'steps' });
  });

t.test('an empty default_runtime in a later file is the built-in one', async (t) => {
  const node = opened(t, `${byDefault}${of('kata')}`);
  node.write(
    '/etc/crio/crio.conf.d/60.conf',
    `${runtime('default_runtime = ""')}${of('crun', 'stream_websockets = true')}`,
  );
  t.match(loadCrio(node.root, [], 'daemon'), { kind: 'fatal' });
  t.match((await node.plan()).decision.plan, { kind: 'refused', problem: { message: /"crun" streams/ } });
});
