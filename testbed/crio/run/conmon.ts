/** Containers by conmon and an OCI runtime, started the way CRI-O starts them (its internal/oci/runtime_oci.go). */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable, Writable } from 'node:stream';
import { text } from '../config/model.ts';
import { never } from '../serve/server.ts';
import type { Monitor, Order } from './monitor.ts';

const rootOf = ({ handler }: Order): string => text(handler.runtime_root) || '/run/crun';

/** Undefined when it ended with 0. */
const call = (order: Order, words: readonly string[]): Promise<string | undefined> =>
  new Promise((done) => {
    execFile(order.runtime, ['--root', rootOf(order), ...words], (error, _, said) =>
      done(error === null ? undefined : said.trim() || error.message),
    );
  });

/** A shim speaks another protocol; a real CRI-O waits for one that cannot be served, which is all there is here. */
const startShim = async (order: Order): Promise<void> => {
  await new Promise<void>((started, failed) => {
    execFile(order.runtime, ['--version'], (error) => {
      const code = error !== null && 'code' in error ? error.code : undefined;
      if (code === 'EACCES') failed(new Error(`: fork/exec ${order.runtime}: permission denied`));
      else started();
    });
  });
  await never();
};

export const conmonIn = (run: string): Monitor => {
  const exits = join(run, 'exits');
  mkdirSync(exits, { recursive: true });
  const exitFile = ({ id }: Order): string => join(exits, id);
  const ended: Monitor['ended'] = (order) =>
    existsSync(exitFile(order)) ? { exitCode: Number(readFileSync(exitFile(order), 'utf8')) } : undefined;

  const create = async (order: Order): Promise<void> => {
    if (order.handler.runtime_type === 'vm') return startShim(order);
    const words = [
      ...['-b', order.bundle, '-c', order.id, '--exit-dir', exits, '-l', order.log, '--log-level', 'info'],
      ...['-n', order.name, '-P', join(order.bundle, 'conmon-pidfile')],
      ...['-p', join(order.bundle, 'pidfile'), '--persist-dir', order.bundle, '-r', order.runtime],
      ...['--runtime-arg', `--root=${rootOf(order)}`, '--socket-dir-path', run, '-u', order.id],
    ];
    const child = spawn(text(order.handler.monitor_path), words, {
      cwd: order.bundle,
      env: { ...process.env, _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4' },
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
    });
    const exit = new Promise<number | null>((done, failed) => {
      child.on('error', failed);
      child.on('exit', done);
    });
    // The pipe stays open in the conmon that goes on, so that its first line is all there is to wait for.
    const pipe = child.stdio[3] as Readable;
    const line = new Promise<string>((done) => {
      let seen = '';
      pipe.on('data', (chunk) => {
        seen += String(chunk);
        if (seen.includes('\n')) done(seen);
      });
      pipe.on('close', () => done(seen));
    });
    // One that ends at once has read nothing, which its exit code tells.
    const start = child.stdio[4] as Writable;
    for (const stream of [start, pipe]) stream.on('error', () => undefined);
    start.end('\0');
    const code = await exit;
    if (code !== 0) throw new Error(`exit status ${code}`);
    const said = await line;
    pipe.destroy();
    if (said.trim() === '') throw new Error('error reading container (probably exited) json message: EOF');
    const { pid, message } = JSON.parse(said) as { readonly pid: number; readonly message?: string };
    if (pid === -1)
      throw new Error(message ? `container create failed: ${message}` : 'container create failed');
  };

  return {
    create,
    ended,
    start: async (order) => {
      const fault = await call(order, ['start', order.id]);
      if (fault !== undefined) throw new Error(fault);
    },
    stop: async (order, seconds) => {
      await call(order, ['kill', order.id, 'TERM']);
      for (let waited = 0; ended(order) === undefined && waited < seconds * 1000; waited += 50)
        await sleep(50);
      if (ended(order) === undefined) await call(order, ['kill', order.id, 'KILL']);
      for (let waited = 0; ended(order) === undefined && waited < 10_000; waited += 50) await sleep(50);
    },
    remove: async (order) => {
      await call(order, ['delete', '--force', order.id]);
      rmSync(exitFile(order), { force: true });
    },
  };
};
