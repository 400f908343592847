/**
 * One client for what registries hold: manifests, blobs, and what refers to a manifest. Where the bytes come from and how often is
 * asked is for host/http; here is which addresses they have, and that each has its digest.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
import { pathToFileURL } from 'node:url';
import { Failure, problemOf } from '../../protocol/problem/problem.ts';
import { bring, type Downloaded } from '../http/download.ts';
import type { Access, DownloadOptions, Place } from '../http/options.ts';
import { intoFile, intoMemory, type Target } from '../http/target.ts';
import { accessTo, type Credential } from './access.ts';
import { apiHost, type Endpoint, type Image } from './endpoint.ts';
import {
  type Descriptor,
  type Index,
  type Manifest,
  manifestTypes,
  maxManifestBytes,
  parseManifest,
} from './manifest.ts';

export type { Credential, Endpoint };

export type RegistryOptions = {
  /** As in the reference. */
  readonly host: string;
  /** For a repository by the host of an endpoint: those of a registry are not shown to a mirror of it. */
  readonly credentialsFor: (image: Image) => Promise<Credential | undefined>;
  /** All that may be asked, in this order; the registry itself is one of them. */
  readonly endpointsOf: (image: Image) => Promise<readonly Endpoint[]>;
  /** A file that has this content, or seems to; absent: there is none. */
  readonly localBlob?: (sha256: string) => Promise<string | undefined>;
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

/** A signature, a config: what is read into memory. */
const maxReadBytes = 4 * 1024 * 1024;

/** By which credentials are given; that of Docker Hub is not that of its server. */
const nameOf = (base: string): string => {
  const { host } = new URL(base);
  return host === apiHost('docker.io') ? 'docker.io' : host;
};

const isMissing = (error: unknown): boolean =>
  error instanceof Failure && error.problem.code === 'download-refused';

/** The table's hint is about a file whose digest a person wrote down. */
const otherBytes = (error: unknown): never => {
  if (!(error instanceof Failure) || error.problem.code !== 'digest-mismatch') throw error;
  const hint =
    'The registry, a mirror or a proxy sends other bytes than it was asked for: ask who runs it, or use another mirror.';
  throw new Failure({ ...error.problem, hint }, error);
};

/** The files of the runtime, or the mirrors of config.toml, allow none. */
const none = (host: string, needsResolve: boolean): Failure =>
  new Failure(
    needsResolve
      ? {
          code: 'download-refused',
          message: `no server that this node asks for ${host} may say what a tag means: plain http, and a mirror that does not resolve, prove nothing about it`,
          hint: 'Add the digest to the reference, after "@".',
        }
      : {
          code: 'download-refused',
          message: `this node takes no content of ${host}`,
          hint: 'See what the files of the container runtime say of this registry.',
        },
  );

export const openRegistry = (options: RegistryOptions): Registry => {
  const { host, credentialsFor, endpointsOf, localBlob } = options;
  const http: DownloadOptions = { ...options.http, trusts: new Map() };
  const endpoints = new Map<string, Promise<readonly Endpoint[]>>();
  /** Not by the address: what was proven of a server with a certificate is no matter of the same one without. */
  const accesses = new Map<Endpoint, Access>();

  const access = (endpoint: Endpoint) => {
    const { base, repository } = endpoint;
    const credential = () => credentialsFor({ host: nameOf(base), repository });
    const known = accesses.get(endpoint) ?? accessTo({ endpoint, credential, http });
    accesses.set(endpoint, known);
    return known;
  };

  const placesOf = async (
    repository: string,
    path: string,
    needsResolve: boolean,
    accept?: string,
  ): Promise<Place[]> => {
    const asked = endpoints.get(repository) ?? endpointsOf({ host, repository });
    endpoints.set(repository, asked);
    const able = (await asked).filter(({ resolves, pulls }) => (needsResolve ? resolves : pulls));
    if (able.length === 0) throw none(host, needsResolve);
    return able.map((endpoint): Place => {
      const { base, mirrorOf, ca, client, unproven } = endpoint;
      const url = new URL(`${base}/${endpoint.repository}/${path}`);
      // A mirror of several registries is told which one is meant by this parameter.
      if (mirrorOf !== undefined) url.searchParams.set('ns', mirrorOf);
      const given = access(endpoint);
      const headers = () => ({ ...given.headers(), ...(accept === undefined ? {} : { accept }) });
      const tls = { ca, client, ...(unproven ? { unproven } : {}) };
      return { location: url.href, askedMs: 0, access: { ...given, headers }, tls };
    });
  };

  const get = (
    places: Place[],
    digest: string | undefined,
    target: Target,
    maxBytes: number,
    more: Partial<DownloadOptions> = {},
  ): Promise<Downloaded> => bring(places, digest, target, { ...http, ...more, maxBytes }).catch(otherBytes);

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
    const places = [
      ...(await localPlaces(digest)),
      ...(await placesOf(repository, path, digest === undefined, manifestTypes.join(', '))),
    ];
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

  const localPlaces = async (digest: string | undefined): Promise<Place[]> => {
    const path = digest === undefined ? undefined : await localBlob?.(digest);
    return path === undefined ? [] : [{ location: pathToFileURL(path).href, askedMs: 0 }];
  };

  const ofBlob = async (repository: string, { digest }: Pick<Descriptor, 'digest'>): Promise<Place[]> => [
    ...(await localPlaces(digest)),
    ...(await placesOf(repository, `blobs/sha256:${digest}`, false)),
  ];

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
      const got = await get(await ofBlob(repository, blob), blob.digest, intoFile(into), blob.size).catch(
        moreThanSaid(blob.size),
      );
      sized(blob, got);
      return got;
    },
    read: async (repository, blob) => {
      tooMuch(blob.size, maxReadBytes);
      const places = await ofBlob(repository, blob);
      const { bytes } = await inMemory((target) => get(places, blob.digest, target, blob.size)).catch(
        moreThanSaid(blob.size),
      );
      sized(blob, { bytes: bytes.length });
      return bytes;
    },
    referrers: async (repository, digest, artifactType) => {
      const fits = (index: Manifest | Index): readonly Descriptor[] =>
        (index.kind === 'index' ? index.manifests : []).filter(
          (one) => artifactType === undefined || one.artifactType === artifactType,
        );
      try {
        const places = await placesOf(repository, `referrers/sha256:${digest}`, false);
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
        // Without access it is not known that there is nothing.
        if (isMissing(error) && !/refuses access/.test(problemOf(error).message)) return [];
        throw error;
      }
    },
  };
};
