/**
 * One client for what registries hold: manifests, blobs, and what refers to a manifest. Where the bytes come from and how often is
 * asked is for host/http; here is which addresses they have, and that each has its digest.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
import { Failure } from '../../protocol/problem/problem.ts';
import { bring, type Downloaded } from '../http/download.ts';
import type { Access, DownloadOptions, Place } from '../http/options.ts';
import { intoFile, intoMemory, type Target } from '../http/target.ts';
import { accessTo, type Credential } from './access.ts';
import {
  type Descriptor,
  type Index,
  type Manifest,
  manifestTypes,
  maxManifestBytes,
  parseManifest,
} from './manifest.ts';

export type { Credential };

/** A server that answers for a registry: the registry itself, or a mirror that the node's administrator has set. */
export type Endpoint = {
  /** With the path before the names of repositories: `https://mirror.example.com:5000/v2`. */
  readonly base: string;
  /** It may say which digest a tag has; another one is asked by digest only. */
  readonly resolves: boolean;
  /** PEM, trusted in addition for this server. */
  readonly caFile?: string;
};

export type RegistryOptions = {
  /** As in the reference. */
  readonly host: string;
  /** For the host of an endpoint. */
  readonly credentialsFor: (host: string) => Promise<Credential | undefined>;
  /** Asked before the registry itself. */
  readonly mirrorsOf: (host: string) => readonly Endpoint[];
  readonly http: DownloadOptions;
};

export type FetchedManifest = {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly manifest: Manifest | Index;
};

export type Registry = {
  /** By digest, or by tag: then the digest is what came. Throws as `download`, and `bad-archive`. */
  manifest(repository: string, which: { digest: string } | { tag: string }): Promise<FetchedManifest>;
  /** Into a file. */
  blob(repository: string, blob: Pick<Descriptor, 'digest' | 'size'>, into: string): Promise<Downloaded>;
  /** A small one. */
  read(repository: string, blob: Pick<Descriptor, 'digest' | 'size'>): Promise<Buffer>;
  /** What was attached to a manifest, signatures for instance; nothing is proven by being in this list. */
  referrers(repository: string, digest: string, artifactType?: string): Promise<readonly Descriptor[]>;
};

/** Names that are no server: https://github.com/distribution/reference has the first. */
const servers: ReadonlyMap<string, string> = new Map([
  ['docker.io', 'registry-1.docker.io'],
  ['index.docker.io', 'registry-1.docker.io'],
]);

export const ownEndpoint = (host: string): Endpoint => ({
  base: `https://${servers.get(host) ?? host}/v2`,
  resolves: true,
});

/** A signature, a config: what is read into memory. */
const maxReadBytes = 4 * 1024 * 1024;

const isMissing = (error: unknown): boolean =>
  error instanceof Failure && error.problem.code === 'download-refused';

