import t from 'tap';
import { makeNotifier, type Send } from '../../../host/systemd/notify.ts';

const recorder = () => {
  const sent: (readonly [socket: string, text: string])[] = [];
  const send: Send = async (...one) => void sent.push(one);
  return { sent, send };
};

t.test('without NOTIFY_SOCKET nothing is sent', async (t) => {
  const { sent, send } = recorder();
  for (const env of [{}, { NOTIFY_SOCKET: '', WATCHDOG_USEC: '1000000' }]) {
    const notifier = makeNotifier(env, send);
    await notifier.ready('up');
    await notifier.status('up');
    await notifier.watchdog();
    await notifier.stopping();
    t.equal(notifier.watchdogMs, undefined);
  }
  t.strictSame(sent, []);
});

t.test('each message is one datagram', async (t) => {
  const { sent, send } = recorder();
  const notifier = makeNotifier({ NOTIFY_SOCKET: '/run/n' }, send);
  await notifier.ready('serving spin');
  await notifier.status('waiting');
  await notifier.watchdog();
  await notifier.stopping();
  t.strictSame(sent, [
    ['/run/n', 'READY=1\nSTATUS=serving spin'],
    ['/run/n', 'STATUS=waiting'],
    ['/run/n', 'WATCHDOG=1'],
    ['/run/n', 'STOPPING=1'],
  ]);
});

t.test('a status is one line of at most 300 characters and cannot set anything else', async (t) => {
  const { sent, send } = recorder();
  const notifier = makeNotifier({ NOTIFY_SOCKET: '/run/n' }, send);
  await notifier.status(' a\nMAINPID=1\r\n\u0000\u001b[31mb\u2028c \ud800');
  await notifier.status('x'.repeat(400));
  await notifier.status('x'.repeat(300));
  t.strictSame(
    sent.map(([, text]) => text),
    ['STATUS=a MAINPID=1 b c \ufffd', `STATUS=${'x'.repeat(299)}…`, `STATUS=${'x'.repeat(300)}`],
  );
});

t.test('a socket that takes nothing is logged once, and breaks nothing', async (t) => {
  const told: unknown[] = [];
  const send: Send = async () => Promise.reject(new Error('ECONNREFUSED'));
  const notifier = makeNotifier({ NOTIFY_SOCKET: '/run/n' }, send, (error) => told.push(error));
  await notifier.ready('up');
  await notifier.watchdog();
  await notifier.stopping();
  t.match(told, [{ message: 'ECONNREFUSED' }]);
  t.equal(told.length, 1);
  await makeNotifier({ NOTIFY_SOCKET: '/run/n' }, send).ready('up');
});

t.test('the watchdog applies only when it names this process, with a valid time', async (t) => {
  const { send } = recorder();
  const ms = (env: Record<string, string>) =>
    makeNotifier({ NOTIFY_SOCKET: '/run/n', ...env }, send, undefined, 77).watchdogMs;
  t.equal(ms({ WATCHDOG_USEC: '120000000', WATCHDOG_PID: '77' }), 120_000);
  t.equal(ms({ WATCHDOG_USEC: '120000000' }), 120_000);
  t.equal(ms({ WATCHDOG_USEC: '120000000', WATCHDOG_PID: '78' }), undefined);
  for (const usec of ['', '0', '-5', 'soon', '1e999', '1.5'])
    t.equal(ms({ WATCHDOG_USEC: usec, WATCHDOG_PID: '77' }), undefined, JSON.stringify(usec));
  t.equal(ms({}), undefined);
});
