/**
 * From a location to a folder of the store: download, verify, extract the named files, check that they run here, and only then
 * rename the folder. The configuration is not changed, so nothing needs a rollback.
 */
import { lackOf } from '../../shims/engine.ts';
import { fileURLToPath } from 'node:url';
import { folderOf, paths } from '../../../protocol/host-paths.ts';
import type { DownloadOptions } from '../../../host/http/options.ts';
import { bring, type Brought, type Content, type Registries, takeOut } from './ways.ts';
import type { Host } from '../../../host/host.ts';
import { binaryName, type Handler, storeKey } from '../../model/desired.ts';
import { Failure } from '../../../protocol/problem/problem.ts';
import type { Settings } from '../../model/settings.ts';
import type { SignatureProof } from '../../model/signatures.ts';
import { allowsHost } from '../../shims/location.ts';
import { printUrl } from '../../../protocol/problem/mask.ts';
import { labelPrograms } from './label.ts';
import { type Manifest, writeManifest } from './store.ts';
import { digestOf } from '../../../protocol/digest.ts';
import { marked } from './unpacking.ts';

/** A verified download, until it is dropped. */
export type Fetched = Brought & { readonly path: string };

const incoming = (url: string, sha256: string | undefined): string =>
  `${paths.incoming}/${digestOf(url + (sha256 ?? '')).slice(0, 16)}`;

/** The most entries in an archive, where that of a shim has a few; and in the layers of an image, which may hold a distribution. */
const maxEntries: Readonly<Record<Content['kind'], number>> = { file: 10_000, files: 10_000, image: 200_000 };

/** `sha256`: the expected digest; `undefined` for trust on first use. */
export const fetchArtifact = async (
  host: Host,
  settings: Settings,
  registries: Registries,
  handler: Handler,
  sha256: string | undefined,
  stop?: AbortSignal,
): Promise<Fetched> => {
  await makeIncoming(host);
  const { url } = handler.artifact;
  const path = `${incoming(url, sha256)}.artifact`;
  await trustSources(host, settings, url, sha256);
  const options = downloadOptions(host, settings, handler, stop);
  return { path, ...(await bring(host, registries, url, sha256, path, options)) };
};

/** For the artifact and for its signatures. */
export const downloadOptions = (
  host: Host,
  settings: Settings,
  handler: Handler,
  stop: AbortSignal | undefined,
): DownloadOptions => {
  const { url } = handler.artifact;
  const steps = { at: host.clock.elapsed() };
  return {
    mirrors: settings.mirrors,
    proxy: settings.proxy,
    ...(settings.extraCa === undefined ? {} : { extraCaFile: host.files.real(settings.extraCa) }),
    // Settings and shims of another root name files of that root: files of this machine must not get into an image.
    real: host.files.real,
    maxBytes: settings.maxArtifactBytes,
    connectTimeoutMs: 15_000,
    idleTimeoutMs: settings.idleTimeout * 1000,
    totalTimeoutMs: settings.downloadTimeout * 1000,
    attempts: settings.attempts,
    backoffMs: 1000,
    // A digest makes the transport irrelevant.
    allowHttp: true,
    allows: (to) => allowsHost(to, settings.allowedHosts),
    random: host.clock.random,
    // The folder of what comes in is emptied at the next start.
    passing: true,
    ...(stop ? { signal: stop } : {}),
    onProgress: (done, total) => {
      host.progress();
      const now = host.clock.elapsed();
      if (now - steps.at < 5000) return;
      steps.at = now;
      host.log(
        'info',
        `fetching ${printUrl(url)}: ${megabytes(done)}${total ? ` of ${megabytes(total)}` : ''}`,
        { handler: handler.name },
      );
    },
  };
};

/**
 * A user who can write the CA file decides which servers are trusted; without a digest, a user who can write the artifact
 * decides what root runs.
 */
const trustSources = async (
  host: Host,
  { extraCa, mirrors }: Settings,
  url: string,
  sha256: string | undefined,
): Promise<void> => {
  if (extraCa !== undefined) await host.files.trust(extraCa);
  if (sha256 !== undefined) return;
  const { placesFor } = await import('../../../host/http/download.ts');
  for (const place of placesFor(url, mirrors).filter((one) => one.startsWith('file:')))
    await host.files.trust(fileURLToPath(place));
};

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const makeIncoming = async (host: Host): Promise<void> => {
  for (const folder of [paths.home, paths.store, paths.incoming])
    if (!(await host.files.isFolder(folder))) await host.files.makeFolder(folder);
};

