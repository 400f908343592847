/** A registry over TLS, in this process, with a CA of its own; openssl makes the certificates. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import { makeAuthority, needsOpenssl } from '../../../testbed/simulated/api-server.ts';
import type { Store } from './served.ts';

export const tlsTest = needsOpenssl;

/** A CA, a server's certificate of it, and one of a client. */
export const makeCertificates = (folder: string): void => {
  if (needsOpenssl.skip) return;
  const authority = makeAuthority(folder);
  for (const name of ['server', 'client']) {
    const { cert, key } = authority.sign(`/CN=${name}`, { names: 'IP:127.0.0.1' });
    writeFileSync(join(folder, `${name}.pem`), cert);
    writeFileSync(join(folder, `${name}.key`), key);
  }
};

type Answer = {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};
type Seen = { readonly request: IncomingMessage; readonly body: string; readonly client: string | undefined };

/** Over TLS; `before` answers instead of the store where it gives something. */
export const serveTls = async (
  t: Test,
  folder: string,
  store: Store,
  before: (seen: Seen) => Answer | undefined = () => undefined,
) => {
  const server = https.createServer(
    {
      key: readFileSync(join(folder, 'server.key')),
      cert: readFileSync(join(folder, 'server.pem')),
      ca: readFileSync(join(folder, 'ca.pem')),
      requestCert: true,
      rejectUnauthorized: false,
    },
    async (request, response) => {
      let body = '';
      for await (const piece of request) body += String(piece);
      const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject ?? {};
      const answer = before({ request, body, client: CN as string | undefined });
      if (answer) {
        response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
        return;
      }
      const name = /\/(?:manifests|blobs)\/([^?]+)/.exec(request.url ?? '')?.[1] ?? '';
      const bytes = store.blobs.get((store.tags.get(name) ?? name).replace('sha256:', ''));
      response.writeHead(bytes ? 200 : 404).end(bytes);
    },
  );
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};
