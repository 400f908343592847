/** The controller as its Deployment runs it: a process, with a token and a CA in files, ended by a signal. */
import { approvedPrefix } from '../../protocol/node-labels.ts';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { needsOpenssl } from '../../testbed/simulated/api-server.ts';
import { paths } from '../../testbed/controller/fleet-objects.ts';
import { type FleetServer, startFleet } from '../../testbed/controller/fleet-server.ts';
import { until } from '../../testbed/until.ts';

t.setTimeout(120_000);

const main = join(import.meta.dirname, '../../cli/main.ts');

const run = (t: Test, fleet: FleetServer, ...more: string[]) => {
  const kubeconfig = join(t.testdirName, 'kubeconfig');
  const cluster = { server: fleet.server.url, 'certificate-authority-data': btoa(fleet.authority.ca) };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token: 'the-secret-token' } }],
    }),
  );
  const words = [
    'controller',
    '--kubeconfig',
    kubeconfig,
    '--listen',
    '127.0.0.1:0',
    '--probes',
    '127.0.0.1:0',
    ...more,
  ];
  const child: ChildProcess = spawn(process.execPath, [main, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => void child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout?.on('data', (text: Buffer) => {
    said.out += text.toString();
  });
  child.stderr?.on('data', (text: Buffer) => {
    said.err += text.toString();
  });
  const ended = new Promise<number | null>((resolve) => void child.on('close', (code) => resolve(code)));
  return { child, said, ended, lines: () => said.out.split('\n').filter((line) => line !== '') };
};

const nodeOf = (name: string, detail: object) => ({
  kind: 'Node',
  metadata: {
    name,
    annotations: {
      'rcm.spinkube.dev/state': 'Waiting',
      'rcm.spinkube.dev/status': JSON.stringify({ v: 1, shims: detail }),
    },
  },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
});

t.test(
  'from a Shim to a RuntimeClass and a first approval; the shutdown releases the Lease',
  needsOpenssl,
  async (t) => {
    const fleet = await startFleet(t);
    fleet.put(paths.shims, {
      kind: 'Shim',
      metadata: { name: 'spin', creationTimestamp: '2026-01-01T00:00:00Z', generation: 1 },
      spec: { runtimeClass: { name: 'wasm', handler: 'spin' } },
    });
    const { child, said, ended, lines } = run(t, fleet);
    await until(() => fleet.get(paths.classes, 'wasm') !== undefined);
    const status = () =>
      fleet.get(paths.shims, 'spin')?.status as { nodes: number; rollout?: { revision: string } };
    await until(() => status()?.rollout !== undefined);
    const { revision } = status().rollout!;
    for (const name of ['a', 'b'])
      fleet.put(paths.nodes, nodeOf(name, { spin: { s: 'pending', n: 'spin', w: revision } }));
    const approved = () =>
      fleet
        .all(paths.nodes)
        .filter(({ metadata }) => metadata.labels?.[`${approvedPrefix}spin`]?.startsWith(revision));
    await until(() => approved().length === 1);
    child.kill('SIGTERM');
    t.equal(await ended, 0);
    t.equal(said.err, '');
    t.match(fleet.get(paths.leases, 'rcm-node-controller'), { spec: { holderIdentity: /^$/ } });
    t.equal(approved().length, 1, 'a first wave is one node');
    const messages = lines().map((line) => (JSON.parse(line) as { message: string }).message);
    t.match(messages, [/^rcm-node controller /]);
    t.ok(messages.includes('approved Shim spin on Node a'));
    t.equal(messages.at(-1), 'stopped');
    t.notMatch(said.out, /the-secret-token/, 'no secrets');
  },
);

t.test('a signal ends it also while the API server does not answer', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  fleet.world.delay = () => new Promise(() => undefined);
  const { child, ended, lines } = run(t, fleet);
  await until(() => lines().length > 0);
  child.kill('SIGTERM');
  t.equal(await ended, 0);
});

t.test('a port in use is a failure with a way out', needsOpenssl, async (t) => {
  const fleet = await startFleet(t);
  for (const option of ['--listen', '--probes']) {
    const { ended, said } = run(t, fleet, option, `127.0.0.1:${fleet.server.port}`);
    t.equal(await ended, 1);
    t.match(said.err, /EADDRINUSE/);
    t.match(said.err, /--listen or --probes/);
  }
});
