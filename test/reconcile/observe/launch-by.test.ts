import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { launchBy } from '../../../daemon/reconcile/observe/launch-by.ts';
import { distros } from '../../../daemon/runtimes/distros.ts';
import type { Runner } from '../../../daemon/runtimes/distro.ts';
import { usualRuntime } from '../../../daemon/runtimes/table.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';

const runnerOf = (name: string): Runner => {
  const row = distros.find((one) => one.name === name);
  if (!row || !('runner' in row) || !row.runner) throw new Error(`${name} has no runner`);
  return row.runner;
};

type Process = {
  readonly argv: readonly string[];
  readonly exe: string;
  readonly children?: readonly number[];
};

const onHost = (
  t: Test,
  name: string,
  unit: string,
  processes: Readonly<Record<number, Process>>,
  files: readonly string[],
) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  for (const path of files) node.write(path, 'a program', 0o755);
  if (files.includes('/srv/open/k3s')) chmodSync(join(node.root, '/srv/open'), 0o777);
  for (const [pid, { argv, exe, children = [] }] of Object.entries(processes)) {
    const at = `/proc/${pid}`;
    node.write(`${at}/cmdline`, argv.map((word) => `${word}\0`).join(''));
    node.write(`${at}/environ`, '');
    node.write(`${at}/status`, 'Uid:\t0\t0\t0\t0\n');
    node.write(`${at}/stat`, `${pid} (x) S 1\n`);
    node.write(`${at}/cgroup`, `0::/system.slice/${unit}\n`);
    // Another thread than the first one.
    mkdirSync(join(node.root, at, 'task', `${pid}1`), { recursive: true });
    writeFileSync(join(node.root, at, 'task', `${pid}1`, 'children'), children.join(' '));
    symlinkSync(node.root, join(node.root, at, 'root'));
    symlinkSync(exe, join(node.root, at, 'exe'));
    symlinkSync('/', join(node.root, at, 'cwd'));
  }
  const pid = Number(Object.keys(processes)[0] ?? 0);
  const facts: UnitFacts = { ...node.fake.containerd.unit, name: unit, mainPid: pid };
  return launchBy(node.fake.host, usualRuntime, runnerOf(name), facts).catch(problemOf);
};

const data = '/var/lib/rancher/k3s/data/abc/bin';
const main = '/var/lib/rancher/k3s/agent/etc/containerd/config.toml';

t.test('k3s has one program with several names, and its own -c is not that of containerd', async (t) => {
  const launch = await onHost(
    t,
    'k3s',
    'k3s.service',
    {
      50: {
        argv: ['/usr/local/bin/k3s server -c /etc/rancher/k3s/config.yaml'],
        exe: `${data}/k3s`,
        children: [51, 52],
      },
      51: { argv: ['containerd-shim-runc-v2'], exe: `${data}/containerd-shim-runc-v2` },
      52: { argv: ['containerd', '-c', main], exe: `${data}/k3s` },
    },
    [`${data}/k3s`, `${data}/containerd`],
  );
  t.match(launch, { binary: `${data}/containerd`, config: { main }, notes: [] });
});

t.test(
  'when an upgrade of k3s replaced the running program, the one of the next start is asked',
  async (t) => {
    const row = '/var/lib/rancher/k3s/data/current/bin/containerd';
    const launch = await onHost(
      t,
      'k3s',
      'k3s.service',
      {
        50: { argv: ['/usr/local/bin/k3s server'], exe: `${data}/k3s`, children: [52] },
        // As one that is not at its own path any more.
        52: { argv: ['containerd', '-c', main], exe: '/srv/open/k3s' },
      },
      [`${data}/k3s`, '/srv/open/k3s', row],
    );
    t.match(launch, { binary: row, config: { main } });
  },
);

t.test('k0s has a containerd of its own, with its address on the command line', async (t) => {
  const binary = '/var/lib/k0s/bin/containerd';
  const words = [
    '--root=/var/lib/k0s/containerd',
    '--address=/run/k0s/containerd.sock',
    '--config=/etc/k0s/containerd.toml',
  ];
  const launch = await onHost(
    t,
    'k0s',
    'k0sworker.service',
    {
      50: { argv: ['/usr/local/bin/k0s', 'worker'], exe: '/usr/local/bin/k0s', children: [51] },
      51: { argv: [binary, ...words], exe: binary },
    },
    ['/usr/local/bin/k0s', binary],
  );
  t.match(launch, {
    binary,
    config: {
      main: '/etc/k0s/containerd.toml',
      given: { doc: { grpc: { address: '/run/k0s/containerd.sock' } } },
    },
  });
});

t.test('a unit whose main process is containerd itself is read as it is', async (t) => {
  const binary = '/snap/microk8s/8000/bin/containerd';
  const config = '/var/snap/microk8s/8000/args/containerd.toml';
  const launch = await onHost(
    t,
    'MicroK8s',
    'snap.microk8s.daemon-containerd.service',
    { 50: { argv: [binary, '--config', config], exe: binary } },
    [binary],
  );
  t.match(launch, { binary, config: { main: config } });
});

t.test('without -c it reads the file of its distribution', async (t) => {
  const launch = await onHost(
    t,
    'RKE2',
    'rke2-agent.service',
    {
      50: { argv: ['rke2 agent'], exe: '/usr/local/bin/rke2', children: [51] },
      51: { argv: ['containerd'], exe: '/var/lib/rancher/rke2/data/v1/bin/containerd' },
    },
    ['/usr/local/bin/rke2', '/var/lib/rancher/rke2/data/v1/bin/containerd'],
  );
  t.match(launch, { config: { main: '/var/lib/rancher/rke2/agent/etc/containerd/config.toml' } });
});

t.test('before the unit has started it, there is no runtime', async (t) => {
  const launch = await onHost(
    t,
    'k0s',
    'k0scontroller.service',
    { 50: { argv: ['/usr/local/bin/k0s', 'controller'], exe: '/usr/local/bin/k0s' } },
    ['/usr/local/bin/k0s'],
  );
  t.match(launch, {
    code: 'runtime-unreachable',
    message: /k0scontroller\.service runs/,
    hint: /--enable-worker/,
  });
});

t.test('where nothing runs, the paths are those of the row', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const { host } = node.fake;
  const stopped = { ...node.fake.containerd.unit, mainPid: 0 };
  for (const unit of [undefined, stopped])
    t.match(await launchBy(host, usualRuntime, runnerOf('k3s'), unit), {
      binary: '/var/lib/rancher/k3s/data/current/bin/containerd',
      config: { main, given: { doc: { grpc: { address: '/run/k3s/containerd/containerd.sock' } } } },
    });
});

t.test('a program that is not there yet is one that root alone can put there', async (t) => {
  const node = openNode(makeRoot(t), { version: '2.1.4' });
  const [program] = runnerOf('k0s').argv;
  const folder = join(node.root, dirname(program));
  mkdirSync(folder, { recursive: true });
  const launch = () => launchBy(node.fake.host, usualRuntime, runnerOf('k0s'), undefined).catch(problemOf);
  t.match(await launch(), { binary: program });
  chmodSync(folder, 0o777);
  t.match(await launch(), { code: 'untrusted' });
});
