import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { makeNotifier, type RunNotify } from '../../../host/systemd/notify.ts';
import { until } from '../../../testbed/until.ts';

/** Not tap's own folder: the path of a socket may have 107 characters at most. */
const freshFolder = (test: { teardown(what: () => unknown): void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-notify-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const recorder = () => {
  const runs: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> }[] = [];
  const run: RunNotify = async (argv, env) => void runs.push({ argv, env });
  return { runs, run };
};

t.test('without NOTIFY_SOCKET nothing is run', async (t) => {
  const { runs, run } = recorder();
  for (const env of [{}, { NOTIFY_SOCKET: '', WATCHDOG_USEC: '1000000' }]) {
    const notifier = makeNotifier(env, run);
    await notifier.ready('up');
    await notifier.status('up');
    await notifier.watchdog();
    await notifier.stopping();
    t.equal(notifier.watchdogMs, undefined);
  }
  t.strictSame(runs, []);
});

t.test('each message is one run, with the socket and nothing secret in its environment', async (t) => {
  const { runs, run } = recorder();
  const notifier = makeNotifier({ NOTIFY_SOCKET: '/run/n', PATH: '/bin', TOKEN: 'secret' }, run);
  await notifier.ready('serving spin');
  await notifier.status('waiting');
  await notifier.watchdog();
  await notifier.stopping();
  t.strictSame(
    runs.map((one) => one.argv),
    [
      ['systemd-notify', '--ready', '--status=serving spin'],
      ['systemd-notify', '--status=waiting'],
      ['systemd-notify', 'WATCHDOG=1'],
      ['systemd-notify', 'STOPPING=1'],
    ],
  );
  t.strictSame(runs[0]?.env, { NOTIFY_SOCKET: '/run/n', PATH: '/bin' });
});

t.test('a status is one line of at most 300 characters and cannot set anything else', async (t) => {
  const { runs, run } = recorder();
  const notifier = makeNotifier({ NOTIFY_SOCKET: '/run/n' }, run);
  await notifier.status(' a\nMAINPID=1\r\n\u0000\u001b[31mb\u2028c \ud800');
  await notifier.status('x'.repeat(400));
  await notifier.status('x'.repeat(300));
  t.equal(runs[0]?.argv[1], '--status=a MAINPID=1 b c \ufffd');
  t.equal(runs[1]?.argv[1], `--status=${'x'.repeat(299)}…`);
  t.equal(runs[2]?.argv[1], `--status=${'x'.repeat(300)}`);
});

t.test('a missing or failing program is logged once, and breaks nothing', async (t) => {
  const told: unknown[] = [];
  const run: RunNotify = async () => Promise.reject(new Error('spawn systemd-notify ENOENT'));
  const notifier = makeNotifier({ NOTIFY_SOCKET: '/run/n' }, run, (error) => told.push(error));
  await notifier.ready('up');
  await notifier.watchdog();
  await notifier.stopping();
  t.match(told, [{ message: 'spawn systemd-notify ENOENT' }]);
  t.equal(told.length, 1);
  await makeNotifier({ NOTIFY_SOCKET: '/run/n' }, run).ready('up');
});

t.test('the watchdog applies only when it names this process, with a valid time', async (t) => {
  const { run } = recorder();
  const ms = (env: Record<string, string>) =>
    makeNotifier({ NOTIFY_SOCKET: '/run/n', ...env }, run, undefined, 77).watchdogMs;
  t.equal(ms({ WATCHDOG_USEC: '120000000', WATCHDOG_PID: '77' }), 120_000);
  t.equal(ms({ WATCHDOG_USEC: '120000000' }), 120_000);
  t.equal(ms({ WATCHDOG_USEC: '120000000', WATCHDOG_PID: '78' }), undefined);
  for (const usec of ['', '0', '-5', 'soon', '1e999', '1.5'])
    t.equal(ms({ WATCHDOG_USEC: usec, WATCHDOG_PID: '77' }), undefined, JSON.stringify(usec));
  t.equal(ms({}), undefined);
});

const here = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const missing = ['systemd-notify', 'python3'].filter((program) => !here(program));

t.test(
  'systemd-notify takes our messages and sends what systemd understands',
  // Node cannot listen for datagrams, so another program stands in for systemd.
  { skip: missing.length > 0 ? `not installed on this machine: ${missing.join(', ')}` : false },
  async (t) => {
    const socket = join(freshFolder(t), 'notify');
    const listener = spawn(
      'python3',
      [
        '-u',
        '-c',
        [
          'import socket, sys',
          's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
          's.bind(sys.argv[1])',
          'print("listening")',
          'while True: print(repr(s.recv(4096).decode()))',
        ].join('\n'),
        socket,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    t.teardown(() => listener.kill('SIGKILL'));
    const lines: string[] = [];
    const reader = createInterface({ input: listener.stdout }).on('line', (line) => lines.push(line));
    await once(reader, 'line');

    const run: RunNotify = async ([program, ...words], env) => {
      const [code] = await once(
        spawn(program, words, { env, stdio: ['ignore', 'inherit', 'inherit'] }),
        'exit',
      );
      if (code !== 0) throw new Error(`exit ${code}`);
    };
    const fail = (error: unknown) => t.fail('systemd-notify failed', { error });
    const notifier = makeNotifier({ NOTIFY_SOCKET: socket, PATH: process.env.PATH }, run, fail);
    await notifier.ready('serving spin\nMAINPID=1');
    await notifier.watchdog();
    await notifier.stopping();
    await until(() => lines.some((line) => line.includes('STOPPING=1')));
    const sent = lines.filter((line) => !/^listening|BARRIER/.test(line)).join(' ');
    t.match(sent, /READY=1/);
    t.match(sent, /STATUS=serving spin MAINPID=1/);
    t.match(sent, /WATCHDOG=1/);
    t.notMatch(sent, /\\nMAINPID=1(\\n|')/);
  },
);
