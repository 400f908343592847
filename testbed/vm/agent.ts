/**
 * Commands in a virtual machine, by qemu's guest agent and a serial port of its own: the machine needs no network and no password.
 * https://www.qemu.org/docs/master/interop/qemu-ga-ref.html
 */
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandOptions, Said } from '../machine/command.ts';

export type Agent = {
  /** Runs a program as root; never rejects for an exit code. */
  exec(
    argv: readonly string[],
    options?: Pick<CommandOptions, 'input' | 'env' | 'timeoutMs' | 'cwd'>,
  ): Promise<Said>;
  close(): void;
};

type Ended = {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
  readonly 'err-data'?: string;
};

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const base64 = (content: string | Uint8Array): string => Buffer.from(content).toString('base64');
const text = (data = ''): string => Buffer.from(data, 'base64').toString();

/** An agent that runs answers in a moment; the first question alone waits until it does. */
const answerMs = 300_000;

/**
 * Returns at once: what is asked before the machine is up is answered when it is. The agent is asked one thing at a time: the second of
 * two questions that were sent together may never be answered (seen with qemu 10.0, its virtio-serial port and commands of 8 kB).
 */
export const connectAgent = (socketPath: string): Agent => {
  const socket: Socket = createConnection(socketPath);
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let rest = '';
  let last = 0;
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const said = JSON.parse(line) as {
        readonly return?: unknown;
        readonly error?: { readonly desc: string };
        readonly id?: number;
      };
      // By its number: after a start of the agent there can be an answer that belongs to no question.
      const asked = waiting.get(said.id ?? 0);
      waiting.delete(said.id ?? 0);
      if (said.error) asked?.reject(new Error(`the guest agent: ${said.error.desc}`));
      else asked?.resolve(said.return);
    }
  });
  const lost = (why = 'the virtual machine has ended'): void => {
    for (const asked of waiting.values()) asked.reject(new Error(why));
    waiting.clear();
  };
  socket.on('error', (error) => lost(error.message));
  socket.on('close', () => lost());
  const askNow = async (execute: string, given: object, ms: number, about: string): Promise<unknown> => {
    if (socket.destroyed) throw new Error('the virtual machine has ended');
    const asked = Promise.withResolvers<unknown>();
    last += 1;
    waiting.set(last, asked);
    const silent = `the guest agent gave no answer to ${execute} within ${ms} ms: ${about}`;
    const deadline = setTimeout(() => asked.reject(new Error(silent)), ms);
    socket.write(`${JSON.stringify({ execute, arguments: given, id: last })}\n`);
    return asked.promise.finally(() => clearTimeout(deadline));
  };
  let turn: Promise<unknown> = Promise.resolve();
  const ask = <Answer>(...question: Parameters<typeof askNow>): Promise<Answer> => {
    const answer = turn.then(() => askNow(...question));
    turn = answer.catch(() => undefined);
    return answer as Promise<Answer>;
  };
  const exec: Agent['exec'] = async (argv, { input = '', env = {}, timeoutMs = 600_000, cwd } = {}) => {
    const until = performance.now() + timeoutMs;
    const about = argv.join(' ');
    const variables = Object.entries({ HOME: '/root', LANG: 'C.UTF-8', ...env });
    const command = {
      path: '/usr/bin/env',
      arg: [
        ...(cwd === undefined ? [] : [`--chdir=${cwd}`]),
        path,
        ...variables.map(([name, value]) => `${name}=${value}`),
        ...argv,
      ],
      'input-data': base64(input),
      'capture-output': true,
    };
    const { pid } = await ask<{ readonly pid: number }>('guest-exec', command, timeoutMs, about);
    for (let pause = 20; ; pause = Math.min(500, pause * 2)) {
      const ended = await ask<Ended>('guest-exec-status', { pid }, Math.min(timeoutMs, answerMs), about);
      if (ended.exited) {
        const { exitcode = 128 + (ended.signal ?? 0) } = ended;
        return { code: exitcode, stdout: text(ended['out-data']), stderr: text(ended['err-data']) };
      }
      if (performance.now() > until)
        return {
          code: 137,
          stdout: '',
          stderr: `no end after ${timeoutMs} ms; it still runs: ${about}`,
        };
      await sleep(pause);
    }
  };
  return { exec, close: () => socket.destroy() };
};
