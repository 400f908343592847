/**
 * One connection to a D-Bus bus, on which no call can hang and no error can escape. It is the only
 * file that imports dbus-next, because that library needs precautions that its users should not have to know:
 *
 * - it never settles a pending call when the bus goes away (nothing in it listens to the end of the stream);
 * - it emits 'error', and an 'error' without a listener ends the process;
 * - a refused Hello rejects a promise that has no handler, which ends the process too;
 * - its proxies fetch and parse XML before the first call, so only plain messages are used here;
 * - `disconnect` closes one half of the socket, so a bus that stopped reading would keep the process alive;
 * - it parses in a listener of the socket, where a message that is none would end the process;
 * - it delivers signals and replies from any sender, and any local user may send signals to our connection.
 *
 * So messages of two senders only are accepted: the bus itself, and the owner of `peer` at that moment. This includes
 * replies. dbus-daemon refuses a reply from a process that was not called (`send_requested_reply` in dbus-daemon(1);
 * system.conf allows returns and errors only with it), but a local change of its policy must not make us trust one.
 *
 * Where no bus is installed, the connection is to systemd's own socket (`direct`), with the same calls and answers.
 */
import type { Socket } from 'node:net';
import { type DBusError, Message, type MessageBus, MessageType, sessionBus } from 'dbus-next';
import { Failure } from '../../protocol/problem/problem.ts';
import { type Envelope, filterMessages } from './bus-filter.ts';
import { type Loss, makeLoss } from './loss.ts';
import { type Connection, writeAsBefore } from './written-before.ts';

export type BusCall = {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature?: string;
  readonly body?: readonly unknown[];
};

export type BusSignal = {
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly body: readonly unknown[];
};

/** The answer is an error; `name` is the D-Bus error name. */
export type BusRefusal = { readonly kind: 'refusal'; readonly name: string; readonly text: string };
export type BusAnswer = { readonly kind: 'answer'; readonly body: readonly unknown[] } | BusRefusal;

export type Bus = {
  /** Throws Failure 'systemd-unreachable' when the bus is lost or does not answer before the deadline. */
  readonly call: (call: BusCall) => Promise<BusAnswer>;
  /** Rejects with the same Failure as soon as the bus is lost; never resolves. Each use of it lasts as long as the connection (loss.ts). */
  readonly lost: Promise<never>;
  /** Whether the connection keeps the process alive; it does until told otherwise. */
  readonly hold: (holds: boolean) => void;
};

export type BusOptions = {
  readonly address: string;
  /**
   * The socket is the service's own: no bus is between, so there are no names, no rules for signals (each one is sent), and no
   * messages of others.
   */
  readonly direct?: boolean;
  readonly callDeadlineMs: number;
  /** The name of the called service; without one, only messages of the bus itself are accepted. */
  readonly peer?: string;
  /** Called for every signal that the owner of `peer` sends here, in the order of arrival. */
  readonly onSignal?: (signal: BusSignal) => void;
};

const driver = 'org.freedesktop.DBus';

/** Connects, runs `use`, and always closes the socket, so that nothing keeps the process alive. */
export const withBus = async <T>(options: BusOptions, use: (bus: Bus) => Promise<T>): Promise<T> => {
  const unreachable = (what: string, cause?: unknown): Failure =>
    new Failure({ code: 'systemd-unreachable', message: `${what} (bus ${options.address})` }, cause);

  const bus = open(options, unreachable);
  const socket = socketOf(bus);
  endAtNonsense(socket);
  const loss = makeLoss();
  bus.on('error', (error: unknown) =>
    loss.tell(unreachable(`the system bus cannot be used: ${said(error)}`, error)),
  );
  socket.once('close', () => loss.tell(unreachable('the system bus closed the connection')));
  const owner: Owner = { name: undefined, told: false };
  filterMessages(
    socket,
    ({ type, sender }: Envelope) =>
      type !== MessageType.METHOD_CALL &&
      (options.direct || (sender !== undefined && (sender === driver || sender === owner.name))),
  );
  bus.on('message', (message: Message) => {
    if (message.type === MessageType.SIGNAL && message.sender !== driver) options.onSignal?.(message);
    if (message.type === MessageType.SIGNAL && message.sender === driver) follow(message, options, owner);
    // Hello is always the first call; its refusal is hidden from the library (see above) and stored here.
    if (message.type === MessageType.ERROR && Number(message.replySerial) === 1) {
      if (!options.direct)
        loss.tell(unreachable(`the system bus refused us: ${String(message.body[0] ?? message.errorName)}`));
      message.replySerial = '';
    }
  });

  const call = async (asked: BusCall): Promise<BusAnswer> =>
    options.direct && asked.destination === driver
      ? { kind: 'answer', body: [] }
      : answer(bus, asked, options, loss, unreachable);
  try {
    if (options.peer !== undefined && !options.direct) {
      await call(driverCall('AddMatch', ownerChanges(options.peer)));
      const found = await call(driverCall('GetNameOwner', options.peer));
      // No owner: the following calls get the bus's error.
      if (found.kind === 'answer' && !owner.told) owner.name = String(found.body[0]);
    }
    const hold = (holds: boolean): void => void (holds ? socket.ref() : socket.unref());
    return await use({ lost: loss.lost, call, hold });
  } finally {
    // A call whose answer is not awaited may not be sent any more.
    socket.destroy();
  }
};

