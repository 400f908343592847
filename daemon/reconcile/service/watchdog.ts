/**
 * The keep-alive for the watchdog of systemd. A timer alone would continue while a tick hangs, so it stops when there was no
 * progress for longer than any regular wait takes.
 */
import { longestSilence } from '../../decide/backoff.ts';
import type { Host } from '../../../host/host.ts';
import type { Notifier } from '../../../host/systemd/notify.ts';
import { defaultSettings, type Settings } from '../../model/settings.ts';

export type Watchdog = {
  /** The same host with a `progress` that feeds the watchdog. Only for the watched work. */
  readonly host: Host;
  /** The present settings, which set how long a regular wait may take. */
  obey(settings: Settings): void;
  /** Waiting for the next tick has no limit. */
  resting<T>(wait: () => Promise<T>): Promise<T>;
  /** Called by the timer, twice within the timeout of the watchdog. */
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
