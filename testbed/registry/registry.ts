/** Debian's docker-registry 2.8, run where it was unpacked; over TLS and with a password where that is asked for. */
import { spawn } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { prepareImage } from '../artifacts/images.ts';
import { attempt, type Progress } from '../machine/command.ts';
import { until } from '../until.ts';

export type Registry = {
  /** Host and port. */
  readonly at: string;
  readonly leader?: number;
  /** Its CA, where it has TLS. */
  readonly ca?: string;
  readonly stop: () => void;
};

export const user = { name: 'robot', password: 'a secret' } as const;
/** bcrypt, the only form that it takes; by htpasswd -B of the above. */
const passwords = `${user.name}:$2b$05$abcdefghijklmnopqrstuuIAEipimVgSTxGS2VyWH9AhzRz3iJI3.\n`;

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
};

/** Words before a program that make it one of the node's loopback, which is all the network that a node has. */
export const within = (leader: number | undefined): readonly string[] =>
  leader === undefined ? [] : ['nsenter', '-t', `${leader}`, '-n', '--'];

/** A certificate for 127.0.0.1 that is its own CA. */
const certify = (folder: string): { readonly certificate: string; readonly key: string } => {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '2'],
      ...['-subj', '/CN=registry', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', 'registry.key', '-out', 'registry.pem'],
    ],
    { cwd: folder, stdio: 'pipe' },
  );
  return { certificate: join(folder, 'registry.pem'), key: join(folder, 'registry.key') };
};

/** `guarded`: with TLS, and for `user` alone. `leader`: of the node that it serves. Its files are in `folder`. */
export const startRegistry = async (
  folder: string,
  progress: Progress,
  { guarded = false, leader }: { readonly guarded?: boolean; readonly leader?: number } = {},
): Promise<Registry> => {
  const program = join(await prepareImage('trixie', 'cosign', progress), 'usr/bin/docker-registry');
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const at = `127.0.0.1:${port}`;
  const pair = guarded ? certify(folder) : undefined;
  await writeFile(join(folder, 'passwords'), passwords);
  const settings = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: join(folder, 'content') } },
    http: { addr: at, ...(pair ? { tls: pair } : {}) },
    ...(guarded ? { auth: { htpasswd: { realm: 'registry', path: join(folder, 'passwords') } } } : {}),
  };
  const file = join(folder, 'registry.yml');
  await writeFile(file, JSON.stringify(settings));
  const [first = program, ...rest] = [...within(leader), program, 'serve', file];
  const child = spawn(first, rest, { stdio: 'ignore' });
  // A test that fails before it can stop it does not wait for it, and leaves none behind.
  child.unref();
  process.once('exit', () => child.kill());
  const knock = [...within(leader), 'bash', '-c', `: < /dev/tcp/127.0.0.1/${port}`];
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the registry at ${at} ended with ${child.exitCode}`);
    return (await attempt(knock)).code === 0;
  });
  return {
    at,
    ...(leader === undefined ? {} : { leader }),
    ...(pair ? { ca: pair.certificate } : {}),
    stop: () => void child.kill(),
  };
};
