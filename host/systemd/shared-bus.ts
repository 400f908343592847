/**
 * One connection for operations that follow each other, as those of a tick do: to connect takes as long as an operation. It is
 * closed soon after the last one, and keeps no process alive meanwhile.
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { type Bus, type BusOptions, withBus } from './bus.ts';

/** Longer than the pauses of a tick, which are half a second in a proof; shorter than that between two ticks: a process at rest has no connection. */
const idleMs = 1_000;

type Session = {
  readonly bus: Promise<Bus>;
  readonly end: () => void;
  users: number;
  isLost: boolean;
  timer: NodeJS.Timeout | undefined;
};

export type WithShared = <T>(use: (bus: Bus) => Promise<T>) => Promise<T>;

const open = (options: BusOptions): Session => {
  const ready = Promise.withResolvers<Bus>();
  const ended = Promise.withResolvers<void>();
  const session: Session = {
    bus: ready.promise,
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

/** `use` may be run twice, so it must be harmless to repeat: what stood open may have been lost before it was noticed. */
export const sharedBus = (options: () => BusOptions): WithShared => {
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
        session.timer = setTimeout(session.end, idleMs).unref();
      }
    }
  };
  return async (use) => {
    const known = state.session?.isLost === false ? state.session : undefined;
    const session = known ?? open(options());
    state.session = session;
    try {
      return await attempt(session, use);
    } catch (error) {
      if (session !== known || !session.isLost || !isUnreachable(error)) throw error;
      state.session = open(options());
      return attempt(state.session, use);
    }
  };
};
