import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { problemOf } from '../../../protocol/problem/problem.ts';
import { launchOf } from '../../../daemon/reconcile/observe/launch.ts';
import { bareRoot } from '../../../testbed/simulated/bare-root.ts';
import type { UnitFacts } from '../../../host/facts.ts';
import { makeRoot, openNode } from '../../../testbed/simulated/node.ts';
import { usualRuntime } from '../../../daemon/runtimes/table.ts';

const unit = 'containerd.service';
const fragment = `/usr/lib/systemd/system/${unit}`;
const dropIn = `/etc/systemd/system/${unit}.d/10-site.conf`;
const plain = '[Service]\nExecStartPre=-/sbin/modprobe overlay\nExecStart=/usr/bin/containerd\n';

const put = (root: string, path: string, text: string, mode = 0o644): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
};

/** An image: files, and what would be started in it. */
const inImage = (t: Test, files: Readonly<Record<string, string>>) => {
  const root = makeRoot(t);
  for (const path of ['/usr/local/bin/containerd', '/opt/bin/containerd'])
    put(root, path, 'a program\n', 0o755);
  for (const [path, text] of Object.entries(files))
    put(root, path, text, text.startsWith('#!') ? 0o755 : 0o644);
  const { host } = bareRoot(root);
  return { root, launch: () => launchOf(host, usualRuntime, unit, undefined).catch(problemOf) };
};

for (const [what, files, expected] of [
  [
    'the plain unit',
    { [fragment]: plain },
    { binary: '/usr/bin/containerd', config: { main: '/etc/containerd/config.toml' } },
  ],
  [
    'another program',
    { [fragment]: '[Service]\nExecStart=/usr/local/bin/containerd' },
    { binary: '/usr/local/bin/containerd', config: { main: '/etc/containerd/config.toml' } },
  ],
  [
    '-c FILE of a drop-in',
    {
      [fragment]: plain,
      [dropIn]: '[Service]\nExecStart=\nExecStart=-/opt/bin/containerd \\\n  -c "/etc/my dir/c.toml"\n',
    },
    { binary: '/opt/bin/containerd', config: { main: '/etc/my dir/c.toml' } },
  ],
  [
    'Environment=, which containerd itself does not read',
    { [fragment]: plain, [dropIn]: '[Service]\nEnvironment="CONTAINERD_CONFIG=/etc/e.toml"' },
    { config: { main: '/etc/containerd/config.toml' } },
  ],
  [
    'Environment= and -c',
    {
      [fragment]: `[Service]\nExecStart=/usr/bin/containerd --config \${CONTAINERD_CONFIG}`,
      [dropIn]: '[Service]\nEnvironment="CONTAINERD_CONFIG=/etc/e.toml"',
    },
    { config: { main: '/etc/e.toml' } },
  ],
  [
    'EnvironmentFile= and $OPTS',
    {
      [fragment]: '[Service]\nEnvironmentFile=-/etc/default/containerd\nExecStart=/usr/bin/containerd $OPTS',
      '/etc/default/containerd': `# options\nOPTS="--log-level=debug --config '/etc/f.toml'"\n`,
    },
    { config: { main: '/etc/f.toml' }, notes: [] },
  ],
  [
    'a pattern of files, a folder and a name without a path',
    {
      [fragment]:
        '[Service]\nWorkingDirectory=/srv\nEnvironmentFile=/etc/ctrd/*.env\nExecStart=containerd -c $' +
        '{F}',
      '/etc/ctrd/1.env': 'F=/no',
      '/etc/ctrd/2.env': 'F=conf/g.toml',
      '/etc/ctrd/3.not': 'F=/no',
    },
    { binary: '/usr/local/bin/containerd', config: { main: '/srv/conf/g.toml' } },
  ],
  [
    'a shell, env, nice',
    {
      [fragment]:
        '[Service]\nExecStart=/usr/bin/env A=1 nice -n -5 /bin/sh -c "modprobe overlay || true; exec /opt/bin/containerd -c /etc/h.toml"',
    },
    { binary: '/opt/bin/containerd', config: { main: '/etc/h.toml' } },
  ],
  [
    'a start script',
    {
      [fragment]: '[Service]\nExecStart=/opt/start -l debug',
      '/opt/start': '#!/bin/sh\nset -e\nexec /opt/bin/containerd -c /etc/i.toml "$@"\n',
    },
    { binary: '/opt/bin/containerd', config: { main: '/etc/i.toml' } },
  ],
] as const)
  t.test(`in an image, ${what} determines the containerd and its file`, async (t) => {
    t.match(await inImage(t, files).launch(), expected);
  });

