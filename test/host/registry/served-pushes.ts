/** A stand-in for a registry to which one can push; served.ts answers what is asked of it. */
import { createHash } from 'node:crypto';
import type * as http from 'node:http';
import type { Lie, Store } from './served.ts';

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The checks of the specification, and nothing else; `told` has what was put. */
export const takes = (store: Store, told: string[]): Lie => {
  const end = (response: http.ServerResponse, status: number, headers = {}): true => {
    response.writeHead(status, headers).end();
    return true;
  };
  const known = (name: string): boolean =>
    store.blobs.has((store.tags.get(name) ?? name).replace('sha256:', ''));
  return (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    const [, kind = '', name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (request.method === 'HEAD') return end(response, known(name) ? 200 : 404);
    if (request.method === 'POST') return end(response, 202, { location: `${url.pathname}upload?state=1` });
    if (request.method !== 'PUT') return false;
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const bytes = Buffer.concat(pieces);
      const digest = digestOf(bytes);
      const wanted = url.searchParams.get('digest') ?? (name.startsWith('sha256:') ? name : undefined);
      const inner =
        kind === 'manifests' ? (JSON.parse(String(bytes)) as { manifests?: { digest: string }[] }) : {};
      const missing = (inner.manifests ?? []).some((one) => !known(one.digest));
      if ((wanted !== undefined && wanted !== `sha256:${digest}`) || missing) return end(response, 400);
      store.blobs.set(digest, bytes);
      if (kind === 'manifests' && !name.startsWith('sha256:')) store.tags.set(name, `sha256:${digest}`);
      told.push(`${kind || 'upload'} ${url.pathname.replace(/\/(manifests|blobs)\/.*/, '')}`);
      return end(response, 201);
    });
    return true;
  };
};
