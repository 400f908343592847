/**
 * A deadline for work in virtual time, which takes a second: what waits for good is ended, and shown, since it may come once in
 * many runs. Only tests that kill a run at each of its effects have thousands of them.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const counted = (names: readonly string[]): string =>
  [...Map.groupBy(names, (name) => name)].map(([name, all]) => `${all.length} ${name}`).join(', ');

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '?';
  }
};

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path).replace(/\d+/g, '');
  } catch {
    return 'gone';
  }
};

/** What this process waits for: requests and handles of Node, where its threads sleep, and its files by kind. */
export const pending = (): string => {
  const threads = readdirSync('/proc/self/task').map((id) => {
    const task = `/proc/self/task/${id}`;
    return `${read(`${task}/comm`)} in ${read(`${task}/wchan`)}`;
  });
  const files = readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`));
  return [
    `resources: ${counted(process.getActiveResourcesInfo()) || 'none'}`,
    `threads: ${counted(threads)}`,
    `files: ${counted(files)}`,
  ].join('\n');
};

/** Whether the threads that do file work take a request now. */
const poolAnswers = (): Promise<boolean> =>
  Promise.race([lstat('/').then(() => true), sleep(5_000, false, { ref: false })]);

/**
 * Throws after `ms` of real time, with what is pending and what `tell` says of the work. Work that ends after all, since something
 * else was asked of the threads, is only told of.
 */
export const within = async <T>(work: Promise<T>, ms: number, tell: () => string): Promise<T> => {
  const late = Promise.withResolvers<never>();
  const state = { picture: '' };
  const timer = setTimeout(async () => {
    state.picture = `no end within ${ms} ms\n${pending()}`;
    const answer = (await poolAnswers()) ? 'an answer' : 'no answer';
    // For what such a request brings along.
    await sleep(1_000);
    late.reject(new Error(`${state.picture}\nfile work that was asked for now: ${answer}\n${tell()}`));
  }, ms);
  try {
    const result = await Promise.race([work, late.promise]);
    if (state.picture !== '') console.error(`${state.picture}\nit went on after one more request\n${tell()}`);
    return result;
  } finally {
    clearTimeout(timer);
  }
};
