/**
 * What run.ts loads into each process of tests first. tap follows every promise through an async hook, to know which of
 * several tests that run at once an uncaught error belongs to. That is a third of the processor time of tests that are
 * nearly all promises, and ours run one after the other: an uncaught error ends their process, which is a failure.
 */
import asyncHooks, { type AsyncHook } from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';
import { keepPoolAwake } from '../host/thread-pool.ts';

asyncHooks.createHook = () => {
  const none: AsyncHook = { enable: () => none, disable: () => none };
  return none;
};
syncBuiltinESMExports();
keepPoolAwake(); // As the program does it: a lost wakeup of the C library would hold up a test for good.
process.setSourceMapsEnabled(false); // there are none: types are only erased
// tap's own report of such an end says only which test it was in.
process.on('uncaughtExceptionMonitor', (error) => console.error(error));
