import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { whichRuntime } from '../../../daemon/reconcile/observe/which.ts';
import type { Host } from '../../../host/host.ts';
import { unit } from '../../../testbed/simulated/bare-host.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

type Kubelet = {
  readonly argv: readonly string[];
  readonly exe?: string;
  readonly uids?: string;
  readonly root: string;
  /** The main process of its unit, at each question. */
  readonly later?: readonly number[];
};

const place = (root: string, { argv, exe = '/usr/bin/kubelet', uids = '0\t0\t0\t0', root: its }: Kubelet) => {
  const at = join(root, 'proc/4242');
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'cmdline'), argv.map((word) => `${word}\0`).join(''));
  writeFileSync(join(at, 'status'), `Uid:\t${uids}\n`);
  writeFileSync(join(at, 'cgroup'), '0::/system.slice/kubelet.service\n');
  writeFileSync(join(at, 'stat'), '4242 (kubelet) S 1\n');
  symlinkSync(its, join(at, 'root'));
  symlinkSync('/', join(at, 'cwd'));
  symlinkSync(exe, join(at, 'exe'));
};

/** A host on which these units are, with these files. */
const ask = async (
  t: Test,
  units: readonly string[],
  files: Readonly<Record<string, string>> = {},
  named?: string,
  kubelet?: (root: string) => Kubelet,
) => {
  const { again } = hostOf(t, units, files, named, kubelet);
  return again();
};

const hostOf = (
  t: Test,
  units: readonly string[],
  files: Readonly<Record<string, string>> = {},
  named?: string,
  kubelet?: (root: string) => Kubelet,
) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const asked = { count: 0 };
  const running = kubelet?.(node.root);
  if (running) place(node.root, running);
  for (const [path, text] of Object.entries(files)) node.write(path, text);
  const { host } = node.fake;
  const systemd: Host['systemd'] = host.systemd && {
    ...host.systemd,
    unit: async (name) => ({
      ...unit,
      name,
      mainPid: name === 'kubelet.service' && running ? (running.later?.[asked.count++] ?? 4242) : 0,
      load: units.some((one) => one.startsWith(name)) ? 'loaded' : 'not-found',
      active: units.includes(`${name} idle`) ? 'inactive' : 'active',
    }),
  };
  const all: Host = { ...host, ...(systemd ? { systemd } : {}) };
  const again = async (): Promise<readonly string[]> => {
    const chosen = await whichRuntime(all, { ...defaultSettings, unit: named });
    return [chosen.row.name, chosen.unit];
  };
  return { again };
};

const [containerd, crio] = ['containerd.service', 'crio.service'];
const flags = '/var/lib/kubelet/kubeadm-flags.env';

t.test('the unit that a person names is served', async (t) => {
  t.same(await ask(t, [containerd, crio], {}, crio), ['crio', crio]);
  t.same(await ask(t, [containerd, crio], {}, 'k3s.service'), ['containerd', 'k3s.service']);
  t.same(await ask(t, [crio], {}, 'cri-o.service'), ['crio', crio]);
});

const rke2 = { '/var/lib/rancher/rke2/agent/x': '' };
const [server, agent] = ['rke2-server.service', 'rke2-agent.service'];
const unitFiles = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [`/usr/lib/systemd/system/${name}`, '[Service]\n']));

t.test('for a distribution with its own containerd, its running unit is used', async (t) => {
  const files = { ...rke2, ...unitFiles(server, agent) };
  t.same(await ask(t, [`${server} idle`, agent, containerd], files), ['containerd', agent]);
  t.same(await ask(t, [server, `${agent} idle`], files), ['containerd', server]);
  t.same(await ask(t, [server, agent], files, server), ['containerd', server]);
  t.same(await ask(t, [`${agent} idle`], { ...rke2, ...unitFiles(agent) }), ['containerd', agent]);
  for (const units of [
    [server, agent],
    [`${server} idle`, `${agent} idle`],
  ])
    t.match(await ask(t, units, files).catch((error: unknown) => error), {
      problem: { code: 'unclear-start', message: /units of RKE2/, hint: /runtime\.unit/ },
    });
});

