/** A TLS server to be an API server in tests, with certificates made by the openssl program. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type * as http from 'node:http';
import * as https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Credentials } from '../../kube/client.ts';
import { type Clock, realClock } from '../../host/host.ts';

const hasOpenssl = (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, 'openssl')));
export const needsOpenssl = {
  skip: hasOpenssl ? false : 'there is no openssl program to make certificates with',
};

export type Pair = { readonly cert: string; readonly key: string };

export type Authority = {
  readonly ca: string;
  /** `from`, `to`: when it is valid, as `20270115000000Z`; for two days from now when absent. */
  sign(subject: string, given?: { names?: string; from?: string; to?: string }): Pair;
};

/** `openssl x509` sets dates only since 3.4; `openssl ca` always could. */
const configuration = `
[ca]
default_ca = authority
[authority]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
`;

export const makeAuthority = (folder: string): Authority => {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
  const names = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test CA', '-days', '2'];
  openssl('req', '-x509', ...key, ...names);
  return {
    ca: read('ca.pem'),
    sign: (subject, { names = 'DNS:localhost,IP:127.0.0.1', from, to } = {}) => {
      openssl('req', ...key, '-keyout', 'one.key', '-out', 'one.csr', '-subj', subject);
      writeFileSync(join(folder, 'index'), '');
      writeFileSync(join(folder, 'serial'), randomBytes(8).toString('hex').replace(/^./, '1'));
      writeFileSync(join(folder, 'ca.conf'), `${configuration}subjectAltName = ${names}\n`);
      openssl(
        ...['ca', '-batch', '-notext', '-config', 'ca.conf', '-in', 'one.csr', '-out', 'one.pem'],
        ...['-cert', 'ca.pem', '-keyfile', 'ca.key'],
        ...(from === undefined || to === undefined ? ['-days', '2'] : ['-startdate', from, '-enddate', to]),
      );
      return { cert: read('one.pem'), key: read('one.key') };
    },
  };
};

export type Asked = {
  readonly method: string;
  readonly url: URL;
  readonly headers: http.IncomingHttpHeaders;
  /** The name in the certificate that the client showed. */
  readonly client: string | undefined;
  readonly body: string;
  readonly connection: number;
};

export type Handle = (asked: Asked, response: http.ServerResponse, count: number) => void;

export type ApiServer = {
  readonly url: string;
  readonly port: number;
  readonly asked: Asked[];
  /** Connections so far. */
  readonly connections: number;
  /** Ends all connections. */
  cut(): void;
};

/** One for all servers of an authority: openssl takes longer than many a test. */
const ownPairs = new WeakMap<Authority, Pair>();
const ownPairOf = (authority: Authority): Pair => {
  const pair = ownPairs.get(authority) ?? authority.sign('/CN=server');
  ownPairs.set(authority, pair);
  return pair;
};

/** What a server needs of a test, or of a program that shows one. */
export type Keeper = Pick<Test, 'testdir' | 'teardown'>;

export const serveApi = async (
  t: Pick<Keeper, 'teardown'>,
  authority: Authority,
  handle: Handle,
  given: { pair?: Pair; port?: number } = {},
): Promise<ApiServer> => {
  const sockets = new Map<Socket, number>();
  const asked: Asked[] = [];
  const state = { connections: 0 };
  const { cert, key } = given.pair ?? ownPairOf(authority);
  const server = https.createServer(
    { cert, key, ca: authority.ca, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('error', () => undefined);
      response.on('error', () => undefined);
      request.on('end', () => {
        const socket = request.socket as Socket & { getPeerCertificate(): { subject?: { CN?: string } } };
        const one: Asked = {
          method: request.method ?? '',
          url: new URL(request.url ?? '', 'https://x'),
          headers: request.headers,
          client: socket.getPeerCertificate().subject?.CN,
          body: Buffer.concat(pieces).toString('utf8'),
          connection: sockets.get(socket) ?? 0,
        };
        asked.push(one);
        handle(one, response, asked.length);
      });
    },
  );
  server.on('secureConnection', (socket: Socket) => {
    state.connections++;
    sockets.set(socket, state.connections);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(given.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets.keys()) socket.destroy();
  };
  t.teardown(() => {
    server.close();
    cut();
  });
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    asked,
    get connections() {
      return state.connections;
    },
    cut,
  };
};

export const json = (response: http.ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};

/** As the API server answers when it does not do it. */
export const refuse = (
  response: http.ServerResponse,
  code: number,
  message: string,
  more: object = {},
): void =>
  json(response, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code, ...more }, code);

export const withToken = (url: string, ca: string, token = 'abc'): Credentials => ({
  server: url,
  ca,
  client: { kind: 'token', token },
});

/** Real, but for what sleeps: it notes for how long, and sleeps a moment. */
export const briskClock = (random = 0.5): Clock & { readonly slept: number[] } => {
  const slept: number[] = [];
  return {
    ...realClock,
    slept,
    random: () => random,
    sleep: async (ms, signal) => {
      slept.push(ms);
      await realClock.sleep(2, signal);
    },
  };
};
