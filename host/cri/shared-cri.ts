/**
 * One connection to a runtime for all calls that follow each other, as those of a tick, and of one tick after the other, do: to connect
 * takes longer than a call. It is closed some time after the last one, and keeps no process alive meanwhile. A runtime that was started
 * again gets a new one (socket.ts).
 */
import { type Cri, clientOn } from './cri.ts';
import { type CriSocket, openSocket, type SocketOptions } from './socket.ts';

/** Longer than from one tick to the next, which is 72 s at most as long as the settings do not say another interval. */
const usualIdleMs = 90_000;

/** A sandbox that was started twice would be two. */
const repeated: ReadonlySet<string> = new Set([
  'Version',
  'Status',
  'ListPodSandbox',
  'PodSandboxStatus',
  'ListContainers',
  'ImageStatus',
]);

type Shared = { readonly socket: CriSocket; users: number; timer: NodeJS.Timeout | undefined };

/** `close` of a client ends its own use of the connection. `idleMs`: for how long a connection stays open unused. */
export const sharedCri = (options: SocketOptions, idleMs = usualIdleMs): ((socketPath: string) => Cri) => {
  const open = new Map<string, Shared>();
  const take = (socketPath: string): Shared => {
    const shared = open.get(socketPath) ?? {
      socket: openSocket(socketPath, { ...options, repeated }),
      users: 0,
      timer: undefined,
    };
    open.set(socketPath, shared);
    clearTimeout(shared.timer);
    shared.users += 1;
    return shared;
  };
  return (socketPath) => {
    const shared = take(socketPath);
    const state = { closed: false };
    const close = (): void => {
      if (state.closed) return;
      state.closed = true;
      shared.users -= 1;
      if (shared.users > 0) return;
      const end = (): void => {
        open.delete(socketPath);
        shared.socket.close();
      };
      shared.timer = setTimeout(end, idleMs).unref();
    };
    return { ...clientOn(shared.socket), close };
  };
};
