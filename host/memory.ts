/**
 * V8 for a service that is idle nearly all the time. Its flags are set when the service begins, and not for the whole executable: Node
 * takes none of the compiled code that it brings of its own in a process that starts with them, which makes each command start 9 ms later.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Functions are compiled to machine code after twenty times as many calls as is usual (400 and 3000), and not at all by the compiler
 * whose code stays for good (Sparkplug): a tick a minute never gains back the time that it takes, nor the 2 MB that it leaves. Loops are
 * compiled as soon as ever.
 */
export const compileLate = (): void => {
  for (const flag of [
    '--invocation-count-for-maglev=8000',
    '--invocation-count-for-turbofan=60000',
    '--no-sparkplug',
  ])
    setFlagsFromString(flag);
};

type Collect = NonNullable<typeof globalThis.gc>;

const known: { collect?: Collect } = {};

/** Only a context that is made after the flag has the function. Without it V8 collects when it must: no reason for a tick to fail. */
const collector = (): Collect => {
  setFlagsFromString('--expose-gc');
  return (runInNewContext('globalThis.gc') as Collect | undefined) ?? (async () => undefined);
};

/**
 * Gives the memory that finished work left behind back to the host. V8 collects when a process allocates, so an idle one would keep the
 * garbage of its last work for as long as it is idle.
 *
 * `whole` is what V8 does before it would give up for want of memory: it collects twice, and gives back all pages. It takes 16 ms of
 * processor time here. Otherwise it takes half of that, and pages stay for the next objects.
 */
export const releaseMemory = (how: 'whole' | 'usual'): void => {
  known.collect ??= collector();
  const flavor = how === 'whole' ? 'last-resort' : 'regular';
  void known.collect({ type: 'major', flavor, execution: 'sync' });
};

/** Bytes that objects take, those included that nothing refers to any more. */
export const usedMemory = (): number => getHeapStatistics().used_heap_size;
