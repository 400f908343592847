/** What is written is held to what the library itself writes, on a connection beside it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Message, MessageType, sessionBus, Variant } from 'dbus-next';
import t from 'tap';
import { type Connection, writeAsBefore } from '../../../host/systemd/written-before.ts';

type Test = { teardown(what: () => unknown): void };

/** A socket that lets everyone in and keeps what it is sent, and two connections to it. */
const connected = async (t: Test, ...prepare: readonly ((connection: Connection) => void)[]) => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-bus-'));
  const all: Socket[] = [];
  const server = createServer((socket) => {
    all.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => socket.write('OK 0123456789abcdef0123456789abcdef\r\n'));
  });
  server.listen(join(folder, 'socket'));
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of all) socket.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const busAddress = `unix:socket=${join(folder, 'socket')}`;
  return Promise.all(
    prepare.map(async (apply) => {
      const bus = sessionBus({ busAddress, authMethods: ['EXTERNAL'] });
      bus.on('error', () => undefined);
      const { _connection: connection } = bus as unknown as { _connection: Connection };
      const sent: Buffer[] = [];
      apply(connection);
      connection.once('connect', () => {
        const { write } = connection.stream;
        connection.stream.write = ((bytes: Buffer) => {
          sent.push(bytes);
          return write.call(connection.stream, bytes);
        }) as Socket['write'];
      });
      await new Promise<void>((done) => connection.once('connect', done));
      t.teardown(() => connection.stream.destroy());
      return { connection, sent };
    }),
  );
};

const get = (serial: number, more: object = {}): Message =>
  new Message({
    serial,
    destination: 'org.freedesktop.systemd1',
    path: '/org/freedesktop/systemd1/unit/containerd_2eservice',
    interface: 'org.freedesktop.DBus.Properties',
    member: 'Get',
    signature: 'ss',
    body: ['org.freedesktop.systemd1.Unit', 'ActiveState'],
    ...more,
  } as ConstructorParameters<typeof Message>[0]);

const messages = (at: number) => [
  get(at),
  get(at + 1, { body: ['org.freedesktop.systemd1.Unit', 'SubState'] }),
  get(at + 2, { member: 'GetAll', signature: 's', body: ['x'] }),
  get(at + 3, { path: '/org/freedesktop/systemd1' }),
  get(at + 4, { flags: 1 }),
  get(at + 5, { signature: '', body: [] }),
  get(at + 6, { signature: 'u', body: [at] }),
  get(at + 7, { signature: 'v', body: [new Variant('s', String(at))] }),
  get(at + 8, { signature: 'asbb', body: [['a', 'b'], false, true] }),
  get(at + 9, { body: ['ü€', ''] }),
  // The answer to the call `at` of another program.
  new Message({
    ...{ type: MessageType.ERROR, serial: at + 10, replySerial: at, destination: ':1.7' },
    ...{ errorName: 'com.example.Error', signature: 's', body: ['no such method'] },
  } as unknown as ConstructorParameters<typeof Message>[0]),
];

t.test('each message is written as the library writes it, whatever was written before', async (t) => {
  const [kept, plain] = await connected(t, writeAsBefore, () => undefined);
  if (!kept || !plain) return t.fail('two connections');
  for (const at of [1, 300, 70_000, 0xffff_ff00])
    for (const { connection } of [kept, plain]) for (const one of messages(at)) connection.message(one);
  t.equal(plain.sent.length, 44);
  t.strictSame(kept.sent, plain.sent);
});

t.test('nothing is written to a connection that was closed', async (t) => {
  const [kept] = await connected(t, writeAsBefore);
  if (!kept) return t.fail('a connection');
  kept.connection.message(get(1));
  kept.connection.stream.destroy();
  t.throws(() => kept.connection.message(get(2)), /closed/);
  t.equal(kept.sent.length, 1);
});
