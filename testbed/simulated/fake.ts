/**
 * The one fake: a `Host` over a folder that looks like a host, with real files and real archives, and with a containerd,
 * a systemd and a clock that are scripted (`fake/`). The daemon and its clock outlive a "killed" run of ours, as the real
 * ones do.
 */
import { join } from 'node:path';
import { pick } from '../../host/artifact/archive.ts';
import { attachedSignatures } from '../../host/signature/attached.ts';
import { verifySignature } from '../../host/signature/verify.ts';
import { checkBinary } from '../../host/artifact/binary.ts';
import { makeFiles } from '../../host/files/files.ts';
import type { Host } from '../../host/host.ts';
import { download } from '../../host/http/download.ts';
import { fetchContent } from '../../host/registry/content.ts';
import { pickImage } from '../../host/artifact/layers/image.ts';
import type { Pressure } from '../../host/pressure-facts.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { filesAsRoot } from './bare-root.ts';
import { fakeCri } from './fake/cri.ts';
import type { Containerd, FakeOptions } from './fake/daemon.ts';
import { fakeProcess } from './fake/process.ts';
import { runProgram } from './fake/programs.ts';
import { fakeSystemd } from './fake/systemd.ts';
import { clockOf, virtualTime } from './fake/time.ts';
import { watchedFolder } from './fake/watched-folder.ts';

export type Fake = {
  readonly host: Host;
  readonly containerd: Containerd;
  readonly lines: string[];
  /** What else the log got with each line. */
  readonly fields: unknown[];
  /** Store files that processes have mapped, below the root as seen from inside. */
  mapped: readonly string[];
  mappedComplete: boolean;
  /** True while a run holds the lock; a killed run drops it, as the kernel would. */
  locked: boolean;
  /** How many more times something that is waited for with a limit is not over by then. */
  slow: number;
  pressure: Pressure;
  advance(ms: number): void;
};

export const fakeHost = (options: FakeOptions): Fake => {
  const { root, watches } = options;
  const files = filesAsRoot(makeFiles(root));
  const time = virtualTime();
  const running = fakeProcess(options, time, files.real);
  const { daemon } = running;
  const watched =
    watches === undefined
      ? undefined
      : watchedFolder(join(root, watches), time, () => {
          daemon.jobs.push(`watched ${time.now()}`);
          running.begin(daemon.unit.restarts, true);
        });
  watched?.forget();
  if (options.runs !== false && options.load !== 'masked') running.begin(0);
  const lines: string[] = [];
  const fields: unknown[] = [];
  const fake: Fake = {
    containerd: daemon,
    lines,
    fields,
    mapped: [],
    mappedComplete: true,
    locked: false,
    slow: 0,
    pressure: {
      memory: { available: 8e9, total: 16e9 },
      disk: { bytes: 0.5, inodes: 0.5 },
    },
    advance: time.advance,
    host: {
      root,
      machine: 'amd64',
      files: {
        ...files,
        statFolder: async (path) => {
          const facts = await files.statFolder(path);
          const isWatched = facts && watched && path === watches;
          return isWatched ? { ...facts, modified: time.dateOf(watched.changedAt()) } : facts;
        },
      },
      systemd: fakeSystemd(running, time, files.real),
      cri: fakeCri(root, running, time, files.real),
      clock: clockOf(time, () => fake.slow > 0 && fake.slow-- > 0),
      // Of the test's own process, which is not to be measured.
      releaseMemory: () => undefined,
      usedMemory: () => 0,
      download,
      fetchContent,
      pick,
      verifySignature,
      attachedSignatures,
      pickImage,
      checkBinary,
      tools: { run: async (argv) => runProgram(root, running, argv) },
      kubeconfig: async () => undefined,
      pressure: async () => fake.pressure,
      mappedFiles: async () => ({ files: fake.mapped, complete: fake.mappedComplete }),
      lock: async () => {
        if (fake.locked) throw new Failure({ code: 'locked', message: 'another process holds it' });
        fake.locked = true;
        return {
          release: async () => {
            fake.locked = false;
          },
        };
      },
      // Its time passes only in sleep: no event can end one.
      watch: () => ({ set: (folders) => folders, close: () => undefined }),
      log: (level, message, more) => {
        lines.push(`${level}: ${message}`);
        fields.push(more);
      },
      progress: () => undefined,
    },
  };
  return fake;
};

/** Where a path of the fake host really is. */
export const inside = (fake: Fake, path: string): string => join(fake.host.root, path);
