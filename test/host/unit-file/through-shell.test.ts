import t from 'tap';
import { isProgram as isRuntime } from '../../../daemon/runtimes/containerd/launch.ts';
import { endingOf } from '../../../host/unit-file/through-shell.ts';

const end = (script: string, positional: readonly string[] = ['sh']) =>
  endingOf(script, { environment: new Map([['OPTS', '-c /etc/x.toml']]), cwd: '/', positional }, isRuntime);

t.test('the last command of a script is found, with the variables set before it', async (t) => {
  t.match(end('exec containerd $OPTS'), { words: ['containerd', '-c', '/etc/x.toml'], unset: [] });
  t.match(end('set -eu\nmodprobe overlay || true\nulimit -n 1048576\nexec /usr/bin/containerd'), {
    words: ['/usr/bin/containerd'],
  });
  t.match(end('F=/etc/y.toml; export G="$F"; cd /srv; A=1 exec containerd -c $F'), {
    words: ['containerd', '-c', '/etc/y.toml'],
    environment: new Map([
      ['G', '/etc/y.toml'],
      ['A', '1'],
    ]),
    cwd: '/srv',
  });
  t.match(end('exec containerd "$@"', ['sh', '-c', '/a b']), { words: ['containerd', '-c', '/a b'] });
  t.match(end('containerd -c /x; echo over'), { words: ['containerd', '-c', '/x'] });
  t.match(end('[ -x /bin/y ] || exit 0; exec -a name containerd'), { words: ['containerd'] });
  t.match(end('containerd $MORE'), { words: ['containerd'], unset: ['MORE'] });
  t.match(end('command containerd'), { words: ['containerd'] });
  t.match(end('containerd config default > /etc/x; containerd --version; exec containerd -c /x'), {
    words: ['containerd', '-c', '/x'],
  });
  t.match(end('mkdir -p /x && exec containerd -c /x'), { words: ['containerd', '-c', '/x'] });
});

t.test('defaults for unset or empty variables are used as a shell does', async (t) => {
  t.match(end(`: \${F:=/y}; exec containerd -c $F`), { words: ['containerd', '-c', '/y'] });
  t.match(end(`E=; exec containerd -c /x\${E-y}\${E:-z}`), { words: ['containerd', '-c', '/xz'] });
  t.match(end(`E=; : \${E=/y}; exec containerd -c /x$E`), { words: ['containerd', '-c', '/x'] });
});

t.test('of two commands that may start it none is chosen', async (t) => {
  for (const script of [
    '[ -f /a ] && exec containerd -c /a; exec containerd -c /b',
    '[ -f /a ] && containerd -c /a || containerd -c /b',
    '[ -f /a ] && exec containerd -c /a || exec containerd -c /b',
    'containerd -c /a; containerd -c /b',
    'containerd -c /a; $OTHER',
    'IFS=,; exec containerd $OPTS',
    'command . /etc/default/x; exec containerd $OPTS',
    'command cd /etc; exec containerd -c x',
    'pushd /etc; exec containerd -c x',
  ])
    t.match(end(script), { kind: 'unclear', why: /./ }, script);
});

t.test('a command that may differ at run time is unclear', async (t) => {
  for (const script of [
    ...[
      '. /etc/default/containerd; exec containerd $OPTS',
      'eval "$X"',
      'a || exec containerd',
      'cd etc; containerd',
    ],
    ...[
      '[ -f /x ] && F=/x; exec containerd -c $F',
      'set -- -c /x; exec containerd "$@"',
      'exec -c containerd',
    ],
    ...[
      'if true; then containerd; fi',
      'exit 0; containerd',
      'false && cd /x; containerd',
      '',
      '# nothing',
      'A=1',
    ],
  ])
    t.match(end(script), { kind: 'unclear', why: /./ }, script);
});
