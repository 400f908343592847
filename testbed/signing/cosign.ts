/** Debian's cosign 2.5.0 and docker-registry, run where they were unpacked. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import { type Progress, run } from '../machine/command.ts';
import { until } from '../until.ts';

export type Cosign = {
  /** In the folder; the password of keys is empty. */
  readonly run: (words: readonly string[], env?: Readonly<Record<string, string>>) => Promise<string>;
};

export const cosignIn = async (folder: string, progress: Progress): Promise<Cosign> => {
  const program = join(await prepareImage('trixie', 'cosign', progress), 'usr/bin/cosign');
  return {
    run: (words, env = {}) =>
      run([program, ...words], { cwd: folder, env: { COSIGN_PASSWORD: '', COSIGN_YES: 'true', ...env } }),
  };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
};

/** `at`: host and port. Plain HTTP, and no user is asked for. */
export const registryIn = async (folder: string, progress: Progress) => {
  const program = join(await prepareImage('trixie', 'cosign', progress), 'usr/bin/docker-registry');
  const at = `127.0.0.1:${await freePort()}`;
  const settings = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, 'registry') } },
    http: { addr: at },
  };
  const file = join(folder, 'registry.yml');
  await writeFile(file, JSON.stringify(settings));
  const child: ChildProcess = spawn(program, ['serve', file], { stdio: 'ignore' });
  await until(async () => (await fetch(`http://${at}/v2/`).catch(() => undefined))?.ok === true);
  return { at, stop: () => void child.kill() };
};
