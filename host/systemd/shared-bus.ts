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
  /** Closed, or to be closed with the last of its users: no further operation begins on it. */
  isLeft: boolean;
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
      session.isLeft = true;
      ended.resolve();
    },
    users: 0,
    isLeft: false,
    timer: undefined,
  };
  withBus(options, async (bus) => {
    ready.resolve(bus);
    await Promise.race([bus.lost, ended.promise]);
  }).catch((error: unknown) => {
    session.isLeft = true;
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
      // Whatever it was. Others that are on it may be answered all the same.
      if (isUnreachable(error)) session.isLeft = true;
      throw error;
    } finally {
      session.users -= 1;
      if (session.users === 0) {
        bus.hold(false);
        if (session.isLeft) session.end();
        else session.timer = setTimeout(session.end, session.idleMs).unref();
      }
    }
  };
  const known = (): Session | undefined => (state.session?.isLeft === false ? state.session : undefined);
  const begin = (): Session => {
    state.session = open(options(), rest);
    return state.session;
  };
  return async (use) => {
    const before = known();
    try {
      return await attempt(before ?? begin(), use);
    } catch (error) {
      if (!before || !isUnreachable(error)) throw error;
      // Of several that lose their connection, the first opens the next one for all.
      return attempt(known() ?? begin(), use);
    }
  };
};