export const openRegistry = (options: RegistryOptions): Registry => {
  const { host, http, credentialsFor } = options;
  const mirrors = options.mirrorsOf(host);
  const own = ownEndpoint(host);
  // The administrator may give the registry itself, too: with another scheme, or with a CA.
  const isGiven = mirrors.some(({ base }) => new URL(base).host === new URL(own.base).host);
  const endpoints = isGiven ? mirrors : [...mirrors, own];
  const accesses = new Map<string, Access>();

  const access = (base: URL, repository: string) => {
    const key = `${base.href} ${repository}`;
    const given = { base, repository, credential: () => credentialsFor(base.host), http };
    const known = accesses.get(key) ?? accessTo(given);
    accesses.set(key, known);
    return known;
  };

  const placesOf = (repository: string, path: string, needsResolve: boolean, accept?: string): Place[] =>
    endpoints
      .filter(({ resolves }) => resolves || !needsResolve)
      .map(({ base, caFile }) => {
        const url = new URL(`${base.replace(/\/$/, '')}/${repository}/${path}`);
        // A mirror of several registries is told which one is meant by this parameter.
        if (url.host !== new URL(own.base).host) url.searchParams.set('ns', host);
        const given = access(new URL(base), repository);
        const headers = () => ({ ...given.headers(), ...(accept === undefined ? {} : { accept }) });
        return {
          location: url.href,
          askedMs: 0,
          access: { ...given, headers },
          ...(caFile === undefined ? {} : { caFile }),
        };
      });

  const get = (
    places: Place[],
    digest: string | undefined,
    target: Target,
    maxBytes: number,
    more: Partial<DownloadOptions> = {},
  ): Promise<Downloaded> => bring(places, digest, target, { ...http, ...more, maxBytes });

  const inMemory = async (work: (target: Target) => Promise<Downloaded>) => {
    const got: { bytes?: Buffer } = {};
    const { sha256 } = await work(
      intoMemory((bytes) => {
        got.bytes = bytes;
      }),
    );
    return { sha256, bytes: got.bytes ?? Buffer.alloc(0) };
  };

  const fetchManifest: Registry['manifest'] = async (repository, which) => {
    const digest = 'digest' in which ? which.digest : undefined;
    const path = `manifests/${'digest' in which ? `sha256:${which.digest}` : which.tag}`;
    const places = placesOf(repository, path, digest === undefined, manifestTypes.join(', '));
    const { sha256, bytes } = await inMemory((target) => get(places, digest, target, maxManifestBytes));
    return { digest: sha256, bytes, manifest: parseManifest(bytes) };
  };

  const sized = (blob: Pick<Descriptor, 'size'>, { bytes }: { readonly bytes: number }): void => {
    if (bytes !== blob.size)
      throw new Failure({
        code: 'bad-archive',
        message: `a blob has ${bytes} bytes, and the manifest says ${blob.size}`,
      });
  };

  const ofBlob = (repository: string, { digest }: Pick<Descriptor, 'digest'>): Place[] =>
    placesOf(repository, `blobs/sha256:${digest}`, false);

  /** The limit was that of the manifest, and raising `maxArtifactBytes` would not help. */
  const moreThanSaid =
    (size: number) =>
    (error: unknown): never => {
      if (!(error instanceof Failure) || error.problem.code !== 'too-large') throw error;
      const message = `the registry sends more than the ${size} bytes that the manifest says`;
      throw new Failure({ code: 'bad-archive', message }, error);
    };

  const tooMuch = (size: number, most: number): void => {
    if (size > most)
      throw new Failure({ code: 'too-large', message: `a blob has ${size} bytes, and ${most} are allowed` });
  };

  return {
    manifest: fetchManifest,
    blob: async (repository, blob, into) => {
      tooMuch(blob.size, http.maxBytes);
      const got = await get(ofBlob(repository, blob), blob.digest, intoFile(into), blob.size).catch(
        moreThanSaid(blob.size),
      );
      sized(blob, got);
      return got;
    },
    read: async (repository, blob) => {
      tooMuch(blob.size, maxReadBytes);
      const { bytes } = await inMemory((target) =>
        get(ofBlob(repository, blob), blob.digest, target, blob.size),
      ).catch(moreThanSaid(blob.size));
      sized(blob, { bytes: bytes.length });
      return bytes;
    },
    referrers: async (repository, digest, artifactType) => {
      const fits = (index: Manifest | Index): readonly Descriptor[] =>
        (index.kind === 'index' ? index.manifests : []).filter(
          (one) => artifactType === undefined || one.artifactType === artifactType,
        );
      try {
        const places = placesOf(repository, `referrers/sha256:${digest}`, true);
        const { bytes } = await inMemory((target) =>
          get(places, undefined, target, maxManifestBytes, { decidesNothing: true }),
        );
        return fits(parseManifest(bytes));
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
      // A registry without that part of its API: clients keep the list under a tag.
      try {
        return fits((await fetchManifest(repository, { tag: `sha256-${digest}` })).manifest);
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
  };
};
