/**
 * The way to a server: directly or through a proxy. An agent per request, because a redirect may lead to a host
 * with another answer. CONNECT is done by hand, so that one deadline covers the proxy, the tunnel and TLS, and so
 * that a half-open connection can be closed at the deadline; the absolute form for plain http is Node's own.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import * as http from 'node:http';
import * as https from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';

/** As in HTTPS_PROXY, HTTP_PROXY and NO_PROXY; a proxy without a scheme is `http://`. */
export type ProxySettings = { readonly http?: string; readonly https?: string; readonly no?: string };

export type Route = {
  readonly agent: http.Agent;
  /** Closes every open and half-open connection. */
  close(): void;
};

const bare = (host: string): string => host.replace(/^\[|\]$/g, '').toLowerCase();

const inRange = (entry: string, host: string): boolean => {
  const [net, bits] = entry.split('/');
  const family = isIP(net ?? '');
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits ?? '')) return false;
  if (Number(bits) > (family === 6 ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(net ?? '', Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  return list.check(host, family === 6 ? 'ipv6' : 'ipv4');
};

/**
 * Whether `no` exempts this address: `*`, an exact host or IP, `example.com` (with everything below it),
 * `.example.com` or `*.example.com` (only what is below it), `10.0.0.0/8`, each with an optional `:port`.
 */
export const bypassesProxy = (url: URL, no: string | undefined): boolean => {
  const host = bare(url.hostname);
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return (no ?? '').split(/[\s,]+/).some((raw) => {
    const text = raw.toLowerCase();
    if (text === '') return false;
    if (text === '*') return true;
    if (text.includes('/')) return inRange(text, host);
    const match = isIP(bare(text)) === 0 ? /^(?<name>.+?)(?::(?<port>\d+))?$/.exec(text) : null;
    if (match?.groups?.port !== undefined && match.groups.port !== port) return false;
    const name = bare(match?.groups?.name ?? text).replace(/^\*(?=\.)/, '');
    if (name.startsWith('.')) return host.endsWith(name);
    return host === name || (isIP(name) === 0 && host.endsWith(`.${name}`));
  });
};

/** The proxy for this address, or undefined for a direct connection. Throws an Error that shows no credentials. */
export const proxyFor = (url: URL, settings: ProxySettings | undefined): URL | undefined => {
  const text = url.protocol === 'https:' ? settings?.https : settings?.http;
  if (text === undefined || text === '' || bypassesProxy(url, settings?.no)) return undefined;
  const full = text.includes('://') ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  if (proxy === undefined || !['http:', 'https:'].includes(proxy.protocol) || proxy.hostname === '') {
    throw new Error(
      `the ${url.protocol.slice(0, -1)} proxy that is set is not an http:// or https:// address`,
    );
  }
  return proxy;
};

const credentialsOf = (url: URL): string =>
  Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64');

/** `Basic …` for the userinfo of an address, or undefined when it has none. */
export const basicAuth = (url: URL): string | undefined =>
  url.username === '' && url.password === '' ? undefined : `Basic ${credentialsOf(url)}`;

type Done = (error: Error | null, socket?: Duplex) => void;
type Open = Set<{ destroy(): unknown }>;

/** RFC 9110 section 9.3.6: any 2xx to CONNECT means that the tunnel is open. */
export const openTunnel = (
  proxy: URL,
  options: tls.ConnectionOptions,
  secureContext: tls.SecureContext,
  open: Open,
  done: (error: Error | null, socket?: tls.TLSSocket) => void,
  /** CAs for the server behind the proxy, if they differ from the CAs for the proxy. */
  inner: tls.SecureContext = secureContext,
): void => {
  const host = options.host ?? 'localhost';
  const target = `${isIP(host) === 6 ? `[${host}]` : host}:${options.port ?? 443}`;
  const auth = basicAuth(proxy);
  const request = (proxy.protocol === 'https:' ? https : http).request({
    method: 'CONNECT',
    host: bare(proxy.hostname),
    port: proxy.port === '' ? (proxy.protocol === 'https:' ? 443 : 80) : proxy.port,
    path: target,
    headers: { host: target, ...(auth === undefined ? {} : { 'proxy-authorization': auth }) },
    agent: false,
    ...(proxy.protocol === 'https:' ? { secureContext } : {}),
  });
  open.add(request);
  request.once('close', () => open.delete(request));
  const refused = (status: number | undefined): Error =>
    new Error(`the proxy ${proxy.host} answered ${status ?? 'nothing'} to CONNECT ${target}`);
  request.once('connect', (response: http.IncomingMessage, socket: Socket, head: Buffer) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    // The TLS socket above it reports the same errors; without a listener here they would end the process.
    socket.on('error', () => undefined);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) {
      socket.destroy();
      done(refused(response.statusCode));
      return;
    }
    if (head.length > 0) socket.unshift(head);
    const { host: _host, port: _port, path: _path, ...rest } = options;
    done(null, tls.connect({ ...rest, host, socket, secureContext: inner }));
  });
  request.once('response', (response) => {
    response.destroy();
    done(refused(response.statusCode));
  });
  request.on('error', (error) =>
    done(new Error(`the proxy ${proxy.host} cannot be used: ${error.message}`, { cause: error })),
  );
  request.end();
};