type Owner = {
  /** The unique name of the connection that owns `peer`. */
  name: string | undefined;
  /** The bus reported a change, which is at least as new as a pending answer to GetNameOwner. */
  told: boolean;
};

/**
 * A service that starts again (as systemd does at `daemon-reexec`) has another unique name. The bus reports this before it
 * delivers messages of the new owner.
 */
const follow = (signal: Message, options: BusOptions, owner: Owner): void => {
  const [name, , now] = signal.body;
  if (signal.member !== 'NameOwnerChanged' || name !== options.peer) return;
  owner.name = typeof now === 'string' && now !== '' ? now : undefined;
  owner.told = true;
};

const ownerChanges = (peer: string): string =>
  `type='signal',sender='${driver}',interface='${driver}',member='NameOwnerChanged',arg0='${peer}'`;

const driverCall = (member: string, argument: string): BusCall => ({
  destination: driver,
  path: '/org/freedesktop/DBus',
  interface: driver,
  member,
  signature: 's',
  body: [argument],
});

type Unreachable = (what: string, cause?: unknown) => Failure;

const open = (options: BusOptions, unreachable: Unreachable): MessageBus => {
  try {
    // `unix:socket=` makes dbus-next take a plain net.Socket; for `unix:path=` it first looks for a native addon,
    // which would make a developer's machine behave unlike the single executable.
    const busAddress = options.address.replace(/^unix:path=/, 'unix:socket=');
    const bus = sessionBus({ busAddress, authMethods: ['EXTERNAL'] });
    writeAsBefore(connectionOf(bus));
    return bus;
  } catch (error) {
    throw unreachable(`the address of the system bus cannot be used: ${said(error)}`, error);
  }
};

/** What is no message ends the connection, as a bus ends it with one who sends such. */
const endAtNonsense = (socket: Socket): void => {
  const emit = socket.emit.bind(socket);
  socket.emit = (event: string | symbol, ...given: unknown[]): boolean => {
    try {
      return emit(event, ...given);
    } catch (error) {
      if (event !== 'readable') throw error;
      socket.destroy(new Error(`what it sends cannot be read: ${said(error)}`, { cause: error }));
      return true;
    }
  };
};

/** dbus-next does not export its connection and the stream, which is needed to detect the end and to free the handle. */
const connectionOf = (bus: MessageBus): Connection =>
  (bus as unknown as { readonly _connection: Connection })._connection;

const socketOf = (bus: MessageBus): Socket => connectionOf(bus).stream;

const answer = async (
  bus: MessageBus,
  call: BusCall,
  options: BusOptions,
  loss: Loss,
  unreachable: Unreachable,
): Promise<BusAnswer> => {
  const message = new Message({ ...call, body: [...(call.body ?? [])] });
  const end = Promise.withResolvers<BusAnswer>();
  const forget = loss.onLoss(end.reject);
  const timer = setTimeout(
    () => end.reject(unreachable(`no answer to ${call.member} within ${options.callDeadlineMs} ms`)),
    options.callDeadlineMs,
  );
  try {
    gather(socketOf(bus));
    bus
      .call(message)
      .then((found) => ({ kind: 'answer' as const, body: found?.body ?? [] }), refusal)
      .then(end.resolve, end.reject);
    return await end.promise;
  } finally {
    clearTimeout(timer);
    forget();
  }
};

/** Calls that are made at the same moment are sent by one write: each would wake the bus, and the service behind it. */
const gather = (socket: Socket): void => {
  socket.cork();
  process.nextTick(() => socket.uncork());
};

/** An error reply is an answer; for any other error (such as a write to a closed stream) `lost` has the description. */
const refusal = (error: unknown): BusRefusal | Promise<never> =>
  error instanceof Error && error.name === 'DBusError'
    ? { kind: 'refusal', name: (error as DBusError).type, text: error.message }
    : new Promise<never>(() => {});

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));
