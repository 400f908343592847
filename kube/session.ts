/**
 * The current credentials, and the connections made with them. Credentials are read again for each new connection, because
 * the kubelet renews its certificate, and when the server refuses them.
 */
import {
  type Connection,
  type Credentials,
  headersOf,
  openConnection,
  sameConnection,
} from './connection.ts';
import type { Clock } from '../host/host.ts';

export type Why = 'first' | 'refused' | 'reconnect';

export type Session = { readonly credentials: Credentials; readonly connection: Connection };

export type Sessions = {
  readonly known: Session | undefined;
  /** `fresh`: for a connection of its own. */
  current(fresh: boolean): Promise<Session>;
  /** The session to use after a 401 to `refused`. If another request had the same 401, its new session is returned. */
  after(refused: Session): Promise<Session>;
};

export const keepSession = (credentials: (why: Why) => Promise<Credentials>, clock: Clock): Sessions => {
  const state: { known?: Session; pending?: Promise<Session> | undefined } = {};

  const adopt = (why: Why, next: Credentials): Session => {
    const { known } = state;
    const same = why !== 'refused' && known !== undefined && sameConnection(known.credentials, next);
    const connection = same ? { ...known.connection, headers: headersOf(next) } : openConnection(next, true);
    if (!same) known?.connection.dropIdle();
    state.known = { credentials: next, connection };
    return state.known;
  };

  /** Concurrent calls share one read, which may run an exec plugin. */
  const renew = (why: Why): Promise<Session> => {
    state.pending ??= credentials(why)
      .then((next) => adopt(why, next))
      .finally(() => {
        state.pending = undefined;
      });
    return state.pending;
  };

  return {
    get known() {
      return state.known;
    },
    current: async (fresh) => {
      const { known } = state;
      if (known === undefined) return renew('first');
      const old = (known.credentials.readAgainAfter ?? Number.POSITIVE_INFINITY) <= clock.now();
      return fresh || old || !known.connection.hasIdle() ? renew('reconnect') : known;
    },
    after: async (refused) =>
      state.known === refused || state.known === undefined ? renew('refused') : state.known,
  };
};
