import t from 'tap';
import { isProgram as isRuntime } from '../../../daemon/runtimes/containerd/launch.ts';
import { lookThrough, type Start, throughScript } from '../../../host/unit-file/start.ts';

const start = (...argv: readonly string[]): Start => ({
  program: argv[0] ?? '',
  argv,
  environment: new Map([['OPTS', '-c /etc/x.toml']]),
  cwd: '/',
  unset: [],
});
const seen = (...argv: readonly string[]) => lookThrough(start(...argv), isRuntime);
const program = (...argv: readonly string[]) => ({ kind: 'program', start: { program: argv[0], argv } });

t.test('a plain command is the program itself', async (t) => {
  t.match(seen('/usr/bin/containerd', '-c', '/x'), program('/usr/bin/containerd', '-c', '/x'));
  t.match(seen('/opt/bin/other'), program('/opt/bin/other'));
  for (const name of ['containerd', '/opt/containerd', 'containerd-2.1.0', 'containerd-v2'])
    t.ok(isRuntime(name), name);
  for (const name of ['containerd-shim-runc-v2', 'containerd-stress', 'containerd.toml'])
    t.notOk(isRuntime(name));
});

t.test('wrappers before a program are skipped, with their options', async (t) => {
  for (const before of [
    ...['nice -n 5', 'nice -n5', 'nice -5', '/usr/bin/nice --adjustment=5', 'nice --adjustment 5'],
    ...['ionice -c 2 -n 0', 'ionice -c2 -n0 --', 'taskset 0xff', 'taskset -c 0-3', 'taskset -ac 0-3'],
    ...[
      'chrt -f 10',
      'setsid -w',
      'nohup',
      'stdbuf -oL -e L',
      'choom -n -999 --',
      'numactl --cpunodebind=0 -m 0',
    ],
    ...[
      'env',
      'env -i A=1',
      'env -u B -- C=2',
      'timeout -k 5 10',
      'systemd-cat -t ctrd',
      'prlimit --nofile=9',
    ],
    ...['env nice -n 1 ionice -c 3 taskset -c 1 setsid', 'tini --', 'cgexec -g cpu:x'],
  ])
    t.match(
      seen(...before.split(' '), '/opt/containerd', '-c', '/x'),
      program('/opt/containerd', '-c', '/x'),
      before,
    );
});

t.test('env sets and removes variables, and changes the folder', async (t) => {
  const one = seen('env', '-u', 'OPTS', '-C', 'etc', 'CONTAINERD_CONFIG=/y.toml', 'containerd');
  t.match(one, { start: { cwd: '/etc', environment: new Map([['CONTAINERD_CONFIG', '/y.toml']]) } });
  t.match(seen('env', '-i', 'containerd'), { start: { environment: new Map() } });
  t.match(seen('env', '-S', 'containerd -c /x'), { kind: 'unclear', why: /env -S/ });
  t.match(seen('env', 'A=1'), { kind: 'unclear' });
});

t.test('sh -c is read, with its arguments, also within others', async (t) => {
  t.match(seen('/bin/sh', '-c', 'exec containerd $OPTS'), program('containerd', '-c', '/etc/x.toml'));
  t.match(seen('bash', '-ec', 'exec "$0" "$@"', 'containerd', '-c', '/z'), program('containerd', '-c', '/z'));
  t.match(seen('busybox', 'sh', '-c', 'containerd'), program('containerd'));
  t.match(seen('nice', 'sh', '-c', 'sh -c "exec nice containerd -c /x"'), program('containerd', '-c', '/x'));
  t.match(seen('sh', '-o', 'errexit', '-c', 'containerd $NO'), { start: { unset: ['NO'] } });
  t.match(seen('sh', '/opt/start.sh', '-c', '/x'), {
    kind: 'script',
    start: { argv: ['/opt/start.sh', '-c', '/x'] },
  });
  for (const argv of [
    ['sh'],
    ['sh', '-l', '-c', 'containerd'],
    ['bash', '--login', '-c', 'x'],
    ['busybox', 'ash', '-s'],
  ])
    t.match(seen(...argv), { kind: 'unclear', why: /./ }, argv.join(' '));
  t.match(seen('sh', '-c', 'x | containerd'), { kind: 'unclear', why: /a shell command with "\|" in it/ });
});

t.test('a start script is read as its shell does', async (t) => {
  const script = (text: string) => throughScript(text, start('/opt/start', '-l', 'debug'), isRuntime);
  t.match(
    script(
      '#!/bin/sh -e\n# ours\nmodprobe overlay || :\nexec nice /usr/bin/containerd -c /etc/s.toml "$@"\n',
    ),
    program('/usr/bin/containerd', '-c', '/etc/s.toml', '-l', 'debug'),
  );
  t.match(script('#!/usr/bin/env bash\nexec containerd'), program('containerd'));
  t.match(script('#!/usr/bin/python3\nimport os'), {
    kind: 'unclear',
    why: /a script for \/usr\/bin\/python3/,
  });
  t.match(script('#!/bin/sh\n. /etc/default/x\nexec containerd'), {
    kind: 'unclear',
    why: /start, a script: .*"\."/,
  });
  t.match(script('#!/bin/bash -l\nexec containerd'), { kind: 'unclear' });
});

t.test('an unknown or endless chain of commands is unclear', async (t) => {
  t.match(seen('/usr/bin/unshare', '-m', 'containerd', '-c', '/x'), { kind: 'unclear', why: /unshare/ });
  t.match(seen('/usr/bin/unshare', '-m', 'sh', '-c', 'exec containerd -c /x'), {
    kind: 'unclear',
    why: /unshare/,
  });
  t.match(seen('ip', 'netns', 'exec', 'a', '/usr/bin/containerd'), { kind: 'unclear' });
  t.match(seen('nice', '-n', '5'), { kind: 'unclear' });
  t.match(seen(...Array<string>(20).fill('nohup'), 'containerd'), { kind: 'unclear' });
});
