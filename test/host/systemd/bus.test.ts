import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Message, NameFlag, sessionBus } from 'dbus-next';
import t from 'tap';
import { rejectedProblem } from '../../../testbed/failure.ts';
import { type BusCall, type BusSignal, withBus } from '../../../host/systemd/bus.ts';
import { noBusHere, startBus } from '../../../testbed/simulated/bus/private-bus.ts';
import { ScriptedSystemd } from '../../../testbed/simulated/bus/scripted-systemd.ts';

/** Not tap's own folder: the path of a socket may have 107 characters at most. */
const freshFolder = (test: { teardown(what: () => unknown): void }): string => {
  const folder = mkdtempSync(join(tmpdir(), 'rcm-bus-'));
  test.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const listNames: BusCall = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
  member: 'ListNames',
};

/** A socket that is no bus: what it does with those who connect is up to the test. */
const fakeBus = async (test: Tap, greet: (socket: Socket) => void): Promise<string> => {
  const path = join(freshFolder(test), 'socket');
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    greet(socket);
  });
  await new Promise<void>((done) => server.listen(path, done));
  test.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return `unix:path=${path}`;
};
type Tap = { teardown(what: () => unknown): void };

const ask = (address: string, callDeadlineMs = 20_000) =>
  withBus({ address, callDeadlineMs }, (bus) => bus.call(listNames));

t.test('a missing bus is systemd-unreachable, and the address is named', async (t) => {
  const address = `unix:path=${freshFolder(t)}/nothing`;
  t.match(await rejectedProblem(ask(address)), { code: 'systemd-unreachable', message: /ENOENT.*nothing/ });
});

t.test('an invalid address is systemd-unreachable', async (t) => {
  t.match(await rejectedProblem(ask('carrier-pigeon:')), { code: 'systemd-unreachable' });
  t.match(await rejectedProblem(ask('nonsense')), { code: 'systemd-unreachable' });
});

t.test('a bus that closes at once, rejects us, or never speaks is systemd-unreachable', async (t) => {
  const closes = await fakeBus(t, (socket) => socket.end());
  t.match(await rejectedProblem(ask(closes)), {
    code: 'systemd-unreachable',
    message: /closed the connection/,
  });
  const rejects = await fakeBus(t, (socket) =>
    socket.once('data', () => socket.write('REJECTED EXTERNAL\r\n')),
  );
  t.match(await rejectedProblem(ask(rejects)), { code: 'systemd-unreachable' });
  const mute = await fakeBus(t, () => {});
  t.match(await rejectedProblem(ask(mute, 200)), { message: /no answer to ListNames within 200 ms/ });
});

t.test('a socket of the service itself needs no Hello, no name and no rule', async (t) => {
  const unknown = messageOf(
    3,
    { 4: ['s', 'org.freedesktop.DBus.Error.UnknownObject'], 5: ['u', 1] },
    'no bus',
  );
  const signal = messageOf(4, { 1: ['o', '/one'], 2: ['s', 'org.example'], 3: ['s', 'Said'] }, 'one');
  const address = await fakeBus(t, (socket) => {
    socket.on('data', (data) => {
      if (data.includes('AUTH')) return void socket.write('OK 0123456789abcdef0123456789abcdef\r\n');
      if (data.includes('Hello')) socket.write(unknown);
      if (data.includes('AddMatch') || data.includes('GetNameOwner')) socket.destroy();
      if (data.includes('Ask'))
        socket.write(Buffer.concat([signal, messageOf(2, { 5: ['u', 2] }, 'answer')]));
    });
  });
  const heard: string[] = [];
  const onSignal = ({ member, body }: BusSignal) => void heard.push(`${member} ${body[0]}`);
  const options = { address, direct: true, peer: 'org.example.Peer', callDeadlineMs: 20_000, onSignal };
  await withBus(options, async (bus) => {
    t.strictSame(await bus.call({ ...listNames, member: 'AddMatch' }), { kind: 'answer', body: [] });
    const call = { destination: 'org.example.Peer', path: '/one', interface: 'org.example', member: 'Ask' };
    t.strictSame(await bus.call(call), { kind: 'answer', body: ['answer'] });
  });
  t.strictSame(heard, ['Said one']);
});

t.test('what is no message is systemd-unreachable, and does not end the process', async (t) => {
  /** A return: the length of its body, and its fields. */
  const returned = (body: number, fields: readonly number[]): Buffer => {
    const header = Buffer.alloc(16);
    header.set([0x6c, 2]);
    header.writeUInt32LE(body, 4);
    header.writeUInt32LE(fields.length, 12);
    return Buffer.concat([header, Buffer.from(fields), Buffer.alloc(16)]);
  };
  const nonsense = {
    'a body of gigabytes': returned(0x7fff_ffff, [5, 1, 0x75, 0, 1, 0, 0, 0]),
    'a field of an unknown type': returned(0, Array(16).fill(0x41)),
    'a signature without its end': returned(4, [8, 1, 0x67, 0, 3, 0x28, 0x28, 0x28, 0]),
  };
  for (const [name, bytes] of Object.entries(nonsense)) {
    const address = await fakeBus(t, (socket) => {
      socket.on('data', (data) => {
        if (data.includes('AUTH')) socket.write('OK 0123456789abcdef0123456789abcdef\r\n');
        if (data.includes('Hello')) socket.write(bytes);
      });
    });
    const asked = withBus({ address, direct: true, callDeadlineMs: 20_000 }, (bus) =>
      bus.call({ ...listNames, destination: 'org.example.Peer' }),
    );
    const problem = await rejectedProblem(asked);
    t.match(problem, { code: 'systemd-unreachable', message: /what it sends cannot be read/ }, name);
  }
});