t.test('otherwise the only runtime is used, and containerd is looked for where there is none', async (t) => {
  t.same(await ask(t, [crio]), ['crio', crio]);
  t.same(await ask(t, [containerd]), ['containerd', containerd]);
  t.same(await ask(t, []), ['containerd', containerd]);
});

t.test('of two runtimes the one at the socket of the kubelet is used', async (t) => {
  const both = [containerd, crio];
  const args = (socket: string) => `KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix://${socket}"\n`;
  t.same(await ask(t, both, { [flags]: args('/var/run/crio/crio.sock') }), ['crio', crio]);
  t.same(await ask(t, both, { [flags]: args('/run/containerd/containerd.sock') }), [
    'containerd',
    containerd,
  ]);
  const yaml = 'kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/crio/crio.sock\n';
  t.same(await ask(t, both, { '/var/lib/kubelet/config.yaml': yaml }), ['crio', crio]);
});

t.test(
  'where the kubelet’s socket is unknown, a runtime that is only installed does not count',
  async (t) => {
    t.same(await ask(t, [containerd, `${crio} idle`]), ['containerd', containerd]);
    t.same(await ask(t, [`${containerd} idle`, crio]), ['crio', crio]);
  },
);

t.test('a comment in a file of the kubelet is ignored', async (t) => {
  const file = { '/etc/default/kubelet': '# --container-runtime-endpoint=unix:///run/crio/crio.sock\n' };
  t.same(await ask(t, [containerd, `${crio} idle`], file), ['containerd', containerd]);
});

t.test('while none of two runs, as during a boot, no other one is used than before', async (t) => {
  t.same(await ask(t, [`${containerd} idle`, `${crio} idle`]), ['containerd', containerd]);
  const flags = { '/etc/default/kubelet': '--container-runtime-endpoint=unix:///run/crio/crio.sock\n' };
  t.same(await ask(t, [`${containerd} idle`, `${crio} idle`], flags), ['crio', crio]);
});

t.test('where the unit of the kubelet’s runtime is missing, the other one is not used', async (t) => {
  const flags = {
    '/etc/default/kubelet': '--container-runtime-endpoint=unix:///run/containerd/containerd.sock\n',
  };
  t.same(await ask(t, [crio], flags), ['containerd', containerd]);
  t.same(await ask(t, [`${crio} idle`], flags), ['containerd', containerd]);
  // Left from before a change of the runtime.
  t.same(await ask(t, [crio], { ...flags, '/var/lib/kubelet/config.yaml': 'unix:///run/crio/crio.sock' }), [
    'crio',
    crio,
  ]);
});

t.test('where the kubelet’s runtime is stopped and the other one runs, none is touched', async (t) => {
  const stopped = [containerd, `${crio} idle`];
  const flags = { '/etc/default/kubelet': '--container-runtime-endpoint=unix:///run/crio/crio.sock\n' };
  t.match(await ask(t, stopped, flags).catch((error: unknown) => error), {
    problem: { code: 'unclear-start', message: /name crio, which does not run/, hint: /runtime\.unit/ },
  });
});

t.test('where the socket is missing or ambiguous, none is touched, and the way out is named', async (t) => {
  const both = [containerd, crio];
  const refused = async (files = {}) =>
    t.match(await ask(t, both, files).catch((error: unknown) => error), {
      problem: { code: 'unclear-start', hint: /runtime\.unit/ },
    });
  await refused();
  const twice = {
    [flags]: 'unix:///run/crio/crio.sock',
    '/etc/default/kubelet': '/run/containerd/containerd.sock',
  };
  await refused(twice);
});

const endpoint = '--container-runtime-endpoint';
const crioSocket = 'unix:///var/run/crio/crio.sock';
const left = { [flags]: `${endpoint}=unix:///run/containerd/containerd.sock` };

