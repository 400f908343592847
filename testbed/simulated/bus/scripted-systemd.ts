/**
 * On a private bus, an org.freedesktop.systemd1 that does what a test tells it: units with settable properties, and jobs that
 * succeed, fail, never end, end too early to be noticed, or end without a signal.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { Message, type MessageBus, MessageType, sessionBus, Variant } from 'dbus-next';
import { ofService, type UnitProperties, variant } from './unit-properties.ts';

/** What becomes of the next jobs; `early`: its signal comes before the method reply, `lost`: it never comes. */
export type JobScript =
  | {
      readonly kind: 'ends';
      readonly result: string;
      readonly signal?: 'normal' | 'early' | 'lost';
      /** What it leaves of its unit, over what such a result usually leaves. */
      readonly leaves?: UnitProperties;
    }
  | { readonly kind: 'never' }
  /** It is told as ended, and goes on. */
  | { readonly kind: 'told-too-soon'; readonly result: string }
  /** The job ends at the moment at which its cancellation is asked for. */
  | { readonly kind: 'ends-when-cancelled'; readonly result: string }
  /** The method call itself is refused. */
  | { readonly kind: 'refused'; readonly error: string; readonly text: string }
  /** The method call gets no reply. */
  | { readonly kind: 'silent' }
  /** The test does it, e.g. kills the bus; the job then never ends. */
  | { readonly kind: 'calls'; readonly what: () => void };

export class ScriptedSystemd {
  /** Every method call that arrived, as `RestartUnit containerd.service replace`. */
  readonly calls: string[] = [];
  readonly units = new Map<string, UnitProperties>();
  /** What happens to jobs from now on. */
  job: JobScript = { kind: 'ends', result: 'done' };
  /** Method name -> D-Bus error name, for calls that are to be refused. */
  readonly refuse = new Map<string, string>();
  /** When it loaded its unit files; undefined: it is too old to tell. */
  loadedAt: bigint | undefined;
  readonly #bus: MessageBus;
  readonly #jobs = new Map<number, string>();
  #lastJob = 700;

  private constructor(bus: MessageBus) {
    this.#bus = bus;
  }

  /** Owns the name when it returns; survives the death of the bus. */
  static async start(address: string): Promise<ScriptedSystemd> {
    const bus = sessionBus({ busAddress: address.replace('unix:path=', 'unix:socket=') });
    bus.on('error', () => {});
    const scripted = new ScriptedSystemd(bus);
    bus.addMethodHandler((message: Message) => {
      scripted.#answer(message);
      return true;
    });
    await bus.requestName('org.freedesktop.systemd1', 0);
    return scripted;
  }

  /** Leaves the bus. */
  stop(): void {
    (
      this.#bus as unknown as { readonly _connection: { readonly stream: Socket } }
    )._connection.stream.destroy();
  }

  /** A unit with these properties over those of a healthy service; replaces what was set before. */
  setUnit(name: string, properties: UnitProperties = {}): void {
    this.units.set(name, {
      LoadState: 'loaded',
      ActiveState: 'active',
      SubState: 'running',
      InvocationID: randomBytes(16),
      FragmentPath: `/usr/lib/systemd/system/${name}`,
      ...(name.endsWith('.service')
        ? {
            NRestarts: 0,
            MainPID: 42,
            Result: 'success',
            ExecStart: [],
            Environment: [],
            EnvironmentFiles: [],
          }
        : {}),
      ...properties,
    });
  }