t.test('a bus that refuses Hello does not end the process', async (t) => {
  const refuses = await fakeBus(t, (socket) => {
    socket.on('data', (data) => {
      if (data.includes('AUTH')) return void socket.write('OK 0123456789abcdef0123456789abcdef\r\n');
      if (data.includes('Hello')) socket.write(helloRefused());
    });
  });
  t.match(await rejectedProblem(ask(refuses)), { code: 'systemd-unreachable', message: /Too many of you/ });
});

t.test('a real bus', { skip: noBusHere }, async (t) => {
  t.test('returns answers, also error replies', async (t) => {
    const bus = await startBus();
    t.teardown(bus.stop);
    const scripted = await ScriptedSystemd.start(bus.address);
    t.teardown(() => scripted.stop());
    const answers = await withBus({ address: bus.address, callDeadlineMs: 20_000 }, (bus) =>
      Promise.all([bus.call(listNames), bus.call({ ...listNames, member: 'Nonsense' })]),
    );
    t.match(answers[0], { kind: 'answer', body: [/./] });
    t.match(answers[1], { kind: 'refusal', name: 'org.freedesktop.DBus.Error.UnknownMethod' });
  });

  t.test('passes on signals of the owner of the name, in order, and of no other sender', async (t) => {
    const bus = await startBus();
    t.teardown(bus.stop);
    const heard: string[] = [];
    const onSignal = (signal: BusSignal) => heard.push(`${signal.member} ${signal.body[0]}`);
    const peer = 'org.example.Peer';
    /** A connection that may own the name, and says something to all when it is told to. */
    const speaker = () => {
      const own = sessionBus({ busAddress: bus.address.replace('unix:path=', 'unix:socket=') });
      own.on('error', () => {});
      t.teardown(() => own.disconnect());
      const say = async (text: string) => {
        own.send(Message.newSignal('/org/example', peer, 'Said', 's', [text]));
        // The bus has handed it on when it answers what came later.
        await own.call(new Message({ ...listNames, body: [] }));
      };
      return { own, say };
    };
    const [first, second, otherUser] = [speaker(), speaker(), speaker()];
    await first.own.requestName(peer, NameFlag.ALLOW_REPLACEMENT);
    await withBus({ address: bus.address, callDeadlineMs: 20_000, peer, onSignal }, async (open) => {
      const addMatch = { ...listNames, member: 'AddMatch', signature: 's', body: [`interface='${peer}'`] };
      await open.call(addMatch);
      await first.say('one');
      await otherUser.say('forged');
      await first.say('two');
      await second.own.requestName(peer, NameFlag.REPLACE_EXISTING);
      await first.say('late');
      await second.say('three');
      await second.own.releaseName(peer);
      await second.say('later');
      await open.call(listNames);
    });
    t.strictSame(heard, ['Said one', 'Said two', 'Said three']);
  });

  t.test('rejects the pending call, and all later ones, when it dies', async (t) => {
    const bus = await startBus();
    t.teardown(bus.stop);
    await withBus({ address: bus.address, callDeadlineMs: 3_600_000 }, async (open) => {
      await open.call(listNames);
      bus.freeze();
      const pending = rejectedProblem(open.call(listNames));
      const lost = open.lost.catch((error: unknown) => error);
      await bus.kill();
      t.match(await pending, { code: 'systemd-unreachable' });
      t.match(await lost, { problem: { code: 'systemd-unreachable' } });
      t.match(await rejectedProblem(open.call(listNames)), { code: 'systemd-unreachable' });
    });
  });

  t.test('delays no call beyond the deadline while it is frozen', async (t) => {
    const bus = await startBus();
    t.teardown(bus.stop);
    bus.freeze();
    t.match(await rejectedProblem(ask(bus.address, 200)), {
      code: 'systemd-unreachable',
      message: /within 200 ms/,
    });
  });
});

type Fields = Readonly<Record<number, readonly [type: string, value: string | number]>>;

/** A message, byte by byte: little endian, with one string as its body. */
function messageOf(type: number, given: Fields, text: string): Buffer {
  const pad = (bytes: Buffer, to: number) =>
    Buffer.concat([bytes, Buffer.alloc((to - (bytes.length % to)) % to)]);
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const string = (text: string) => Buffer.concat([u32(text.length), Buffer.from(`${text}\0`)]);
  const field = (code: number, type: string, value: Buffer) =>
    Buffer.concat([Buffer.from([code, 1]), Buffer.from(`${type}\0`), value]);
  const body = string(text);
  const fields = Buffer.concat([
    ...Object.entries(given).map(([code, [type, value]]) =>
      pad(field(Number(code), type, typeof value === 'number' ? u32(value) : string(value)), 8),
    ),
    field(8, 'g', Buffer.from('\u0001s\0')),
  ]);
  return Buffer.concat([
    Buffer.from([0x6c, type, 1, 1]),
    u32(body.length),
    u32(1),
    u32(fields.length),
    pad(fields, 8),
    body,
  ]);
}

/** An ERROR message in reply to serial 1. */
function helloRefused(): Buffer {
  const name = 'org.freedesktop.DBus.Error.LimitsExceeded';
  return messageOf(3, { 4: ['s', name], 5: ['u', 1], 7: ['s', 'org.freedesktop.DBus'] }, 'Too many of you');
}
