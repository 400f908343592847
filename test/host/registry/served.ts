/** A stand-in for a registry, in this process: it serves what it is given, and lies where a test says so. */
import { createHash } from 'node:crypto';
import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Test } from 'tap';
import type { Endpoint, Image } from '../../../host/registry/endpoint.ts';
import type { RegistryOptions } from '../../../host/registry/registry.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export type Blob = { readonly mediaType: string; readonly digest: string; readonly size: number };

export const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  tar: 'application/vnd.oci.image.layer.v1.tar',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

/** What a registry holds. */
export const makeStore = () => {
  const blobs = new Map<string, Uint8Array>();
  const tags = new Map<string, string>();
  const blob = (mediaType: string, content: Uint8Array | object): Blob => {
    const bytes = content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content));
    blobs.set(sha256(bytes), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const config = (architecture = 'amd64') =>
    blob(types.config, { os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: [] } });
  return {
    blobs,
    tags,
    blob,
    /** Each file a layer, by title. */
    artifact: (files: Readonly<Record<string, Uint8Array>>, more: object = {}) =>
      blob(types.manifest, {
        schemaVersion: 2,
        mediaType: types.manifest,
        artifactType: 'application/vnd.example.shim',
        config: blob(types.empty, Buffer.from('{}')),
        layers: Object.entries(files).map(([title, bytes]) => ({
          ...blob('application/octet-stream', bytes),
          annotations: { 'org.opencontainers.image.title': title },
        })),
        ...more,
      }),
    image: (layers: readonly Blob[], architecture = 'amd64') =>
      blob(types.manifest, {
        schemaVersion: 2,
        mediaType: types.manifest,
        config: config(architecture),
        layers,
      }),
    index: (manifests: Readonly<Record<string, Blob>>) =>
      blob(types.index, {
        schemaVersion: 2,
        mediaType: types.index,
        manifests: Object.entries(manifests).map(([platform, manifest]) => {
          const [os, architecture, variant] = platform.split('/');
          return { ...manifest, platform: { os, architecture, ...(variant ? { variant } : {}) } };
        }),
      }),
  };
};
export type Store = ReturnType<typeof makeStore>;

/** Answers a request itself by giving true. */
export type Lie = (request: http.IncomingMessage, response: http.ServerResponse, count: number) => boolean;

export const serveRegistry = async (t: Test, store: Store, lie: Lie = () => false) => {
  const requests: { readonly path: string; readonly headers: http.IncomingHttpHeaders }[] = [];
  const server = http.createServer((request, response) => {
    const path = request.url ?? '';
    requests.push({ path, headers: request.headers });
    const count = requests.filter((one) => one.path === path).length;
    if (lie(request, response, count)) return;
    const [, kind = '', name = ''] = /\/(manifests|blobs)\/([^?]+)/.exec(path) ?? [];
    const digest = (kind === 'manifests' ? store.tags.get(name) : undefined) ?? name;
    const bytes = store.blobs.get(digest.replace('sha256:', ''));
    if (!bytes) {
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': bytes.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    response.end(bytes.subarray(from));
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  return { host, requests, paths: () => requests.map(({ path }) => path) };
};

export const plain = ({ host, repository }: Image): Endpoint => ({
  base: `http://${host}/v2`,
  repository,
  resolves: true,
  pulls: true,
  ca: [],
  client: [],
  headers: {},
});

/** As a node that speaks to each registry over plain http. */
export const optionsOf = (more: Partial<RegistryOptions['http']> = {}): Omit<RegistryOptions, 'host'> => ({
  credentialsFor: async () => undefined,
  endpointsOf: async (image) => [plain(image)],
  http: {
    mirrors: [],
    maxBytes: 10_000_000,
    connectTimeoutMs: 20_000,
    idleTimeoutMs: 20_000,
    totalTimeoutMs: 60_000,
    attempts: 1,
    backoffMs: 1,
    allowHttp: true,
    ...more,
  },
});
