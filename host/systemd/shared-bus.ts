/**
 * One connection for operations that follow each other, as those of a tick, and of one tick after the other, do: to connect takes longer
 * than an operation. It is closed some time after the last one, and keeps no process alive meanwhile.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { type Bus, type BusOptions, withBus } from './bus.ts';

/** Longer than from one tick to the next, which is 72 s at most as long as the settings do not say another interval. */
const idleMs = 90_000;
/** Of a connection without a bus, to which systemd sends the signals of all units. Longer than the pauses of a tick, which are half a second in a proof. */
const directIdleMs = 1_000;

type Session = {
  readonly bus: Promise<Bus>;
  readonly idleMs: number;
  readonly end: () => void;
  users: number;
  isLost: boolean;
  timer: NodeJS.Timeout | undefined;
};

export type WithShared = <T>(use: (bus: Bus) => Promise<T>) => Promise<T>;

const open = (options: BusOptions, rest = options.direct ? directIdleMs : idleMs): Session => {
  const ready = Promise.withResolvers<Bus>();
  const ended = Promise.withResolvers<void>();
  const session: Session = {
    bus: ready.promise,
    idleMs: rest,
    end: () => {
      session.isLost = true;
      ended.resolve();
    },
    users: 0,
    isLost: false,
    timer: undefined,
  };
  withBus(options, async (bus) => {
    ready.resolve(bus);
    await Promise.race([bus.lost, ended.promise]);
  }).catch((error: unknown) => {
    session.isLost = true;
    ready.reject(error);
  });
  return session;
};

const isUnreachable = (error: unknown): boolean =>
  error instanceof Failure && error.problem.code === 'systemd-unreachable';

/**
 * `use` may be run twice, so it must be harmless to repeat: what stood open may have been lost before it was noticed. `rest`: for how
 * many ms a connection stays open unused.
 */
export const sharedBus = (options: () => BusOptions, rest?: number): WithShared => {
  const state = { session: undefined as Session | undefined };
  const attempt = async <T>(session: Session, use: (bus: Bus) => Promise<T>): Promise<T> => {
    clearTimeout(session.timer);
    session.users += 1;
    const bus = await session.bus.catch((error: unknown) => {
      session.users -= 1;
      throw error;
    });
    bus.hold(true);
    try {
      return await use(bus);
    } catch (error) {
      // Whatever it was, the next operation does not begin on this connection.
      if (isUnreachable(error)) session.end();
      throw error;
    } finally {
      session.users -= 1;
      if (session.users === 0) {
        bus.hold(false);
        session.timer = setTimeout(session.end, session.idleMs).unref();
      }
    }
  };
  return async (use) => {
    const known = state.session?.isLost === false ? state.session : undefined;
    const session = known ?? open(options(), rest);
    state.session = session;
    try {
      return await attempt(session, use);
    } catch (error) {
      if (session !== known || !session.isLost || !isUnreachable(error)) throw error;
      state.session = open(options(), rest);
      return attempt(state.session, use);
    }
  };
};
