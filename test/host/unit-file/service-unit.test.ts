import t from 'tap';
import { thrownProblem } from '../../../testbed/failure.ts';
import { readService, startOf } from '../../../host/unit-file/service-unit.ts';

const main = '/usr/lib/systemd/system/containerd.service';
const files = (...texts: readonly string[]) =>
  texts.map((text, index) => ({
    path: index === 0 ? main : `/etc/systemd/system/containerd.service.d/${index}.conf`,
    text,
  }));
const read = (...texts: readonly string[]) => readService('containerd.service', files(...texts));
const refusal = (...texts: readonly string[]) => thrownProblem(() => read(...texts));
const plain =
  '[Unit]\nExecStart=/no\n[Service]\nExecStartPre=-/sbin/modprobe overlay\nExecStart=/usr/bin/containerd\n';

t.test('later files win, and an empty value takes a list back', async (t) => {
  t.match(read(plain), { command: { program: '/usr/bin/containerd' }, cwd: '/', environmentFiles: [] });
  const drop = '[Service]\nExecStart=\nExecStart=/opt/bin/containerd -c /etc/x.toml\n';
  t.match(read(plain, drop), { command: { argv: ['/opt/bin/containerd', '-c', '/etc/x.toml'] } });
  const service = read(
    `${plain}Environment=A=1 "B=two words"\nEnvironmentFile=-/etc/default/a\nWorkingDirectory=-/srv\n`,
    '[Service]\nEnvironment=C=%n\nEnvironmentFile=/etc/b\nPassEnvironment=P Q\nUnsetEnvironment=B\n',
  );
  t.match(service, {
    environment: ['A=1', 'B=two words', 'C=containerd.service'],
    environmentFiles: [
      { path: '/etc/default/a', optional: true },
      { path: '/etc/b', optional: false },
    ],
    passed: ['P', 'Q'],
    removed: ['B'],
    cwd: '/srv',
  });
  t.same(read(`${plain}Environment=A=1\n`, '[Service]\nEnvironment=\nEnvironmentFile=\n').environment, []);
  t.same(read(`${plain}ExecSearchPath=/a:/b\n`).search, ['/a', '/b']);
});

t.test('a line that systemd refuses, or that cannot be resolved, is refused with its number', async (t) => {
  t.match(refusal(plain, '[Service]\nExecStart=/opt/containerd\n'), {
    code: 'unclear-start',
    message: /more than one ExecStart=/,
    where: { file: /1\.conf$/, line: 2 },
  });
  t.equal(refusal('[Service]\nType=oneshot\nExecStart=/a\nExecStart=/b\n'), undefined);
  t.match(refusal('[Service]\nExecStart=\n'), { message: /starts nothing/, where: { file: main } });
  t.match(refusal('[Service]\nExecStart=/a -c /%H.toml'), { message: /"\/%H\.toml"/, where: { line: 2 } });
  t.match(refusal(`${plain}RootDirectory=/srv/root\n`), { message: /a root of its own/ });
  t.match(refusal(`${plain}EnvironmentFile=/etc/%m\n`), { message: /"\/etc\/%m"/ });
});

t.test('files of variables override Environment=, and removed variables are removed', async (t) => {
  const service = read(
    '[Service]\nExecStart=/c $OPTS -x $' +
      '{A}\nEnvironment=OPTS=-c\\x20/e A=1 B=2\nUnsetEnvironment=B A=0\nPassEnvironment=Z A\n',
  );
  t.match(startOf(service, []), { argv: ['/c', '-c', '/e', '-x', '1'], unset: ['Z'] });
  const start = startOf(service, [
    ['OPTS', '--config=/f'],
    ['A', '0'],
  ]);
  t.match(start, { argv: ['/c', '--config=/f', '-x', ''], unset: ['A', 'Z'] });
  t.notOk(start.environment.has('B'));
  t.match(startOf(read('[Service]\nExecStart=:/c $OPTS'), []), { argv: ['/c', '$OPTS'], unset: [] });
});
