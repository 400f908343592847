/**
 * What dpkg and rpm run, on a folder in place of the root. systemctl and Debian's deb-systemd-* are stand-ins that record how they
 * were called; real nodes are in vm-tests/packages/life.test.ts.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { type Moment, type Packager, scriptsOf } from '../../../packaging/release/packages/scripts.ts';

const recorder = (name: string, more = ''): string =>
  `#!/bin/sh\necho "${name} $*" >>"$CALLS"\n${more}exit 0\n`;

type Host = {
  readonly path: (name: string) => string;
  write(name: string, text: string, mode?: number): void;
  link(target: string): void;
  run(
    packager: Packager,
    moment: Moment,
    ...argv: readonly string[]
  ): { readonly status: number | null; readonly said: string; readonly calls: readonly string[] };
};

/** A host on which the files of the package lie, with systemd unless told. */
const makeHost = (
  t: Test,
  options: { readonly systemd?: boolean; readonly active?: boolean; readonly failed?: boolean } = {},
): Host => {
  const root = t.testdir({ root: {}, tools: {}, calls: '' });
  const path = (name: string): string => join(root, 'root', name);
  const write: Host['write'] = (name, text, mode = 0o644) => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text, { mode });
  };
  const denied = [
    ...(options.active === false || options.failed ? ['is-active'] : []),
    ...(options.failed ? [] : ['is-failed']),
  ];
  const isActive = denied.map((word) => `case "$*" in *${word}*) exit 3;; esac\n`).join('');
  const tools = {
    systemctl: recorder('systemctl', isActive),
    'deb-systemd-helper': recorder('helper'),
    'deb-systemd-invoke': recorder('invoke'),
  };
  for (const [name, text] of Object.entries(tools))
    writeFileSync(join(root, 'tools', name), text, { mode: 0o755 });
  if (options.systemd !== false) mkdirSync(path('run/systemd/system'), { recursive: true });
  const program = `#!/bin/sh\necho "uninstall $*" >>"$CALLS"\ncat ${path('etc/rcm-node/config.toml')} >>"$CALLS"\nexit "\${CODE:-0}"\n`;
  write('opt/rcm-node/bin/versions/package/rcm-node', program, 0o755);
  write('opt/rcm-node/bin/versions/package/libatomic.so.1', 'library');
  mkdirSync(path('etc'), { recursive: true });
  return {
    path,
    write,
    link: (target) => symlinkSync(target, path('opt/rcm-node/bin/rcm-node')),
    run: (packager, moment, ...argv) => {
      const text = scriptsOf(packager).find(([one]) => one === moment)?.[1] ?? '';
      const here = text.replace(/(?<=[\s"'=])\/(opt|etc|var|run)\//g, `${join(root, 'root')}/$1/`);
      const calls = join(root, 'calls');
      writeFileSync(calls, '');
      const env = {
        PATH: `${join(root, 'tools')}:${process.env.PATH}`,
        CALLS: calls,
        CODE: process.env.CODE,
      };
      const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', here, 'script', ...argv], {
        encoding: 'utf8',
        env,
      });
      const recorded = readFileSync(calls, 'utf8').split('\n').filter(Boolean);
      return { status, said: stdout + stderr, calls: recorded };
    },
  };
};

const linked = (host: Host): string | undefined =>
  existsSync(host.path('opt/rcm-node/bin/rcm-node'))
    ? readlinkSync(host.path('opt/rcm-node/bin/rcm-node'))
    : undefined;

const own = 'versions/package/rcm-node';
const others = 'versions/0.9.0/rcm-node';

/** As dpkg does: its own files go, and then the settings. */
const takeFiles = (host: Host): void => {
  rmSync(host.path('opt/rcm-node/bin/versions/package'), { recursive: true });
  rmSync(host.path('etc/rcm-node/config.toml'), { force: true });
};

const withCode = <T>(code: string, run: () => T): T => {
  process.env.CODE = code;
  try {
    return run();
  } finally {
    process.env.CODE = '0';
  }
};

