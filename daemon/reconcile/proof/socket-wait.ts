/**
 * The pause between two looks at a runtime that does not answer yet. It ends when the socket appears: a runtime makes its socket
 * anew when it starts. Where none appears (systemd holds it, it stayed, the kernel grants no watch), the pause ends by time.
 */
import { folderOf } from '../../../protocol/host-paths.ts';
import type { Host } from '../../../host/host.ts';

const longestMs = 200;
/** After the appearance: the socket is there before CRI answers on it. */
const shortestMs = 10;

export type SocketWait = { readonly pause: () => Promise<void>; readonly close: () => void };

export const waitBySocket = (host: Pick<Host, 'watch' | 'clock' | 'files'>, socket: string): SocketWait => {
  const path = host.files.real(socket);
  const state = { ms: shortestMs, appeared: new AbortController() };
  const watcher = host.watch((changed) => {
    if (changed === path) state.appeared.abort();
  });
  watcher.set([folderOf(path)]);
  return {
    pause: async () => {
      await host.clock.sleep(state.ms, state.appeared.signal);
      state.ms = Math.min(state.ms * 2, longestMs);
      if (state.appeared.signal.aborted) {
        state.ms = shortestMs;
        state.appeared = new AbortController();
      }
      // It may have been removed with its runtime, and made anew.
      watcher.set([folderOf(path)]);
    },
    close: watcher.close,
  };
};