  #answer(message: Message): undefined {
    const { member, path, body } = message;
    this.calls.push([member, ...body.flat()].join(' '));
    const error = this.refuse.get(member);
    if (error !== undefined) return this.#error(message, error, `${member} is refused by the test.`);
    if (member === 'Subscribe' || member === 'Reload') return this.#reply(message);
    if (member === 'EnableUnitFiles') return this.#reply(message, 'ba(sss)', [false, []]);
    if (member === 'DisableUnitFiles') return this.#reply(message, 'a(sss)', [[]]);
    if (member === 'ResetFailedUnit')
      return this.#known(message, String(body[0])) ? this.#reply(message) : undefined;
    if (member === 'LoadUnit') return this.#reply(message, 'o', [pathOf(String(body[0]))]);
    if (member === 'Get') return this.#get(message, path, String(body[0]), String(body[1]));
    if (member === 'GetJob') {
      const id = Number(body[0]);
      return this.#jobs.has(id)
        ? this.#reply(message, 'o', [`/org/freedesktop/systemd1/job/${id}`])
        : this.#error(message, 'org.freedesktop.systemd1.NoSuchJob', `Job ${id} does not exist.`);
    }
    if (member === 'CancelJob') return this.#cancel(message, Number(body[0]));
    if (/^(Re)?[Ss]t(art|op)Unit$/.test(member)) return this.#begin(message, member, String(body[0]));
    return this.#error(message, 'org.freedesktop.DBus.Error.UnknownMethod', `Unknown method ${member}`);
  }

  #known(message: Message, name: string): boolean {
    if (this.units.has(name)) return true;
    this.#error(message, 'org.freedesktop.systemd1.NoSuchUnit', `Unit ${name} not found.`);
    return false;
  }

  #get(message: Message, path: string, iface: string, key: string): undefined {
    if (key === 'Architecture') return this.#reply(message, 'v', [new Variant('s', 'x86-64')]);
    if (key === 'SystemState') return this.#reply(message, 'v', [new Variant('s', 'starting')]);
    if (key === 'Version') return this.#reply(message, 'v', [new Variant('s', '252.39-1~deb12u2')]);
    if (key === 'UnitsLoadTimestampMonotonic' && this.loadedAt !== undefined)
      return this.#reply(message, 'v', [new Variant('t', this.loadedAt)]);
    const found = [...this.units].find(([name]) => pathOf(name) === path)?.[1];
    // systemd shows a unit that does not exist as an object like any other.
    const unit: UnitProperties = found ?? {
      LoadState: 'not-found',
      ActiveState: 'inactive',
      SubState: 'dead',
    };
    const value = unit[key as keyof UnitProperties];
    const service = iface === 'org.freedesktop.systemd1.Service';
    if (value === undefined || service !== ofService.has(key))
      return this.#error(message, 'org.freedesktop.DBus.Error.UnknownProperty', `Unknown property ${key}`);
    this.#reply(message, 'v', [variant(key, value)]);
  }

  #begin(message: Message, member: string, name: string): undefined {
    const script = this.job;
    if (script.kind === 'refused') return this.#error(message, script.error, script.text);
    if (script.kind === 'silent') return;
    if (!this.#known(message, name)) return;
    this.#lastJob += 1;
    const id = this.#lastJob;
    this.#jobs.set(id, name);
    const accept = () => this.#reply(message, 'o', [`/org/freedesktop/systemd1/job/${id}`]);
    if (script.kind === 'calls') {
      accept();
      script.what();
    } else if (script.kind === 'told-too-soon') {
      accept();
      this.#tell(id, script.result);
    } else if (script.kind !== 'ends') {
      accept();
    } else if (script.signal === 'early') {
      this.#apply(member, name, script.result, script.leaves);
      this.#end(id, script.result);
      accept();
    } else if (script.signal === 'lost') {
      accept();
      this.#apply(member, name, script.result, script.leaves);
      this.#jobs.delete(id);
    } else {
      accept();
      this.#apply(member, name, script.result, script.leaves);
      this.#end(id, script.result);
    }
  }

  #apply(member: string, name: string, result: string, leaves: UnitProperties = {}): undefined {
    const { MainPID, ...unit } = this.units.get(name) ?? {};
    if (result === 'canceled' && Object.keys(leaves).length === 0) return;
    const up = result === 'done' && member !== 'StopUnit';
    this.units.set(name, {
      ...unit,
      MainPID: up ? (MainPID ?? 42) + 1 : 0,
      ActiveState: up ? 'active' : result === 'done' ? 'inactive' : 'failed',
      SubState: up ? 'running' : result === 'done' ? 'dead' : 'failed',
      InvocationID: randomBytes(16),
      ...leaves,
    });
  }

  #cancel(message: Message, id: number): undefined {
    if (!this.#jobs.has(id))
      return this.#error(message, 'org.freedesktop.systemd1.NoSuchJob', `Job ${id} does not exist.`);
    const result = this.job.kind === 'ends-when-cancelled' ? this.job.result : 'canceled';
    this.#apply('StopUnit', this.#jobs.get(id) ?? '', result);
    this.#end(id, result);
    this.#reply(message);
  }

  #end(id: number, result: string): undefined {
    this.#tell(id, result, () => this.#jobs.delete(id));
  }

  #tell(id: number, result: string, first: () => void = () => {}): undefined {
    const name = this.#jobs.get(id) ?? '';
    first();
    this.#bus.send(
      Message.newSignal(
        '/org/freedesktop/systemd1',
        'org.freedesktop.systemd1.Manager',
        'JobRemoved',
        'uoss',
        [id, `/org/freedesktop/systemd1/job/${id}`, name, result],
      ),
    );
  }

  #reply(message: Message, signature = '', body: unknown[] = []): undefined {
    this.#bus.send(Message.newMethodReturn(message, signature, body));
  }

  #error(message: Message, errorName: string, text: string): undefined {
    this.#bus.send(
      new Message({
        type: MessageType.ERROR,
        // Typed as text by the library, a number on the wire.
        replySerial: message.serial as unknown as string,
        destination: message.sender,
        errorName,
        signature: 's',
        body: [text],
      }),
    );
  }
}

const pathOf = (name: string): string =>
  `/org/freedesktop/systemd1/unit/${name.replace(/[^A-Za-z0-9]/g, (c) => `_${c.charCodeAt(0).toString(16)}`)}`;