t.test('Debian: an install enables and starts, an upgrade restarts what runs', async (t) => {
  const host = makeHost(t);
  const first = host.run('deb', 'postinstall', 'configure');
  t.equal(first.status, 0, first.said);
  t.equal(linked(host), own);
  t.ok(first.calls.includes('helper enable rcm-node.service'));
  t.ok(first.calls.includes('invoke start rcm-node.service'));
  const next = host.run('deb', 'postinstall', 'configure', '0.1.0');
  t.ok(next.calls.includes('invoke restart rcm-node.service'));
  t.notOk(next.calls.includes('invoke start rcm-node.service'));
  for (const call of [...first.calls, ...next.calls]) t.notMatch(call, /containerd|crio/);
});

t.test('a service that an administrator stopped stays stopped at an upgrade', async (t) => {
  const host = makeHost(t, { active: false });
  host.link(own);
  const { calls } = host.run('deb', 'postinstall', 'configure', '0.1.0');
  t.same(
    calls.filter((call) => call.startsWith('invoke')),
    [],
  );
});

t.test('without systemd, as in a chroot, the unit is enabled and nothing is started', async (t) => {
  const host = makeHost(t, { systemd: false });
  const { status, calls } = host.run('deb', 'postinstall', 'configure');
  t.equal(status, 0);
  t.same(calls, ['helper --quiet was-enabled rcm-node.service', 'helper enable rcm-node.service']);
});

t.test('a version that bootstrap placed stays in use through install, upgrade and removal', async (t) => {
  for (const packager of ['deb', 'rpm'] as const) {
    const host = makeHost(t);
    host.write('opt/rcm-node/bin/versions/0.9.0/rcm-node', 'newer', 0o755);
    host.link(others);
    const install = packager === 'deb' ? ['configure', '0.1.0'] : ['2'];
    const installed = host.run(packager, 'postinstall', ...install);
    t.match(installed.said, /did not bring: that version stays in use/);
    const removed = host.run(packager, 'preremove', packager === 'deb' ? 'remove' : '0');
    t.equal(linked(host), others, packager);
    for (const call of [...installed.calls, ...removed.calls]) t.notMatch(call, /\b(re)?(start|stop)\b/);
    t.notOk(existsSync(host.path('opt/rcm-node/bin/removed')));
    const purged = host.run(packager, 'postremove', packager === 'deb' ? 'purge' : '0');
    t.equal(purged.status, 0);
    t.notMatch(purged.calls.join('\n'), /uninstall|helper purge/, 'its unit stays enabled');
    t.equal(linked(host), others, packager);
  }
});

t.test('Debian: a removal stops the service, and a purge uninstalls with the former settings', async (t) => {
  const host = makeHost(t);
  host.link(own);
  host.write('etc/rcm-node/config.toml', '# the settings\n');
  mkdirSync(host.path('var/lib/rcm-node'), { recursive: true });
  const removed = host.run('deb', 'preremove', 'remove');
  t.equal(removed.status, 0, removed.said);
  t.same(removed.calls, ['invoke stop rcm-node.service']);
  t.match(removed.said, /handlers stay served/);
  t.equal(linked(host), undefined);

  await t.test('an install after it starts again', async (t) => {
    const again = makeHost(t);
    again.write('opt/rcm-node/bin/removed/rcm-node', 'former');
    const { calls } = again.run('deb', 'postinstall', 'configure', '0.1.0');
    t.ok(calls.includes('invoke start rcm-node.service'));
    t.notOk(existsSync(again.path('opt/rcm-node/bin/removed')));
  });

  takeFiles(host);
  const waits = withCode('4', () => host.run('deb', 'postremove', 'purge'));
  t.equal(waits.status, 1, 'a handler in use keeps the package known to dpkg');
  t.match(waits.said, /exit code 4.*again: apt purge rcm-node/);
  t.notOk(existsSync(host.path('etc/rcm-node/config.toml')));

  const purged = host.run('deb', 'postremove', 'purge');
  t.equal(purged.status, 0, purged.said);
  t.same(purged.calls, ['uninstall uninstall', '# the settings', 'helper purge rcm-node.service']);
  for (const name of ['opt/rcm-node', 'etc/rcm-node']) t.notOk(existsSync(host.path(name)), name);
});

