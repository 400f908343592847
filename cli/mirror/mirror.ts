/**
 * `rcm-node shim mirror`: one location after the other, each complete before the lock file names it, so that an interrupted run goes on
 * where it ended, and a second one for the same Shims asks no server.
 */
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readAuthFile } from '../../daemon/reconcile/registries/credentials.ts';
import { credentialIn } from '../../daemon/registries/auth-file.ts';
import { makeFiles } from '../../host/files/files.ts';
import { acquireLock } from '../../host/files/lock.ts';
import type { DownloadOptions } from '../../host/http/download.ts';
import { original } from '../../host/registry/endpoint.ts';
import { parseReference } from '../../host/registry/reference.ts';
import { openRegistry, type RegistryOptions } from '../../host/registry/registry.ts';
import { printUrl } from '../../protocol/problem/mask.ts';
import { Failure, type Problem, problemOf } from '../../protocol/problem/problem.ts';
import { copyFile } from './copy-file.ts';
import { copyImage } from './copy-image.ts';
import { type Folder, openFolder, prefixes } from './folder.ts';
import { lockName, type Entry, type LockFile } from './lock-file.ts';
import { type Needed, neededBy, type Text } from './needed.ts';

export type Mirroring = {
  readonly to: string;
  readonly texts: readonly Text[];
  /** A file of credentials, as docker has it. */
  readonly credentials?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a registry answers; absent: where its name says. */
  readonly endpointsOf?: RegistryOptions['endpointsOf'];
  /** A line for the person who waits. */
  readonly say: (line: string) => void;
};

export type Copied = {
  /** Without user, password and query. */
  readonly location: string;
  readonly did: 'copied' | 'unchanged' | 'left' | 'failed';
  readonly entry?: Entry;
  readonly problem?: Problem;
};

export type Mirrored = {
  readonly folder: string;
  readonly lock: string;
  readonly copied: readonly Copied[];
  /** What config.toml of the nodes has to say, with the folder at the same place there. */
  readonly mirrors: readonly { readonly prefix: string; readonly replace: string }[];
};

const optionsOf = ({ env, say }: Mirroring, location: string): DownloadOptions => {
  const state = { at: performance.now() };
  const of = (name: string): string | undefined => env[name.toLowerCase()] || env[name];
  const [http, https, no] = [of('HTTP_PROXY'), of('HTTPS_PROXY'), of('NO_PROXY')];
  return {
    mirrors: [],
    proxy: { ...(http ? { http } : {}), ...(https ? { https } : {}), ...(no ? { no } : {}) },
    maxBytes: 4 * 1024 ** 3,
    connectTimeoutMs: 15_000,
    idleTimeoutMs: 60_000,
    totalTimeoutMs: 2 * 3_600_000,
    attempts: 4,
    backoffMs: 1000,
    // Refused without a digest, as on a node.
    allowHttp: true,
    onProgress: (done, total) => {
      if (performance.now() - state.at < 3000) return;
      state.at = performance.now();
      const of = total === undefined ? '' : ` of ${megabytes(total)}`;
      say(`  ${printUrl(location)}: ${megabytes(done)}${of}`);
    },
  };
};

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const isComplete = async (folder: Folder, needed: Needed, entry: Entry | undefined): Promise<boolean> => {
  if (entry === undefined || (needed.sha256 ?? entry.sha256) !== entry.sha256) return false;
  for (const [path, sha256] of Object.entries(entry.files))
    if ((await folder.digest(path)) !== sha256) return false;
  return true;
};

const copyOne = async (
  mirroring: Mirroring,
  folder: Folder,
  needed: Needed,
  known: Entry | undefined,
): Promise<Entry> => {
  const { location, sha256 } = needed;
  const http = optionsOf(mirroring, location);
  const expected = sha256 ?? known?.sha256;
  if (!location.startsWith('oci:')) return copyFile(folder, needed, expected, http);
  const reference = parseReference(location);
  if ('wrong' in reference) throw new Failure({ code: 'bad-value', message: reference.wrong });
  const { credentials } = mirroring;
  const registry = {
    host: reference.host,
    endpointsOf: mirroring.endpointsOf ?? (async (image) => [original(image)]),
    credentialsFor: async (image) =>
      credentials === undefined
        ? undefined
        : credentialIn(await readAuthFile(makeFiles('/'), resolve(credentials)), image),
    http,
  } satisfies RegistryOptions;
  const signatures = openRegistry({ ...registry, http: { ...http, decidesNothing: true } });
  const pin = reference.digest ?? sha256;
  return copyImage(
    folder,
    openRegistry(registry),
    signatures,
    reference,
    needed,
    pin ?? expected,
    pin !== undefined,
  );
};

const merged = (entry: Entry, shims: readonly string[]): Entry => ({
  ...entry,
  shims: [...new Set([...entry.shims, ...shims])].sort(),
});

/** Two addresses may differ in their query alone, which has no place in the name of a file. */
const mustBeApart = (folder: Folder, all: readonly Needed[]): void => {
  const seen = new Map<string, string>();
  for (const { location } of all.filter((one) => /^https?:/.test(one.location))) {
    const path = folder.pathOf(location);
    const other = seen.get(path);
    if (other !== undefined)
      throw new Failure({
        code: 'bad-value',
        message: `${printUrl(location)} and ${printUrl(other)} would be one file in a mirror`,
      });
    seen.set(path, location);
  }
};

/** Tries every location; what fails does not keep the others. */
export const mirror = async (mirroring: Mirroring): Promise<Mirrored> => {
  const { texts, say } = mirroring;
  const all = neededBy(texts);
  const root = resolve(mirroring.to);
  const held = await (async () => {
    await makeFiles('/').makeFolder(root);
    return acquireLock(join(root, '.lock'), { waitMs: 0 });
  })();
  try {
    const folder = await openFolder(root);
    mustBeApart(folder, all);
    let lock: LockFile = await folder.readLock();
    const copied: Copied[] = [];
    for (const needed of all) {
      const { location, shims } = needed;
      const shown = printUrl(location);
      // Without what may be a secret in the address: everyone may read the lock file.
      const known = lock[shown];
      if (location.startsWith('file:')) {
        say(`left      ${shown}: a file of the node itself`);
        copied.push({ location: shown, did: 'left' });
        continue;
      }
      try {
        const isDone = await isComplete(folder, needed, known);
        const entry = isDone && known ? known : await copyOne(mirroring, folder, needed, known);
        lock = { ...lock, [shown]: merged(entry, [...(known?.shims ?? []), ...shims]) };
        await folder.writeLock(lock);
        say(`${isDone ? 'unchanged' : 'copied   '} ${shown} (${megabytes(entry.bytes)})`);
        copied.push({ location: shown, did: isDone ? 'unchanged' : 'copied', entry });
      } catch (error) {
        const problem = problemOf(error);
        say(`failed    ${shown}: ${problem.message}`);
        copied.push({ location: shown, did: 'failed', problem });
      }
    }
    const used = prefixes.filter(([prefix]) => Object.keys(lock).some((one) => one.startsWith(prefix)));
    const mirrors = used.map(([prefix, part]) => ({
      prefix,
      replace: pathToFileURL(join(root, part)).href,
    }));
    return { folder: root, lock: join(root, lockName), copied, mirrors };
  } finally {
    await held.release();
  }
};
