/**
 * Asks the threads that do file work again and again. A condition variable of glibc may lose a wakeup, when a thread is preempted
 * between two instructions of its wait (https://sourceware.org/bugzilla/show_bug.cgi?id=25847; the glibc 2.36 of Debian 12 has that code:
 * a delay of 2 ms there stops Node within some hundred requests, one a few instructions later never does). Then a request waits
 * in the queue while all threads of libuv's pool sleep, its promise never settles, and a tick hangs in the middle of a change,
 * which its watchdog would roll back twenty minutes later. The next request or two wake a thread, which takes what waits.
 */
import { stat } from 'node:fs';

const everyMs = 30_000;
/** Of a pool that is busy, or blocked by a file system that does not answer, no more is asked. */
const most = 16;

/** For the life of the process, which it does not prolong. Each time takes 0.35 ms of processor time (bench/node/idle.ts counts it). */
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