/** Removed, and a purge of it failed. */
const failedPurge = (t: Test): Host => {
  const host = makeHost(t);
  host.link(own);
  host.write('etc/rcm-node/config.toml', 'policy = true\n');
  mkdirSync(host.path('var/lib/rcm-node'), { recursive: true });
  host.run('deb', 'preremove', 'remove');
  takeFiles(host);
  t.equal(withCode('4', () => host.run('deb', 'postremove', 'purge')).status, 1);
  return host;
};

t.test('Debian: an install after a purge that failed has the settings from before', async (t) => {
  for (const [brought, kept] of [
    ['# comments only\n\n# of the package\n', 'policy = true\n'],
    ['written = "since"\n', 'written = "since"\n'],
  ] as const) {
    const host = failedPurge(t);
    host.write('etc/rcm-node/config.toml', brought);
    t.equal(host.run('deb', 'postinstall', 'configure', '0.1.0').status, 0);
    t.equal(readFileSync(host.path('etc/rcm-node/config.toml'), 'utf8'), kept);
    t.same(readdirSync(host.path('etc/rcm-node')), ['config.toml']);
  }
});

t.test(
  'Debian: a purge that is repeated uses settings that were written since, and keeps them',
  async (t) => {
    const host = failedPurge(t);
    host.write('etc/rcm-node/config.toml', 'written = "since"\n');
    const { status, calls } = host.run('deb', 'postremove', 'purge');
    t.equal(status, 0);
    t.ok(calls.includes('written = "since"'));
    t.equal(readFileSync(host.path('etc/rcm-node/config.toml'), 'utf8'), 'written = "since"\n');
  },
);

t.test('Debian: a purge is done where only a stopped runtime has to be started', async (t) => {
  const host = failedPurge(t);
  rmSync(host.path('var/lib/rcm-node'), { recursive: true });
  t.equal(withCode('4', () => host.run('deb', 'postremove', 'purge')).status, 0);
  t.notOk(existsSync(host.path('opt/rcm-node')));
  const store = failedPurge(t);
  rmSync(store.path('var/lib/rcm-node'), { recursive: true });
  store.write('opt/rcm-node/store/key/shim', 'in use');
  t.equal(withCode('4', () => store.run('deb', 'postremove', 'purge')).status, 1);
});

t.test('Debian: a program that cannot be run any more fails the purge, and says how to go on', async (t) => {
  const host = failedPurge(t);
  rmSync(host.path('opt/rcm-node/bin/removed/rcm-node'));
  host.write('opt/rcm-node/bin/removed/rcm-node', 'no program', 0o644);
  t.match(host.run('deb', 'postremove', 'purge'), { status: 1, said: /noexec/ });
});

t.test('Debian: what was unpacked and never configured is removed without its prerm', async (t) => {
  const host = makeHost(t);
  host.link(own);
  mkdirSync(host.path('var/lib/rcm-node'), { recursive: true });
  host.write('etc/rcm-node/config.toml', 'policy = true\n');
  rmSync(host.path('opt/rcm-node/bin/versions/package'), { recursive: true });
  const removed = host.run('deb', 'postremove', 'remove');
  rmSync(host.path('etc/rcm-node/config.toml'));
  t.same(removed.calls, ['systemctl stop rcm-node.service', 'systemctl --system daemon-reload']);
  t.throws(() => readlinkSync(host.path('opt/rcm-node/bin/rcm-node')));
  t.match(host.run('deb', 'postremove', 'purge'), { status: 1, said: /install the package again/ });
  t.equal(readFileSync(host.path('opt/rcm-node/bin/removed/config.toml'), 'utf8'), 'policy = true\n');
  t.ok(existsSync(host.path('opt/rcm-node/bin/removed/purging')));
  rmSync(host.path('var/lib/rcm-node'), { recursive: true });
  t.equal(host.run('deb', 'postremove', 'purge').status, 0);
  t.notOk(existsSync(host.path('opt/rcm-node')));
});