t.test('the running kubelet takes precedence over files of a former runtime', async (t) => {
  const both = [containerd, crio];
  const by = (argv: readonly string[], files = {}, more: Partial<Kubelet> = {}) =>
    ask(t, both, { ...left, ...files }, undefined, (root) => ({ argv: ['kubelet', ...argv], root, ...more }));
  const config = '/etc/kubelet.yaml';
  const yaml = `kind: KubeletConfiguration\n# containerRuntimeEndpoint: no\ncontainerRuntimeEndpoint: "${crioSocket}"\n`;
  for (const argv of [
    [`${endpoint}=${crioSocket}`],
    [endpoint, 'unix:///x/containerd.sock', endpoint, crioSocket],
  ])
    t.same(await by(argv), ['crio', crio]);
  t.same(await by(['--config', config], { [config]: yaml }), ['crio', crio]);
  const json = JSON.stringify(
    { kind: 'KubeletConfiguration', containerRuntimeEndpoint: crioSocket },
    null,
    1,
  );
  t.same(await by([`--config=${config}`], { [config]: json }), ['crio', crio]);
  t.same(
    await by(['--config-dir=/etc/kubelet.d'], { '/etc/kubelet.d/20.conf': yaml, '/etc/kubelet.d/30': json }),
    ['crio', crio],
  );
  t.same(
    await by([`--config=${config}`, `${endpoint}=/run/containerd/containerd.sock`], { [config]: yaml }),
    ['containerd', containerd],
  );
  const asOne = JSON.stringify(JSON.parse(json));
  t.same(await by(['--config', config], { [config]: asOne }), ['crio', crio], 'all in one line');
  for (const elsewhere of [
    `x:\n  containerRuntimeEndpoint: ${crioSocket}\n`,
    `x: |\n  containerRuntimeEndpoint: ${crioSocket}\n`,
    `containerRuntimeEndpoint: [${crioSocket}]\n`,
    `containerRuntimeEndpoint: ""\n`,
    '{',
    '',
  ])
    t.same(await by(['--config', config], { [config]: elsewhere }), ['containerd', containerd], elsewhere);
  t.same(await by(['--v=2']), ['containerd', containerd], 'else its files');
});

t.test('a kubelet that is stopped for a moment is not replaced by files of a former runtime', async (t) => {
  const { again } = hostOf(t, [containerd, crio], left, undefined, (root) => ({
    argv: ['kubelet', `${endpoint}=${crioSocket}`],
    root,
    later: [4242, 4242, 0, 0],
  }));
  t.same(await again(), ['crio', crio]);
  t.same(await again(), ['crio', crio]);
});

t.test('files are ignored where the running kubelet names another runtime', async (t) => {
  const other = ask(t, [containerd, crio], left, undefined, (root) => ({
    argv: ['kubelet', `${endpoint}=unix:///run/cri-dockerd.sock`],
    root,
  }));
  t.match(await other.catch((error: unknown) => error), { problem: { code: 'unclear-start' } });
});

t.test('a process that is not the kubelet of this host decides nothing', async (t) => {
  const argv = ['kubelet', `${endpoint}=${crioSocket}`];
  const of = (kubelet: (root: string) => Kubelet) => ask(t, [containerd, crio], left, undefined, kubelet);
  const strange: Readonly<Record<string, (root: string) => Kubelet>> = {
    'of a user': (root) => ({ argv, root, uids: '0\t1000\t0\t0' }),
    'another program': (root) => ({ argv, root, exe: '/tmp/x' }),
    'in another root': () => ({ argv, root: '/proc' }),
    'one that ended': (root) => ({ argv, root, later: [4242, 4243] }),
    none: (root) => ({ argv, root, later: [0] }),
  };
  for (const [what, kubelet] of Object.entries(strange))
    t.same(await of(kubelet), ['containerd', containerd], what);
});

t.test('a file of the running kubelet that others can write decides nothing, and is named', async (t) => {
  const chosen = ask(t, [containerd, crio], left, undefined, (root) => {
    mkdirSync(join(root, 'etc'), { recursive: true });
    writeFileSync(join(root, 'etc/open.yaml'), `containerRuntimeEndpoint: ${crioSocket}\n`, { mode: 0o666 });
    chmodSync(join(root, 'etc/open.yaml'), 0o666);
    return { argv: ['kubelet', '--config=/etc/open.yaml'], root };
  });
  t.match(await chosen.catch((error: unknown) => error), {
    problem: { code: 'untrusted', where: { file: '/etc/open.yaml' } },
  });
});
