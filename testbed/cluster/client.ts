/** The API server over HTTPS, as the user of a certificate or a token. Nothing is retried and nothing is hidden. */
import { Agent, request } from 'node:https';
import type { Certificate } from '../kubernetes/pki.ts';

export type Answer = {
  readonly status: number;
  readonly text: string;
  /** The body as JSON; an error when it is none. */
  readonly json: unknown;
};

export type Given = {
  readonly body?: unknown;
  /** Of the body; `application/json` unless told, or the merge patch for PATCH. */
  readonly type?: string;
  readonly timeoutMs?: number;
};

export type Client = {
  /** Any answer is an answer, 403 and 500 too; rejects when there is none. */
  request(method: string, path: string, given?: Given): Promise<Answer>;
  /** The JSON of a GET; anything but 200 is an error. */
  get<T>(path: string): Promise<T>;
};

export type Identity = Certificate | { readonly token: string };

/** `keep`: so many connections stay open, for a client with many requests. */
export const clientFor = (server: string, ca: string, identity: Identity, keep = 0): Client => {
  const agent = new Agent({
    ca,
    // Else no connection outlives its request: servers of tests come and go.
    ...(keep > 0 ? { keepAlive: true, maxSockets: keep } : { keepAlive: false }),
    ...('token' in identity ? {} : { cert: identity.certificate, key: identity.key }),
  });
  const send: Client['request'] = (method, path, given = {}) =>
    new Promise((resolve, reject) => {
      const body = given.body === undefined ? undefined : JSON.stringify(given.body);
      const type = given.type ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json');
      const sent = request(
        new URL(path, server),
        {
          agent,
          method,
          timeout: given.timeoutMs ?? 30_000,
          headers: {
            accept: 'application/json',
            ...(body === undefined ? {} : { 'content-type': type }),
            ...('token' in identity ? { authorization: `Bearer ${identity.token}` } : {}),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({
              status: response.statusCode ?? 0,
              text,
              get json() {
                return JSON.parse(text) as unknown;
              },
            });
          });
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.on('error', reject);
      sent.end(body);
    });
  return {
    request: send,
    get: async <T>(path: string) => {
      const answer = await send('GET', path);
      if (answer.status !== 200) throw new Error(`GET ${path} answers ${answer.status}: ${answer.text}`);
      return answer.json as T;
    },
  };
};