/**
 * Gets every error of the requests of `agent`, also those that come after the response: a reset in a body without
 * a length, or junk after it. node-fetch drops these, and the body then ends early as if it were whole.
 * https://nodejs.org/api/diagnostics_channel.html#http
 */
const hearErrors = (agent: http.Agent, onError: (error: Error) => void): (() => void) => {
  const listener = (message: unknown): void => {
    if (typeof message !== 'object' || message === null) return;
    if (!('request' in message && 'error' in message && message.error instanceof Error)) return;
    const { request, error } = message;
    if (typeof request === 'object' && request !== null && 'agent' in request && request.agent === agent) {
      onError(error);
    }
  };
  subscribe('http.client.request.error', listener);
  return () => unsubscribe('http.client.request.error', listener);
};

/**
 * An agent for one request to `url`. `onConnected` is called when the server is reached: after TCP for plain http,
 * after TLS for https; `onError` for every error of the request, whenever it comes. `isLoose`: any certificate will do.
 */
export const routeTo = (
  url: URL,
  proxy: URL | undefined,
  secureContext: () => tls.SecureContext,
  onConnected: () => void,
  onError: (error: Error) => void,
  isLoose = false,
): Route => {
  const open: Open = new Set();
  const via = (agent: http.Agent): Route => {
    const deaf = hearErrors(agent, onError);
    const close = (): void => {
      deaf();
      for (const each of open) each.destroy();
    };
    return { agent, close };
  };
  const watched = (socket: Duplex, event: 'connect' | 'secureConnect'): Duplex => {
    open.add(socket);
    socket.once(event, onConnected);
    return socket;
  };

  if (url.protocol === 'http:') {
    const agent = new http.Agent({
      keepAlive: false,
      ...(proxy === undefined ? {} : { proxyEnv: { http_proxy: proxy.href } }),
    });
    const connect = agent.createConnection.bind(agent);
    agent.createConnection = (options, done) => {
      const socket = connect(options, done);
      return socket ? watched(socket, 'connect') : socket;
    };
    return via(agent);
  }

  const agent = new https.Agent({ keepAlive: false, maxCachedSessions: 0, rejectUnauthorized: !isLoose });
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, done) => {
    const context = secureContext();
    if (proxy === undefined) {
      const socket = connect(Object.assign({}, options, { secureContext: context }), done);
      return socket ? watched(socket, 'secureConnect') : socket;
    }
    const finish: Done = (error, socket) =>
      (done as ((error: Error | null, socket?: Duplex) => void) | undefined)?.(error, socket);
    openTunnel(proxy, options as tls.ConnectionOptions, context, open, (error, socket) =>
      finish(error, socket === undefined ? undefined : watched(socket, 'secureConnect')),
    );
    return undefined;
  };
  return via(agent);
};
