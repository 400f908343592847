import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { sendDatagram } from '../../../host/systemd/datagram.ts';
import { until } from '../../../testbed/until.ts';

/** Not tap's own folder: the path of a socket may have 107 characters at most. */
const freshFolder = (test: { teardown(what: () => unknown): void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-datagram-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const openSockets = (): number => readdirSync('/proc/self/fd').length;

/** Node cannot listen for datagrams, so another program stands in for systemd: it prints who sent each of them, and what. */
const listener = `
import os, socket, struct, sys, time
name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + name[1:] if name[0] == "@" else name)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
print("listening")
time.sleep(float(sys.argv[2]))
while True:
    text, control, _, _ = s.recvmsg(4096, 100)
    print(struct.unpack("3i", control[0][2])[0], repr(text.decode()))
`;

const skip = spawnSync('python3', ['--version']).status === 0 ? false : 'python3 is not installed';

const listenAt = async (t: Test, socket: string, lateSeconds = 0): Promise<readonly string[]> => {
  const child = spawn('python3', ['-u', '-c', listener, socket, `${lateSeconds}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await once(reader, 'line');
  return lines;
};

t.test('a datagram arrives whole, as sent by this process', { skip }, async (t) => {
  const socket = join(freshFolder(t), 'notify');
  const lines = await listenAt(t, socket);
  const before = openSockets();
  await sendDatagram(socket, 'READY=1\nSTATUS=serving spin, 2 µs');
  await sendDatagram(socket, 'WATCHDOG=1');
  t.equal(openSockets(), before, 'nothing stays open');
  await until(() => lines.length === 3);
  t.strictSame(lines.slice(1), [
    `${process.pid} 'READY=1\\nSTATUS=serving spin, 2 µs'`,
    `${process.pid} 'WATCHDOG=1'`,
  ]);
});

t.test('an abstract socket is one too', { skip }, async (t) => {
  const socket = `@rcm-node-test-${process.pid}`;
  const lines = await listenAt(t, socket);
  await sendDatagram(socket, 'READY=1');
  await until(() => lines.length === 2);
  t.equal(lines[1], `${process.pid} 'READY=1'`);
});

t.test('a receiver that is busy is waited for', { skip }, async (t) => {
  const socket = join(freshFolder(t), 'notify');
  // systemd reads nothing while it loads its units again, or while another user floods it.
  const lines = await listenAt(t, socket, 6);
  // More than the kernel keeps for a receiver (net.unix.max_dgram_qlen).
  const many = 600;
  for (let at = 0; at < many; at += 1) await sendDatagram(socket, `STATUS=${at}`);
  await until(() => lines.length === many + 1);
  t.equal(lines.at(-1), `${process.pid} 'STATUS=${many - 1}'`);
});

t.test('what cannot be sent is an error, and leaves nothing open', async (t) => {
  const folder = freshFolder(t);
  const before = openSockets();
  await t.rejects(sendDatagram(join(folder, 'none'), 'READY=1'), /nothing can be sent to .*none: ENOENT/);
  writeFileSync(join(folder, 'file'), '');
  await t.rejects(sendDatagram(join(folder, 'file'), 'READY=1'), /ECONNREFUSED/);
  await t.rejects(sendDatagram('vsock:2:1234', 'READY=1'), /no address of a unix socket/);
  await t.rejects(sendDatagram(`/${'x'.repeat(107)}`, 'READY=1'), /no address of a unix socket/);
  t.equal(openSockets(), before);
});
