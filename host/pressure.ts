/** The free resources of the machine: memory, stalls, tasks, and space on the file system of a folder. */
import { readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path/posix';
import type { Pressure } from './pressure-facts.ts';

const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

const numberIn = (text: string, pattern: RegExp): number | undefined => {
  const found = pattern.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
};

/** Some file systems do not count inodes (btrfs reports 0 of 0): then there is no limit. */
const share = (free: number, all: number): number => (all > 0 ? free / all : 1);

const diskOf = async (folder: string): Promise<Pressure['disk']> => {
  try {
    const facts = await statfs(folder);
    return { bytes: share(facts.bavail, facts.blocks), inodes: share(facts.ffree, facts.files) };
  } catch {
    return undefined;
  }
};

/** `folder`: a path for this process. Never throws: a value that cannot be read is absent. */
export const readPressure = async (folder: string, proc = '/proc'): Promise<Pressure> => {
  const [meminfo, psi, loads, most] = await Promise.all(
    ['meminfo', 'pressure/memory', 'loadavg', 'sys/kernel/pid_max'].map((name) => textOf(join(proc, name))),
  );
  const available = numberIn(meminfo ?? '', /^MemAvailable: +(\d+) kB$/m);
  const total = numberIn(meminfo ?? '', /^MemTotal: +(\d+) kB$/m);
  const some = numberIn(psi ?? '', /^some avg10=([\d.]+)/m);
  const full = numberIn(psi ?? '', /^full avg10=([\d.]+)/m);
  // "0.53 1.16 2.12 1/345 23456": runnable and all tasks are the fourth.
  const running = numberIn(loads ?? '', /^\S+ \S+ \S+ \d+\/(\d+)/);
  const limit = numberIn(most ?? '', /^(\d+)/);
  const disk = await diskOf(folder);
  return {
    ...(available === undefined || total === undefined
      ? {}
      : { memory: { available: available * 1024, total: total * 1024 } }),
    ...(some === undefined || full === undefined ? {} : { memoryStall: { some, full } }),
    ...(running === undefined || limit === undefined ? {} : { tasks: { running, most: limit } }),
    ...(disk ? { disk } : {}),
  };
};
