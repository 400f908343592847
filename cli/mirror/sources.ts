/** Where a mirror takes things from: servers and registries as their names say, with the proxies and credentials of the person who copies. */
import { resolve } from 'node:path';
import { readAuthFile } from '../../daemon/reconcile/registries/credentials.ts';
import { credentialIn } from '../../daemon/registries/auth-file.ts';
import { makeFiles } from '../../host/files/files.ts';
import type { DownloadOptions } from '../../host/http/download.ts';
import type { Credential } from '../../host/registry/access.ts';
import { type Endpoint, type Image, original } from '../../host/registry/endpoint.ts';
import { parseReference } from '../../host/registry/reference.ts';
import { openRegistry, type RegistryOptions } from '../../host/registry/registry.ts';
import { printUrl } from '../../protocol/problem/mask.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import { copyFile } from './copy-file.ts';
import { copyImage } from './copy-image.ts';
import type { Folder } from './folder.ts';
import type { Entry } from './lock-file.ts';
import type { Needed } from './needed.ts';

export type Sources = {
  /** A file of credentials, as docker has it. */
  readonly credentials?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where a registry answers; absent: where its name says. */
  readonly endpointsOf?: RegistryOptions['endpointsOf'];
  /** A line for the person who waits. */
  readonly say: (line: string) => void;
};

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export const optionsOf = ({ env, say }: Sources, location: string): DownloadOptions => {
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

export const credentialFor = async (
  { credentials }: Sources,
  image: Image,
): Promise<Credential | undefined> =>
  credentials === undefined
    ? undefined
    : credentialIn(await readAuthFile(makeFiles('/'), resolve(credentials)), image);

/** One that a test puts in the place of a registry. */
export const endpointFor = async ({ endpointsOf }: Sources, image: Image): Promise<Endpoint> =>
  (await endpointsOf?.(image))?.[0] ?? original(image);

/** `whole`: with every machine of an index. */
export const copyOne = async (
  sources: Sources,
  folder: Folder,
  needed: Needed,
  known: Entry | undefined,
  whole = false,
): Promise<Entry> => {
  const { location, sha256 } = needed;
  const http = optionsOf(sources, location);
  const expected = sha256 ?? known?.sha256;
  if (!location.startsWith('oci:')) return copyFile(folder, needed, expected, http);
  const reference = parseReference(location);
  if ('wrong' in reference) throw new Failure({ code: 'bad-value', message: reference.wrong });
  const registry = {
    host: reference.host,
    endpointsOf: sources.endpointsOf ?? (async (image) => [original(image)]),
    credentialsFor: (image) => credentialFor(sources, image),
    http,
  } satisfies RegistryOptions;
  // They prove themselves, so that their tags may be asked for over plain http, too.
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
    whole,
  );
};
