/**
 * A few pages over plain HTTP, for a kubelet's probes and for Prometheus. Whoever reaches the port may ask, so nothing of
 * a request is believed or kept, and who asks slowly is cut off.
 */
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Failure } from '../model/problem.ts';

export type Page = {
  readonly status: number;
  readonly text: string;
  /** Plain text when absent. */
  readonly type?: string;
};

export type Served = { readonly port: number; close(): Promise<void> };

/** `[HOST]:PORT`, as Go's programs have it; undefined for what is none. */
export const parseListen = (
  text: string,
): { readonly host: string | undefined; readonly port: number } | undefined => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? (match[2] || undefined), port };
};

const limits = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 8 * 1024,
} as const;

/** Probes and one or two Prometheus need a handful. */
const mostConnections = 64;

const answer = (pages: Readonly<Record<string, () => Page>>, request: http.IncomingMessage): Page => {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, text: 'only GET and HEAD\n' };
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  return page?.() ?? { status: 404, text: `${Object.keys(pages).join('\n')}\n` };
};

/** Throws `cannot-listen` where the address cannot be had. */
export const servePages = async (
  listen: string,
  pages: Readonly<Record<string, () => Page>>,
): Promise<Served> => {
  const address = parseListen(listen);
  if (address === undefined)
    throw new Failure({ code: 'cannot-listen', message: `"${listen}" is no address: HOST:PORT or :PORT` });
  const server = http.createServer(limits, (request, response) => {
    const { status, text, type } = answer(pages, request);
    const body = Buffer.from(text);
    // A body is not read: the connection ends, and with it whatever was on its way.
    const over = request.method !== 'GET' && request.method !== 'HEAD';
    response.writeHead(status, {
      'content-type': type ?? 'text/plain; charset=utf-8',
      'content-length': body.length,
      ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
      ...(over ? { connection: 'close' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  server.maxConnections = mostConnections;
  server.on('clientError', (_, socket) => void socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const message = `nobody can be answered on ${listen}: ${error.code ?? error.message}`;
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
