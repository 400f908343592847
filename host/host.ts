/**
 * All effects, as one record that is passed along: the only place where a test puts a fake. Its
 * functions are those of an operating system; none is about shims.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { pick } from './artifact/archive.ts';
import type { pickImage } from './artifact/layers/image.ts';
import type { checkBinary } from './artifact/binary.ts';
import type { Cri } from './cri/cri.ts';
import { sharedCri } from './cri/shared-cri.ts';
import { type Files, makeFiles } from './files/files.ts';
import type { download } from './http/download.ts';
import type { attachedSignatures } from './signature/attached.ts';
import type { verifySignature } from './signature/verify.ts';
import type { fetchContent } from './registry/content.ts';
import type { KnownKubeconfig } from './processes/kubelet.ts';
import { acquireLock } from './files/lock.ts';
import { watchFolders } from './files/watch.ts';
import type { Log } from './log.ts';
import { readPressure } from './pressure.ts';
import { mappedFiles } from './processes/processes.ts';
import { releaseMemory, usedMemory } from './memory.ts';
import { mustBeRootsSocket } from './cri/socket-owner.ts';
import { makeSystemd, type Systemd } from './systemd/systemd.ts';
import type { Machine } from './facts.ts';
import { makeTools, type Tools } from './exec.ts';

export type Clock = {
  /** Epoch milliseconds; may jump. For times that people read or that are stored. */
  now(): number;
  /** Milliseconds of a monotonic clock; for deadlines. */
  elapsed(): number;
  /** Ends early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Whether the work ends within so many milliseconds, with or without an error. It continues in both cases. */
  within(work: Promise<unknown>, ms: number): Promise<boolean>;
  /** In [0, 1). */
  random(): number;
};

export type Host = {
  readonly root: string;
  readonly machine: Machine;
  readonly files: Files;
  readonly tools: Tools;
  /** Absent without a service manager: another root. */
  readonly systemd: Systemd | undefined;
  readonly cri: (socket: string) => Cri;
  readonly download: typeof download;
  readonly fetchContent: typeof fetchContent;
  readonly pick: typeof pick;
  readonly verifySignature: typeof verifySignature;
  readonly attachedSignatures: typeof attachedSignatures;
  readonly pickImage: typeof pickImage;
  readonly checkBinary: typeof checkBinary;
  readonly mappedFiles: typeof mappedFiles;
  readonly pressure: typeof readPressure;
  /** Of this node's kubelet; undefined if there is none. Throws `no-identity` if several are possible. */
  readonly kubeconfig: (known: readonly KnownKubeconfig[]) => Promise<string | undefined>;
  readonly releaseMemory: typeof releaseMemory;
  readonly usedMemory: typeof usedMemory;
  readonly lock: typeof acquireLock;
  readonly watch: typeof watchFolders;
  readonly clock: Clock;
  readonly log: Log;
  /** Reports progress: once per step, and for each piece of long work. The watchdog may depend on it. */
  readonly progress: () => void;
};

const realSleep: Clock['sleep'] = async (ms, signal) => {
  await sleep(ms, undefined, signal && { signal }).catch((error: unknown) => {
    if (signal?.aborted !== true) throw error;
  });
};

export const realClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: realSleep,
  within: async (work, ms) => {
    const stop = new AbortController();
    const end = (): true => {
      stop.abort();
      return true;
    };
    return Promise.race([work.then(end, end), realSleep(ms, stop.signal).then(() => false)]);
  },
  random: () => Math.random(),
};

export const makeHost = (options: {
  readonly root: string;
  readonly machine: Machine;
  readonly log: Log;
}): Host => {
  const { root } = options;
  const systemd = root === '/' ? makeSystemd({ callDeadlineMs: 10_000 }) : undefined;
  return {
    root,
    machine: options.machine,
    files: makeFiles(root),
    tools: makeTools(),
    systemd,
    kubeconfig: async (known) =>
      (await import('./processes/kubelet.ts')).findKubeconfig({
        root,
        known,
        systemd,
        proc: systemd ? '/proc' : undefined,
      }),
    cri: sharedCri({ deadlineMs: 5_000, trust: mustBeRootsSocket }),
    // Loaded at the first fetch: a service with nothing to fetch keeps no HTTP client and no archive reader in memory.
    download: async (...given) => (await import('./http/download.ts')).download(...given),
    fetchContent: async (...given) => (await import('./registry/content.ts')).fetchContent(...given),
    pickImage: async (...given) => (await import('./artifact/layers/image.ts')).pickImage(...given),
    pick: async (...given) => (await import('./artifact/archive.ts')).pickAndRelease(...given),
    verifySignature: async (...given) => (await import('./signature/verify.ts')).verifySignature(...given),
    attachedSignatures: async (...given) =>
      (await import('./signature/attached.ts')).attachedSignatures(...given),
    checkBinary: async (...given) => (await import('./artifact/binary.ts')).checkBinary(...given),
    mappedFiles,
    pressure: readPressure,
    releaseMemory,
    usedMemory,
    lock: acquireLock,
    watch: watchFolders,
    clock: realClock,
    log: options.log,
    progress: () => undefined,
  };
};
