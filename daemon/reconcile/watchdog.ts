/**
 * The heartbeat that systemd's watchdog hears. A timer alone would beat on while a tick waits for an answer that never
 * comes, so it is silent once the work has not moved for longer than any honest wait takes.
 */
import { longestSilence } from '../decide/backoff.ts';
import type { Host } from '../../host/host.ts';
import type { Notifier } from '../../host/systemd/notify.ts';
import { defaultSettings, type Settings } from '../model/settings.ts';

export type Watchdog = {
  /** The same host, whose `progress` is the sign of life. For the work that is watched alone. */
  readonly host: Host;
  /** What is in force now; how long a wait may honestly take depends on it. */
  obey(settings: Settings): void;
  /** To wait for the next reason to work may take as long as it likes. */
  resting<T>(wait: () => Promise<T>): Promise<T>;
  /** Called by the timer, twice within the watchdog's time. */
  beat(): void;
  stop(): void;
};

export const startWatchdog = (host: Host, notifier: Notifier): Watchdog => {
  const { clock } = host;
  const state = { moved: clock.elapsed(), resting: false, patience: 0, told: false };
  const move = (): void => {
    state.moved = clock.elapsed();
    state.told = false;
  };
  const obey = (settings: Settings): void => {
    state.patience = longestSilence(settings.downloadTimeout * 1000);
    move();
  };
  const beat = (): void => {
    const silence = clock.elapsed() - state.moved;
    if (state.resting || silence <= state.patience) return void notifier.watchdog();
    if (!state.told)
      host.log('error', `no progress for ${Math.round(silence / 1000)} s, the watchdog ends this process`);
    state.told = true;
  };
  obey(defaultSettings);
  const timer =
    notifier.watchdogMs === undefined ? undefined : setInterval(beat, notifier.watchdogMs / 2).unref();
  return {
    host: { ...host, progress: move },
    obey,
    resting: async (wait) => {
      state.resting = true;
      try {
        return await wait();
      } finally {
        state.resting = false;
        move();
      }
    },
    beat,
    stop: () => clearInterval(timer),
  };
};
