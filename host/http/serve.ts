/**
 * A few pages over plain HTTP, for a kubelet's probes and for Prometheus. Every Pod of a cluster may reach the port, so
 * nothing of a request is trusted or kept, and connections, requests and time of each client are limited.
 */
import * as http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Failure } from '../../protocol/problem/problem.ts';

export type Page = {
  readonly status: number;
  readonly text: string;
  /** Plain text when absent. */
  readonly type?: string;
};

export type Served = { readonly port: number; close(): Promise<void> };

/** The limits of one port. A client is an address. */
export type Budget = {
  /** Connections of one client, and of all. One more closes the oldest: a new connection is always accepted. */
  readonly each: number;
  readonly all: number;
  /** Requests of one client in ten seconds; more are refused with 429. */
  readonly requests: number;
  /** Every connection ends after so long, whatever it does. */
  readonly lifeMs: number;
};

/**
 * For the kubelet, which asks over a new connection each time. Other processes on its node may have its address, so the
 * number of requests is not limited: to refuse a request costs as much as to answer it.
 */
export const probeBudget: Budget = { each: 8, all: 256, requests: Number.POSITIVE_INFINITY, lifeMs: 5_000 };
/** For Prometheus. The page is generated for each request, which costs more than the others. */
export const metricsBudget: Budget = { each: 4, all: 64, requests: 20, lifeMs: 30_000 };

/** `[HOST]:PORT`, as in Go programs; undefined for other text. */
export const parseListen = (
  text: string,
): { readonly host: string | undefined; readonly port: number } | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? (match[2] || undefined), port };
};

const limits = {
  headersTimeout: 2_000,
  requestTimeout: 4_000,
  connectionsCheckingInterval: 500,
  maxHeaderSize: 8 * 1024,
} as const;

const windowMs = 10_000;

/** Enforces the limits. */
const makeDoor = ({ each, all, requests, lifeMs }: Budget) => {
  /** In the order of arrival. */
  const open = new Map<Socket, string>();
  const byClient = new Map<string, Set<Socket>>();
  const asked = { since: performance.now(), by: new Map<string, number>() };

  const leave = (socket: Socket): void => {
    const client = open.get(socket);
    if (client === undefined) return;
    open.delete(socket);
    const own = byClient.get(client);
    own?.delete(socket);
    if (own?.size === 0) byClient.delete(client);
  };
  const end = (socket: Socket | undefined): void => {
    if (socket === undefined) return;
    leave(socket);
    socket.destroy();
  };
  const oldest = (sockets: Iterable<Socket>): Socket | undefined => sockets[Symbol.iterator]().next().value;

  return {
    enter: (socket: Socket): void => {
      const client = socket.remoteAddress ?? '';
      const own = byClient.get(client) ?? new Set();
      if (own.size >= each) end(oldest(own));
      if (open.size >= all) end(oldest(open.keys()));
      byClient.set(client, own.add(socket));
      open.set(socket, client);
      const timer = setTimeout(() => end(socket), lifeMs);
      timer.unref();
      socket.once('close', () => {
        clearTimeout(timer);
        leave(socket);
      });
    },
    /** Whether this client may get another answer now. */
    mayAsk: (socket: Socket): boolean => {
      const now = performance.now();
      if (now - asked.since >= windowMs) {
        asked.since = now;
        asked.by.clear();
      }
      const client = socket.remoteAddress ?? '';
      const count = (asked.by.get(client) ?? 0) + 1;
      asked.by.set(client, count);
      return count <= requests;
    },
  };
};

const answer = (pages: Readonly<Record<string, () => Page>>, request: http.IncomingMessage): Page => {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, text: 'only GET and HEAD\n' };
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  return page?.() ?? { status: 404, text: `${Object.keys(pages).join('\n')}\n` };
};

const tooMany: Page = { status: 429, text: `too many requests: wait ${windowMs / 1000} s\n` };

/** Throws `cannot-listen` when the address cannot be bound. */
export const servePages = async (
  listen: string,
  pages: Readonly<Record<string, () => Page>>,
  budget: Budget,
): Promise<Served> => {
  const address = parseListen(listen);
  if (address === undefined)
    throw new Failure({ code: 'cannot-listen', message: `"${listen}" is no address: HOST:PORT or :PORT` });
  const door = makeDoor(budget);
  const server = http.createServer(limits, (request, response) => {
    const may = door.mayAsk(request.socket);
    const { status, text, type } = may ? answer(pages, request) : tooMany;
    const body = Buffer.from(text);
    response.writeHead(status, {
      'content-type': type ?? 'text/plain; charset=utf-8',
      'content-length': body.length,
      ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
      ...(status === 429 ? { 'retry-after': `${windowMs / 1000}` } : {}),
      // No keep-alive, and no request body is read: a new connection costs little, and an idle one counts against the limit.
      connection: 'close',
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  server.on('connection', door.enter);
  server.on('clientError', (_, socket) => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const message = `cannot listen on ${listen}: ${error.code ?? error.message}`;
      reject(new Failure({ code: 'cannot-listen', message }, error));
    });
    server.listen(
      { port: address.port, ...(address.host === undefined ? {} : { host: address.host }) },
      resolve,
    );
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
};
