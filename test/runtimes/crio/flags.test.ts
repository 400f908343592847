/** Flags and variables of CRI-O stand above its files: what would end it there is refused, and what they repair is served. */
import t, { type Test } from 'tap';
import { defaultSettings } from '../../../daemon/model/settings.ts';
import { observeRuntime } from '../../../daemon/reconcile/observe/runtime.ts';
import { configOf, dumpWords } from '../../../daemon/runtimes/crio/launch.ts';
import { makeRoot, type Node, openNode, writeShim } from '../../../testbed/simulated/node.ts';
import { loadCrio } from '../../../testbed/simulated/runtimes/crio.ts';

const file = '/etc/crio/crio.conf.d/50.conf';
type Start = { readonly argv?: readonly string[]; readonly environment?: readonly string[] };

const opened = (t: Test, { argv = [], environment = [] }: Start, text = ''): Node => {
  const execStart = ['/usr/bin/crio', ...argv];
  const node = openNode(makeRoot(t), { runtime: 'crio', version: '1.36.3', execStart, environment });
  node.write(file, text);
  node.fake.containerd.restartByOther();
  writeShim(node, 'wasmedge');
  return node;
};

const deadly: Readonly<Record<string, Start>> = {
  'a monitor that is not there': { argv: ['--conmon', '/gone'] },
  'the same in the environment': { environment: ['CONTAINER_CONMON=/gone'] },
  'a default handler that is not defined': { argv: ['--default-runtime=kata'] },
  'a cgroup that its manager does not take': {
    argv: ['--cgroup-manager=cgroupfs', '--conmon-cgroup', 'x.slice'],
  },
  'a default handler without its program': {
    argv: ['--runtimes', 'kata:/gone:/run/kata', '--default-runtime', 'kata'],
  },
};

for (const [name, start] of Object.entries(deadly))
  t.test(`refused before a restart: ${name}`, async (t) => {
    const node = opened(t, start);
    t.match((await node.plan()).decision.plan, {
      kind: 'refused',
      problem: {
        code: /broken-config|default-handler-lost/,
        where: { file: /./ },
        hint: /systemctl cat crio/,
      },
    });
    const environment = Object.fromEntries((start.environment ?? []).map((row) => row.split('=')));
    t.match(loadCrio(node.root, start.argv ?? [], 'daemon', environment), { kind: 'fatal' });
  });

const runtime = (...keys: readonly string[]): string => `[crio.runtime]\n${keys.join('\n')}\n`;
const harmless: Readonly<Record<string, readonly [Start, string]>> = {
  'a default handler that a flag replaces': [
    { argv: ['--default-runtime=crun'] },
    runtime('default_runtime = "gone"'),
  ],
  'a monitor that a variable replaces': [
    { environment: ['CONTAINER_CONMON=/usr/bin/conmon'] },
    runtime('conmon = "/gone"'),
  ],
  'a default handler that a flag defines': [
    { argv: ['--runtimes=kata:/usr/bin/crun:/run/kata,other:/usr/bin/crun:/run/other'] },
    runtime('default_runtime = "kata"'),
  ],
  'a socket that a flag moves': [
    { argv: ['--listen', '/run/other.sock'] },
    '[crio.api]\nlisten = "/run/x.sock"\n',
  ],
  'no main file': [{ argv: ['-c', ''] }, ''],
  'no main file, by a variable': [{ environment: ['CONTAINER_CONFIG='] }, ''],
};

for (const [name, [start, text]] of Object.entries(harmless))
  t.test(`served: ${name}`, async (t) => {
    const node = opened(t, start, text);
    const first = await node.once();
    t.match(first.outcome, { kind: 'converged' }, JSON.stringify(first.outcome));
    t.ok(node.fake.containerd.served().includes('wasmedge'));
    t.ok((await node.uninstall()).complete);
  });

t.test('with an empty -c the usual main file is not read', async (t) => {
  const node = opened(t, { argv: ['-c', ''] });
  node.write('/etc/crio/crio.conf', '[[[');
  t.match((await node.once()).outcome, { kind: 'converged' });
});

t.test('a missing main file of -c is an error, as CRI-O does not start without it', async (t) => {
  const node = opened(t, { argv: ['-c', '/etc/other.conf'] });
  t.match((await node.plan()).decision.plan, {
    kind: 'refused',
    problem: { code: 'broken-config', where: { file: '/etc/other.conf' } },
  });
});

t.test('a handler of a flag takes precedence over ours', async (t) => {
  const node = opened(t, { argv: ['--runtimes=wasmedge:/usr/bin/crun:/run/x'] });
  t.match((await node.plan()).decision.handlers, [
    { name: 'wasmedge', state: 'refused', problem: { code: 'owned-by-another' } },
  ]);
});

t.test('a --config-dir that is a file has no place for a drop-in', async (t) => {
  const node = opened(t, { argv: ['-d', file] });
  t.match((await node.plan()).decision.plan, {
    kind: 'refused',
    problem: { code: 'unsupported-runtime', message: /a file/ },
  });
});

t.test('the folder of the environment variable is read', async (t) => {
  const node = opened(t, { environment: ['CONTAINER_CONFIG_DIR=/srv/crio.d'] });
  node.write('/srv/crio.d/10.conf', '');
  t.match(await observeRuntime(node.fake.host, defaultSettings), { configFolder: '/srv/crio.d' });
  t.match((await node.once()).outcome, { kind: 'converged' });
  t.ok(node.read('/srv/crio.d/zz-rcm-node.conf'));
});

t.test(
  'the command line takes precedence over the environment, and the last of two flags counts',
  async (t) => {
    const environment = new Map([
      ['CONTAINER_LISTEN', '/run/a'],
      ['CONTAINER_CONFIG', '/etc/a'],
    ]);
    const found = configOf(['crio', '-listen', '/run/b', '--listen=/run/c', '-c=/etc/b'], environment);
    t.match(found, { main: '/etc/b', mainIs: 'needed', given: { words: ['--listen=/run/c'] } });
    t.strictSame(dumpWords({ main: null, folder: '/d', given: found.given }), [
      ...['--config', '', '--config-dir', '/d', '--listen=/run/c', 'config'],
    ]);
    t.match(configOf(['crio'], environment), {
      main: '/etc/a',
      given: { doc: { crio: { api: { listen: '/run/a' } } } },
    });
  },
);
