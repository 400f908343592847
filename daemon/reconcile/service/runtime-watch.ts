/**
 * Detects between ticks that the runtime stopped, came back, or was restarted, and starts a tick. A restart of less than two
 * seconds starts one tick, after it; a restart by a tick starts none.
 */
import type { Host } from '../../../host/host.ts';
import type { RuntimeFacts } from '../../runtimes/facts.ts';

export type RuntimeWatch = {
  /** A tick begins: changes until its end are its own work, or observed by it. */
  begin(): void;
  /** The tick ended; `undefined`: it observed no runtime. */
  end(runtime: RuntimeFacts | undefined): void;
  close(): void;
};

/** A restart of the runtime takes 0.3 s, and some seconds with many containers. */
const lossMs = 2_000;
const againMs = 250;
/** While it is down: polls for what no signal reports (CRI answers again, the bus was lost). */
const soonMs = 2_000;
const laterMs = 10_000;
const soonForMs = 60_000;

type Seen = { readonly invocation: string; readonly active: string; readonly answers: boolean };

export const watchRuntime = (host: Host, wake: () => void): RuntimeWatch => {
  const { clock, systemd } = host;
  const state = {
    name: '',
    socket: '',
    last: undefined as Seen | undefined,
    lostAt: 0,
    ticking: false,
    looking: false,
    again: false,
    closed: false,
    timer: undefined as NodeJS.Timeout | undefined,
    leave: undefined as (() => void) | undefined,
  };

  const isWell = ({ active, answers }: Seen): boolean => active === 'active' && answers;
  const isLast = (seen: Seen): boolean =>
    state.last?.active === seen.active &&
    state.last.answers === seen.answers &&
    state.last.invocation === seen.invocation;

  /** Undefined: unknown, which does not count as a loss. */
  const look = async (): Promise<Seen | undefined> => {
    const unit = await systemd?.unit(state.name).catch(() => undefined);
    if (!unit) return undefined;
    const cri = host.cri(host.files.real(state.socket));
    try {
      const answers = await cri.version().then(
        () => true,
        () => false,
      );
      return { invocation: unit.invocation, active: unit.active, answers };
    } finally {
      cri.close();
    }
  };

  const check = async (): Promise<void> => {
    if (state.closed || state.ticking || !state.last) return;
    if (state.looking) {
      state.again = true;
      return;
    }
    state.looking = true;
    try {
      const until = clock.elapsed() + lossMs;
      for (;;) {
        const seen = await look();
        if (state.closed || state.ticking || !seen || isLast(seen)) return;
        if (isWell(seen) || clock.elapsed() >= until) return wake();
        await clock.sleep(againMs);
      }
    } finally {
      state.looking = false;
      if (state.again) {
        state.again = false;
        void check();
      }
    }
  };

  const onChange = (): void => {
    if (state.ticking) state.again = true;
    else void check();
  };

  const later = (): void => {
    clearTimeout(state.timer);
    const { last } = state;
    if (state.closed || !last || isWell(last)) return;
    const pause = clock.elapsed() - state.lostAt < soonForMs ? soonMs : laterMs;
    state.timer = setTimeout(() => void check().finally(later), pause);
    state.timer.unref();
  };

  return {
    begin: () => {
      state.ticking = true;
      clearTimeout(state.timer);
    },
    end: (runtime) => {
      state.ticking = false;
      const unit = runtime?.unit;
      if (!systemd || !runtime || !unit) {
        state.last = undefined;
        return;
      }
      const answers = runtime.cri.kind === 'answers';
      const seen = { invocation: unit.invocation, active: unit.active, answers };
      if (!isWell(seen) && (!state.last || isWell(state.last))) state.lostAt = clock.elapsed();
      state.last = seen;
      state.socket = runtime.socket;
      if (state.name !== unit.name) {
        state.leave?.();
        state.name = unit.name;
        state.leave = systemd.follow(unit.name, onChange);
      }
      later();
      if (state.again) {
        state.again = false;
        void check();
      }
    },
    close: () => {
      state.closed = true;
      clearTimeout(state.timer);
      state.leave?.();
    },
  };
};
