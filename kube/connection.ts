/**
 * TLS to an API server: its CA and no other, this node's certificate or token, through a proxy if there is one. Kept
 * apart from node's global agent, so that nothing here is shared with downloads.
 */
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import { ApiFailure } from './failure.ts';
import { openTunnel } from '../host/http/proxy.ts';

export type Credentials = {
  /** `https://host:port`, with a path where the API is behind one. */
  readonly server: string;
  /** PEM; absent: the roots of the system. */
  readonly ca?: string;
  /** The name that the server's certificate has to be for, when it is not the host of `server`. */
  readonly serverName?: string;
  readonly proxy?: string;
  readonly client:
    | { readonly kind: 'certificate'; readonly cert: string; readonly key: string }
    | { readonly kind: 'token'; readonly token: string };
  /** Epoch milliseconds; after this they are read again before they are used. */
  readonly readAgainAfter?: number;
};

export type Connection = {
  readonly agent: https.Agent;
  readonly headers: Readonly<Record<string, string>>;
  /** False: the next request opens a connection. */
  hasIdle(): boolean;
  dropIdle(): void;
  close(): void;
};

const tcpKeepAliveMs = 30_000;
/** Less than any server or balancer keeps an idle connection, so that none is used at the moment it is closed. */
const idleMs = 30_000;

/** Everything that a connection depends on. A token is not part of it: each request sends its own. */
export const sameConnection = (one: Credentials, other: Credentials): boolean => {
  const parts = ({ server, ca, serverName, proxy, client }: Credentials) =>
    JSON.stringify([server, ca, serverName, proxy, client.kind === 'certificate' ? client : undefined]);
  return parts(one) === parts(other);
};

export const headersOf = ({ client }: Credentials): Readonly<Record<string, string>> =>
  client.kind === 'token' ? { authorization: `Bearer ${client.token}` } : {};

const contextOf = ({ ca, client }: Credentials): tls.SecureContext => {
  try {
    return tls.createSecureContext({
      ca: ca ?? [...tls.getCACertificates('system'), ...tls.getCACertificates('default')],
      minVersion: 'TLSv1.2',
      ...(client.kind === 'certificate' ? { cert: client.cert, key: client.key } : {}),
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ApiFailure('no-identity', `certificate, key and CA cannot be used: ${why}`, { cause: error });
  }
};

/** `reuse`: keep connections for the next request; a watch has one of its own and ends with it. */
export const openConnection = (credentials: Credentials, reuse: boolean): Connection => {
  const { proxy, serverName } = credentials;
  const secureContext = contextOf(credentials);
  const open = new Set<{ destroy(): unknown }>();
  const agent = new https.Agent({
    keepAlive: reuse,
    timeout: reuse ? idleMs : undefined,
    // A resumed TLS session uses the client certificate of its start, even after a renewal.
    maxCachedSessions: 0,
    // Set here, so that NODE_TLS_REJECT_UNAUTHORIZED has no effect.
    rejectUnauthorized: true,
    ...(serverName === undefined ? {} : { servername: serverName }),
  });
  const kept = <T extends Duplex>(socket: T): T => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (socket instanceof tls.TLSSocket) socket.setKeepAlive(true, tcpKeepAliveMs);
    return socket;
  };
  const direct = agent.createConnection.bind(agent);
  agent.createConnection = (options, done) => {
    if (proxy === undefined) {
      const socket = direct(Object.assign({}, options, { secureContext }), done);
      return socket ? kept(socket) : socket;
    }
    const finish = done as ((error: Error | null, socket?: Duplex) => void) | undefined;
    openTunnel(
      new URL(proxy),
      options as tls.ConnectionOptions,
      tls.createSecureContext(),
      open,
      (error, socket) => finish?.(error, socket === undefined ? undefined : kept(socket)),
      secureContext,
    );
    return undefined;
  };
  const idle = (): readonly Duplex[] => Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
  return {
    agent,
    headers: headersOf(credentials),
    hasIdle: () => idle().some((socket) => !socket.destroyed),
    dropIdle: () => {
      for (const socket of idle()) socket.destroy();
    },
    close: () => {
      agent.destroy();
      for (const each of open) each.destroy();
    },
  };
};
