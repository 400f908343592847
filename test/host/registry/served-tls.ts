/** A registry over TLS, in this process, with a CA of its own; openssl makes the certificates. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import type { Store } from './served.ts';

const hasOpenssl = (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, 'openssl')));
export const tlsTest = { skip: hasOpenssl ? false : 'there is no openssl program to make certificates with' };

/** A CA, a server's certificate of it, and one of a client. */
export const makeCertificates = (folder: string): void => {
  if (!hasOpenssl) return;
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=test CA',
    '-days',
    '2',
  );
  writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-out', `${name}.pem`, '-days', '2', '-extfile', 'ext'],
    );
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
