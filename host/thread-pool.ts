/**
 * Asks the threads that do file work again and again. A condition variable of glibc may lose a wakeup
 * (https://sourceware.org/bugzilla/show_bug.cgi?id=25847; glibc 2.36 of Debian 12 has no change for it): then a request waits in the
 * queue while all threads of libuv's pool sleep, its promise never settles, and a tick hangs in the middle of a change, whose
 * rollback would come twenty minutes later (the watchdog). Any later request wakes a thread, which takes what waits.
 */
import { stat } from 'node:fs';

const everyMs = 10_000;
/** Of a pool that is busy, or blocked by a file system that does not answer, no more is asked. */
const most = 16;

/** For the life of the process, which it does not prolong. Each time takes some 0.1 ms of processor time. */
export const keepPoolAwake = (ms = everyMs): void => {
  let asked = 0;
  const ask = (): void => {
    if (asked >= most) return;
    asked += 1;
    stat('/', () => {
      asked -= 1;
    });
  };
  setInterval(ask, ms).unref();
};
