/**
 * Ends a program with SIGKILL at an exact point, without a hook in the product: strace delivers the signal when the
 * program is about to make its Nth call of one kind. That call does not happen any more.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestNode } from './test-node.ts';
import { attempt, type Progress, run, type Said } from '../machine/command.ts';

/**
 * The calls by which names appear and vanish. Writing needs no kill of its own: a file is a temporary one until a
 * rename or link gives it its name.
 */
const changes = ['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat']
  .concat(['unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir'])
  .join(',');

/** The call that changes `path`, and how many of its kind the program has made by then, itself included. */
export type Change = { readonly call: string; readonly at: number; readonly path: string };

export const prepareStrace = async (progress: Progress): Promise<void> => {
  if (existsSync('/usr/bin/strace')) return;
  progress('installing strace with apt-get');
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run(['apt-get', 'install', '-y', '-q', '--no-install-recommends', 'strace'], { env });
};

const traced = (node: TestNode, tracer: readonly string[], argv: readonly string[], progress?: Progress) =>
  attempt([...tracer, 'nsenter', '-t', `${node.leader}`, '-a', '--', ...argv], {
    timeoutMs: 300_000,
    cleanEnv: true,
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      // strace counts for each thread; one thread for files makes one count.
      UV_THREADPOOL_SIZE: '1',
    },
    ...(progress ? { progress } : {}),
  });

/** Runs `argv` in the node and tells every change that it made, but for those below /run, which a boot forgets. */
export const changesOf = async (node: TestNode, argv: readonly string[]): Promise<readonly Change[]> => {
  const folder = await mkdtemp(join(tmpdir(), 'rcm-node-strace-'));
  try {
    const output = join(folder, 'calls');
    const said = await traced(node, ['strace', '-f', '-qqq', '-o', output, '-e', `trace=${changes}`], argv);
    if (said.code !== 0) throw new Error(`${argv.join(' ')} ended with ${said.code}: ${said.stderr}`);
    const counts = new Map<string, number>();
    const list: Change[] = [];
    for (const line of (await readFile(output, 'utf8')).split('\n')) {
      const [, thread, call, words, answer] = /^(\d+) +(\w+)\((.*)\) += (-?\d+)/.exec(line) ?? [];
      if (thread === undefined || call === undefined || words === undefined) continue;
      const at = (counts.get(`${thread} ${call}`) ?? 0) + 1;
      counts.set(`${thread} ${call}`, at);
      const path = [...words.matchAll(/"([^"]*)"/g)].at(-1)?.[1] ?? '';
      if (answer === '0' && !path.startsWith('/run/')) list.push({ call, at, path });
    }
    return list;
  } finally {
    await rm(folder, { recursive: true });
  }
};

/** Runs `argv` in the node and kills it right before the change: code 137. */
export const runKilledBefore = (node: TestNode, change: Change, argv: readonly string[]): Promise<Said> => {
  // Not with --seccomp-bpf, which is faster but makes strace lose count.
  const tracer = ['strace', '-f', '-qqq', '-o', '/dev/null', '-e', `trace=${change.call}`];
  return traced(node, [...tracer, '-e', `inject=${change.call}:signal=KILL:when=${change.at}`], argv);
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
  const running = traced(node, [], argv, (said) => {
    if (said.includes(line)) heard.resolve(true);
  });
  void running.then(() => heard.resolve(false));
  if (await heard.promise) {
    await sleep(ms);
    await node.exec(['pkill', '-KILL', '-x', name]);
  }
  return running;
};