t.test('Debian: a purge leaves what a cluster took over after the removal', async (t) => {
  const host = makeHost(t);
  host.link(own);
  mkdirSync(host.path('var/lib/rcm-node'), { recursive: true });
  host.run('deb', 'preremove', 'remove');
  takeFiles(host);
  host.write('opt/rcm-node/bin/versions/0.9.0/rcm-node', 'of the cluster', 0o755);
  host.link(others);
  const { status, said, calls } = host.run('deb', 'postremove', 'purge');
  t.equal(status, 0);
  t.match(said, /stays in use/);
  t.same(calls, []);
  t.notOk(existsSync(host.path('opt/rcm-node/bin/removed')));
  t.ok(existsSync(host.path('var/lib/rcm-node')));
});

t.test('Debian: a purge in an image where nothing was served asks no system bus', async (t) => {
  for (const served of [false, true]) {
    const host = makeHost(t, { systemd: false });
    host.link(own);
    if (served) mkdirSync(host.path('var/lib/rcm-node'), { recursive: true });
    host.run('deb', 'preremove', 'remove');
    takeFiles(host);
    host.write('etc/rcm-node/config.toml', '');
    const { status, calls } = host.run('deb', 'postremove', 'purge');
    t.equal(status, 0);
    t.equal(calls.includes('uninstall uninstall'), served);
    t.notOk(existsSync(host.path('opt/rcm-node')));
  }
});

t.test('Debian: files of the administrator stay at a purge, and are named', async (t) => {
  const host = makeHost(t);
  host.link(own);
  host.write('etc/rcm-node/shims.d/mine.toml', 'mine');
  host.run('deb', 'preremove', 'remove');
  const purged = host.run('deb', 'postremove', 'purge');
  t.equal(purged.status, 0);
  t.match(purged.said, /etc\/rcm-node stays/);
  t.ok(existsSync(host.path('etc/rcm-node/shims.d/mine.toml')));
});

t.test('Debian: an upgrade stops nothing before its files are there', async (t) => {
  const host = makeHost(t);
  host.link(own);
  t.same(host.run('deb', 'preremove', 'upgrade', '0.2.0').calls, []);
  t.equal(linked(host), own);
});

t.test('rpm: install, upgrade, removal', async (t) => {
  const host = makeHost(t);
  t.same(host.run('rpm', 'postinstall', '1').calls, [
    'systemctl --no-reload enable rcm-node.service',
    'systemctl daemon-reload',
    'systemctl reset-failed rcm-node.service',
    'systemctl start rcm-node.service',
  ]);
  t.equal(linked(host), own);
  t.same(host.run('rpm', 'postinstall', '2').calls, [
    'systemctl daemon-reload',
    'systemctl --quiet is-active rcm-node.service',
    'systemctl reset-failed rcm-node.service',
    'systemctl restart rcm-node.service',
  ]);
  t.same(host.run('rpm', 'preremove', '1').calls, [], 'the former version of an upgrade');
  t.same(host.run('rpm', 'preremove', '0').calls, [
    'systemctl stop rcm-node.service',
    'systemctl --no-reload disable rcm-node.service',
  ]);
  t.equal(linked(host), undefined);
});

t.test('a service that failed is started with the new version; one that was stopped is not', async (t) => {
  const moments = [
    ['deb', ['postinstall', 'configure', '0.1.0'], 'invoke restart rcm-node.service'],
    ['rpm', ['postinstall', '2'], 'systemctl restart rcm-node.service'],
  ] as const;
  for (const [packager, argv, restart] of moments) {
    const [moment, ...rest] = argv;
    for (const failed of [true, false]) {
      const host = makeHost(t, { active: false, failed });
      host.link(own);
      const { calls } = host.run(packager, moment, ...rest);
      // Else systemd could refuse the start: it counts those before.
      const reset = calls.indexOf('systemctl reset-failed rcm-node.service');
      t.equal(calls.indexOf(restart) > reset && reset >= 0, failed, `${packager}: ${calls.join(', ')}`);
      t.equal(calls.includes(restart), failed, packager);
    }
  }
});
