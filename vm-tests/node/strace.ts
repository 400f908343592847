/**
 * Ends a program with SIGKILL at an exact point, without a hook in the product: strace delivers the signal when the
 * program is about to make its Nth call of one kind. That call does not happen any more.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, type Progress, run, type Said } from './command.ts';
import type { TestNode } from './node.ts';

/**
 * The calls by which names of files appear and vanish. Writing needs no kill of its own: a file is a temporary one
 * until a rename or link gives it its name.
 */
export const changes = {
  rename: 'rename,renameat,renameat2',
  link: 'link,linkat',
  symlink: 'symlink,symlinkat',
  unlink: 'unlink,unlinkat',
  rmdir: 'rmdir',
} as const;

export type Change = keyof typeof changes;

export const prepareStrace = async (progress: Progress): Promise<void> => {
  if (existsSync('/usr/bin/strace')) return;
  progress('installing strace with apt-get');
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run(['apt-get', 'install', '-y', '-q', '--no-install-recommends', 'strace'], { env });
};

const cleanEnv = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  // strace counts for each thread; one thread for files makes one count.
  UV_THREADPOOL_SIZE: '1',
};

const inNode = (node: TestNode, argv: readonly string[]): readonly string[] => [
  'nsenter',
  '-t',
  `${node.leader}`,
  '-a',
  '--',
  ...argv,
];

/**
 * Runs `argv` in the node and kills it before the change `at` of this kind, counting from 1. Code 137 is "killed";
 * anything else means that it came to its end with fewer.
 */
export const runKilledAt = (
  node: TestNode,
  change: Change,
  at: number,
  argv: readonly string[],
): Promise<Said> => {
  const calls = changes[change];
  // Not with --seccomp-bpf, which is faster but makes strace lose count.
  const tracer = ['strace', '-f', '-qqq', '-o', '/dev/null', '-e', `trace=${calls}`];
  const inject = ['-e', `inject=${calls}:signal=KILL:when=${at}`];
  return attempt([...tracer, ...inject, ...inNode(node, argv)], {
    timeoutMs: 300_000,
    cleanEnv: true,
    env: cleanEnv,
  });
};

/** Runs `argv` and kills every process called `name` so many milliseconds after it said `line` on stderr. */
export const runKilledAfter = async (
  node: TestNode,
  line: string,
  ms: number,
  name: string,
  argv: readonly string[],
): Promise<Said> => {
  const heard = Promise.withResolvers<boolean>();
  const running = attempt(inNode(node, argv), {
    timeoutMs: 300_000,
    cleanEnv: true,
    env: cleanEnv,
    progress: (said) => {
      if (said.includes(line)) heard.resolve(true);
    },
  });
  void running.then(() => heard.resolve(false));
  if (await heard.promise) {
    await sleep(ms);
    await node.exec(['pkill', '-KILL', '-x', name]);
  }
  return running;
};
