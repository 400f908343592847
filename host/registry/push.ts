/**
 * Puts blobs and manifests into a repository of a registry, which keeps each of them once: one that it has is not sent again.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push
 */
import { createReadStream } from 'node:fs';
import { Failure } from '../../protocol/problem/problem.ts';
import { failed, makeWatch, refused } from '../http/deadlines.ts';
import { fetch, type Response } from '../http/fetch.ts';
import type { DownloadOptions } from '../http/options.ts';
import { proxyFor, routeTo } from '../http/proxy.ts';
import { trustOf } from '../http/transfer.ts';
import { accessTo, type Credential } from './access.ts';
import type { Endpoint } from './endpoint.ts';

export type Pusher = {
  has(kind: 'blobs' | 'manifests', reference: string): Promise<boolean>;
  /** Of a file whose digest was verified. */
  blob(digest: string, bytes: number, path: string): Promise<void>;
  /** `reference`: `sha256:…`, or a tag. */
  manifest(reference: string, mediaType: string, text: string): Promise<void>;
};

type Body = { readonly bytes: number; readonly open: () => NodeJS.ReadableStream | string };
type Sent = { readonly status: number; readonly location: string | undefined };

const types = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
];

export const openPush = async (
  endpoint: Endpoint,
  credential: () => Promise<Credential | undefined>,
  http: DownloadOptions,
): Promise<Pusher> => {
  const access = accessTo({ endpoint, credential, http, actions: 'pull,push' });
  const trust = await trustOf(endpoint.ca, endpoint.client);
  const base = `${endpoint.base}/${endpoint.repository}`;
  const { origin } = new URL(base);

  const once = async (
    method: string,
    url: URL,
    body: Body | undefined,
    headers: Readonly<Record<string, string>>,
  ): Promise<Sent & { readonly challenge: string }> => {
    const watch = makeWatch({ ...http, idleTimeoutMs: http.totalTimeoutMs });
    watch.connecting();
    const route = routeTo(
      url,
      proxyFor(url, http.proxy),
      trust,
      watch.alive,
      watch.broken,
      endpoint.unproven,
    );
    try {
      const response: Response = await fetch(url.href, {
        agent: route.agent,
        method,
        redirect: 'manual',
        signal: watch.signal,
        headers: {
          'user-agent': 'rcm-node',
          ...headers,
          ...(body ? { 'content-length': String(body.bytes) } : {}),
          // Uploads may lead to a storage of others, which has no use for our credentials.
          ...(url.origin === origin ? access.headers() : {}),
        },
        ...(body ? { body: body.open() } : {}),
      });
      return {
        status: response.status,
        location: response.headers.get('location') ?? undefined,
        challenge: response.headers.get('www-authenticate') ?? '',
      };
    } catch (error) {
      const why = watch.explain(error);
      if (why instanceof Failure) throw why;
      const message = error instanceof Error ? error.message : String(error);
      throw failed(/, reason: (.*)$/s.exec(message)?.[1] || 'the connection broke', error);
    } finally {
      watch.end();
      route.close();
    }
  };

  const send: (...given: Parameters<typeof once>) => Promise<Sent> = async (method, url, body, headers) => {
    const first = await once(method, url, body, headers);
    if (first.status !== 401 || url.origin !== origin || !(await access.challenged(first.challenge)))
      return first;
    return once(method, url, body, headers);
  };

  const mustBe = ({ status }: Sent, wanted: number, what: string): void => {
    if (status === wanted) return;
    const told = access.explain(status);
    const { problem } = (status >= 500 || status === 429 ? failed : refused)(
      `${what}: ${told?.message ?? `the registry answered ${status}`}`,
    );
    throw new Failure({ ...problem, ...(told?.hint === undefined ? {} : { hint: told.hint }) });
  };

  const has: Pusher['has'] = async (kind, reference) => {
    const accept = { accept: types.join(', ') };
    const sent = await send('HEAD', new URL(`${base}/${kind}/${reference}`), undefined, accept);
    if (sent.status === 404) return false;
    // A storage behind the registry has it.
    if (sent.status !== 307) mustBe(sent, 200, reference);
    return true;
  };

  return {
    has,
    blob: async (digest, bytes, path) => {
      if (await has('blobs', `sha256:${digest}`)) return;
      const empty: Body = { bytes: 0, open: () => '' };
      const begun = await send('POST', new URL(`${base}/blobs/uploads/`), empty, {});
      mustBe(begun, 202, 'an upload');
      if (begun.location === undefined || !URL.canParse(begun.location, base))
        throw refused('the registry says not where a blob goes');
      const url = new URL(begun.location, base);
      if (url.protocol === 'http:' && new URL(base).protocol === 'https:')
        throw refused('the registry wants a blob without TLS');
      url.searchParams.set('digest', `sha256:${digest}`);
      const body: Body = { bytes, open: () => createReadStream(path) };
      mustBe(await send('PUT', url, body, { 'content-type': 'application/octet-stream' }), 201, 'a blob');
    },
    manifest: async (reference, mediaType, text) => {
      const body: Body = { bytes: Buffer.byteLength(text), open: () => text };
      const url = new URL(`${base}/manifests/${reference}`);
      mustBe(await send('PUT', url, body, { 'content-type': mediaType }), 201, 'a manifest');
    },
  };
};