t.test(
  'in an image, a start command that cannot be resolved is refused with its place, never guessed',
  async (t) => {
    const refusals: readonly (readonly [Readonly<Record<string, string>>, object])[] = [
      [
        { [fragment]: '[Service]\nExecStart=/opt/start', '/opt/start': '#!/usr/bin/python3\n' },
        {
          code: 'unclear-start',
          message: /by \/opt\/start, a script for \/usr\/bin\/python3: which configuration/,
        },
      ],
      [
        { [fragment]: '[Service]\nExecStart=/bin/sh -c ". /etc/x; containerd $O"' },
        { code: 'unclear-start' },
      ],
      [{ [fragment]: '[Service]\nExecStart=/bin/sh -c "/opt/other"' }, { message: /ends in \/opt\/other/ }],
      [
        { [fragment]: '[Service]\nExecStart=/bin/ip netns exec a /usr/bin/containerd' },
        { code: 'unclear-start' },
      ],
      [
        { [fragment]: plain, [dropIn]: '[Service]\nExecStart=/opt/bin/containerd' },
        { message: /more than one ExecStart=/, where: { file: dropIn, line: 2 } },
      ],
      [
        { [fragment]: '[Service]\nExecStart=/opt/none/containerd' },
        { code: 'no-runtime', message: /which is not there/ },
      ],
      [
        { [fragment]: '[Service]\nEnvironmentFile=/etc/none\nExecStart=/usr/bin/containerd' },
        { code: 'unclear-start', where: { file: '/etc/none' } },
      ],
      [
        { [fragment]: plain, [`/etc/systemd/system/${unit}`]: '' },
        { code: 'unit-masked', hint: /unmask/ },
      ],
    ];
    for (const [files, expected] of refusals) t.match(await inImage(t, files).launch(), expected);
  },
);

t.test('in an image, files that others can write are not used, and assumptions are reported', async (t) => {
  const writable = inImage(t, { [fragment]: plain, [dropIn]: '[Service]\n' });
  chmodSync(join(writable.root, dropIn), 0o666);
  t.match(await writable.launch(), { code: 'untrusted', where: { file: dropIn } });
  const script = inImage(t, {
    [fragment]: '[Service]\nExecStart=/opt/start',
    '/opt/start': '#!/bin/sh\nexec containerd',
  });
  chmodSync(join(script.root, 'opt/start'), 0o777);
  t.match(await script.launch(), { code: 'untrusted', where: { file: '/opt/start' } });
  t.match(await inImage(t, {}).launch(), {
    binary: '/usr/bin/containerd',
    config: { main: '/etc/containerd/config.toml' },
    notes: [
      { code: 'assumed-start', message: /there is no unit containerd\.service in this root: .* assumed/ },
    ],
  });
  const unset = inImage(t, { [fragment]: '[Service]\nExecStart=/usr/bin/containerd $OPTS' });
  t.match(await unset.launch(), {
    config: { main: '/etc/containerd/config.toml' },
    notes: [{ code: 'assumed-start', message: /asks for the variable OPTS/ }],
  });
});

/** A running host: what systemd says of the unit, and a process of it in /proc. */
const onHost = (
  t: Test,
  facts: Partial<UnitFacts>,
  process?: { argv: readonly string[]; exe?: string; environ?: string },
) => {
  const node = openNode(makeRoot(t), { version: '2.1.0' });
  const { containerd, host } = node.fake;
  if (process) {
    const at = `/proc/${containerd.unit.mainPid}`;
    node.write(`${at}/cmdline`, process.argv.map((word) => `${word}\0`).join(''));
    node.write(`${at}/environ`, process.environ ?? '');
    node.write(`${at}/status`, 'Uid:\t0\t0\t0\t0\n');
    symlinkSync(node.root, join(node.root, at, 'root'));
    symlinkSync(process.exe ?? '/usr/bin/containerd', join(node.root, at, 'exe'));
    symlinkSync('/', join(node.root, at, 'cwd'));
  }
  return {
    node,
    launch: () => launchOf(host, usualRuntime, unit, { ...containerd.unit, ...facts }).catch(problemOf),
  };
};