/** Extracts what this handler needs; the download stays for the other `sharers`, which count an interruption too. */
export const placeArtifact = async (
  host: Host,
  settings: Settings,
  handler: Handler,
  fetched: Fetched,
  sharers: readonly Handler[],
  proof?: SignatureProof,
): Promise<void> => {
  const key = storeKey(handler, fetched.sha256);
  if (key === undefined)
    throw new Failure({ code: 'internal', message: 'an artifact without a digest cannot be placed' });
  const folder = `${paths.incoming}/${key.slice(0, 16)}.d`;
  await host.files.removeTree(folder);
  // With the note that it is being unpacked, which is put beside it.
  await host.files.makeFolder(folder, 'with the next');
  try {
    // In the store nothing is parsed any more, so no attempt must be counted.
    const manifest = await marked(host, sharers, () => unpack(host, settings, handler, fetched, key, folder));
    await labelPrograms(
      host,
      Object.keys(manifest.files).map((name) => `${folder}/${name}`),
    );
    await writeManifest(host, folder, proof ? { ...manifest, proofs: [proof] } : manifest);
    // A damaged folder of this name is replaced: processes that run from it keep their files until they end.
    await host.files.removeTree(`${paths.store}/${key}`);
    await host.files.move(folder, `${paths.store}/${key}`);
  } finally {
    await host.files.removeTree(folder);
  }
};

export const dropArtifact = (host: Host, fetched: Fetched): Promise<void> =>
  host.files.removeTree(fetched.path);

const unpack = async (
  host: Host,
  settings: Settings,
  handler: Handler,
  { sha256, content, path }: Fetched,
  key: string,
  folder: string,
): Promise<Manifest> => {
  const { runtime } = handler;
  const binary = binaryName(handler);
  const libraries = runtime.type === 'oci' ? runtime.libraries : [];
  const wanted =
    runtime.type === 'oci'
      ? { kind: 'named' as const, names: [binary, ...libraries] }
      : { kind: 'shim' as const, name: handler.shim };
  const limits = { maxBytes: settings.maxArtifactBytes * 4, maxEntries: maxEntries[content.kind] };
  const picked = await takeOut(host, handler.artifact, content, path, wanted, folder, limits);
  const files: Record<string, { sha256: string; bytes: number }> = {};
  for (const file of picked) {
    const name = libraries.includes(file.name) ? `lib/${file.name}` : binary;
    if (name !== file.name) await host.files.move(`${folder}/${file.name}`, `${folder}/${name}`);
    files[name] = { sha256: file.sha256, bytes: file.bytes };
  }
  const home = `${paths.store}/${key}`;
  await tryProgram(host, handler, folder);
  const tried = host.systemd ? {} : ({ untried: true } as const);
  const base = { version: 1, url: printUrl(handler.artifact.url), sha256, ...tried } as const;
  if (libraries.length === 0) return { ...base, binary, files };
  const launcher = `launch/${binary}`;
  const text = launcherText(`${home}/${binary}`, `${home}/lib`);
  await host.files.makeFolder(folderOf(`${folder}/${launcher}`));
  await host.files.put(`${folder}/${launcher}`, text, 0o755);
  files[launcher] = { sha256: digestOf(text), bytes: Buffer.byteLength(text) };
  return { ...base, binary: launcher, files };
};

/** Reads the binary, and runs it on the host. Throws the Failure of `checkBinary`. */
export const tryProgram = async (host: Host, handler: Handler, folder: string): Promise<void> => {
  const { runtime } = handler;
  const libraries = runtime.type === 'oci' ? runtime.libraries : [];
  await host.checkBinary(
    {
      path: host.files.real(`${folder}/${binaryName(handler)}`),
      libraries: libraries.map((name) => host.files.real(`${folder}/lib/${name}`)),
      probe: [runtime.type === 'oci' ? '--version' : '-v'],
      ...(runtime.type === 'oci' ? { lackOf: (version) => lackOf(runtime.binary, version) } : {}),
      run: host.systemd !== undefined,
      ...(libraries.length > 0 ? { env: { LD_LIBRARY_PATH: host.files.real(`${folder}/lib`) } } : {}),
      root: host.root,
      machine: host.machine,
    },
    host.tools,
  );
};

/**
 * The libraries are found by this program and by it alone: nothing is put on the system's search path, and the
 * container's environment comes from its own configuration. A run path in the binary would not do: crun runs itself
 * from a memfd, where $ORIGIN leads nowhere (https://github.com/containers/crun, cloned_binary.c).
 */
const launcherText = (binary: string, libraries: string): string => `#!/bin/sh
# Written by rcm-node: libraries for this program alone.
LD_LIBRARY_PATH='${libraries}' exec '${binary}' "$@"
`;