t.test('on a host, variables of ExecStart are replaced as systemd replaces them', async (t) => {
  const facts = { execStart: ['/usr/bin/containerd', '$OPTS'], environment: ['OPTS=-c /etc/x.toml'] };
  t.match(await onHost(t, facts).launch(), { config: { main: '/etc/x.toml' }, notes: [] });
  const braces = {
    execStart: ['/usr/bin/containerd', '--config', ['$', '{F}'].join('')],
    environment: ['F=/etc/a b.toml'],
  };
  t.match(await onHost(t, braces).launch(), { config: { main: '/etc/a b.toml' } });
  t.match(await onHost(t, { ...facts, verbatim: true }).launch(), {
    config: { main: '/etc/containerd/config.toml' },
  });
  const wrapped = {
    execStart: ['/bin/sh', '-c', 'exec containerd $OPTS'],
    environment: ['OPTS=-c /etc/x.toml'],
  };
  t.match(await onHost(t, wrapped).launch(), {
    binary: '/usr/bin/containerd',
    config: { main: '/etc/x.toml' },
  });
  const named = { execStart: ['ctrd', '-c', '/etc/y.toml'], program: '/usr/bin/containerd', cwd: '/srv' };
  t.match(await onHost(t, named).launch(), {
    binary: '/usr/bin/containerd',
    config: { main: '/etc/y.toml' },
  });
});

t.test('on a host, the process has what the unit does not show', async (t) => {
  const unset = { execStart: ['/usr/bin/containerd', '$OPTS'] };
  t.match(await onHost(t, unset, { argv: ['/usr/bin/containerd', '-c', '/etc/p.toml'] }).launch(), {
    config: { main: '/etc/p.toml' },
    notes: [],
  });
  const script = { execStart: ['/bin/sh', '-c', '. /etc/x; exec containerd $O'] };
  t.match(await onHost(t, script, { argv: ['containerd', '--config=/etc/q.toml'] }).launch(), {
    binary: '/usr/bin/containerd',
    config: { main: '/etc/q.toml' },
  });
  const passed = { execStart: ['/usr/bin/containerd'], passed: ['CONTAINERD_CONFIG'] };
  const environ = 'CONTAINERD_CONFIG=/etc/r.toml\0';
  for (const unit of [passed, {}])
    t.match(await onHost(t, unit, { argv: ['/usr/bin/containerd'], environ }).launch(), {
      config: { main: '/etc/containerd/config.toml' },
    });
});

t.test(
  'on a host, a waiting shell is no runtime, and a command that cannot be resolved is refused',
  async (t) => {
    const script = { execStart: ['/bin/sh', '-c', '. /etc/x; exec containerd $O'], fragment };
    const refused = { code: 'unclear-start', where: { file: fragment } };
    t.match(await onHost(t, script).launch(), refused);
    const waits = onHost(t, script, {
      argv: ['/bin/sh', '-c', '. /etc/x; exec containerd $O'],
      exe: '/usr/bin/dash',
    });
    waits.node.write('/usr/bin/dash', 'a shell', 0o755);
    t.match(await waits.launch(), refused);
    t.match(await onHost(t, { execStart: ['/opt/none/containerd'] }).launch(), { code: 'no-runtime' });
  },
);

t.test('on a host, the present unit takes precedence over the command line of the process', async (t) => {
  const facts = { execStart: ['/usr/bin/containerd', '-c', '/etc/new.toml'] };
  t.match(await onHost(t, facts, { argv: ['/usr/bin/containerd', '-c', '/etc/old.toml'] }).launch(), {
    config: { main: '/etc/new.toml' },
  });
});
