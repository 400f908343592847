/**
 * What this process says to an API server and hears from it, in bytes, by verb and resource: node itself tells of every
 * request and its socket. Of the content of TLS; handshakes and records come on top.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

export type Traffic = { readonly requests: number; readonly sent: number; readonly received: number };

/** By `PATCH nodes`, `WATCH shims`. */
export type Wire = Readonly<Record<string, Traffic>>;

type Counted = { requests: number; sent: number; received: number };

/** What goes on over one connection: one request after the other, or a watch for its whole life. */
type Line = { what: string; sent: number; received: number };

/** `/api/v1/nodes/one/status` is `nodes/status`, as in an audit log. */
export const questionOf = (method: string, url: string): string => {
  const [path = '', query = ''] = url.split('?', 2);
  const parts = path.split('/').filter((part) => part !== '');
  const isCore = parts[0] === 'api';
  const below = parts.slice(isCore ? 2 : 3);
  const [resource, name, sub] = below[0] === 'namespaces' && below.length > 2 ? below.slice(2) : below;
  if ((parts[0] !== 'apis' && !isCore) || resource === undefined) return `${method} ${path}`;
  const verbs = { POST: 'CREATE', PATCH: 'PATCH', PUT: 'UPDATE', DELETE: 'DELETE' } as const;
  const reading = /(?:^|&)watch=(?:true|1)/.test(query) ? 'WATCH' : name === undefined ? 'LIST' : 'GET';
  const verb = method in verbs ? verbs[method as keyof typeof verbs] : reading;
  return `${verb} ${resource}${sub === undefined ? '' : `/${sub}`}`;
};

export type WireCount = {
  /** Since the beginning. */
  total(): Wire;
  /** The connections that watches are open on, the oldest first. */
  watches(): readonly Socket[];
};

/** From now on. */
export const countWire = (): WireCount => {
  const found = new Map<string, Counted>();
  const lines = new Map<Socket, Line>();
  const of = (what: string): Counted => {
    const known = found.get(what) ?? { requests: 0, sent: 0, received: 0 };
    found.set(what, known);
    return known;
  };
  const sent = (socket: Socket, line: Line): void => {
    of(line.what).sent += socket.bytesWritten - line.sent;
    line.sent = socket.bytesWritten;
  };
  const received = (socket: Socket, line: Line): void => {
    of(line.what).received += socket.bytesRead - line.received;
    line.received = socket.bytesRead;
  };
  const begun = (request: ClientRequest): void => {
    const { socket } = request;
    if (!socket) return;
    const what = questionOf(request.method, request.path);
    const known = lines.get(socket);
    const line = known ?? { what, sent: 0, received: 0 };
    if (known) received(socket, known);
    else {
      lines.set(socket, line);
      socket.once('close', () => {
        sent(socket, line);
        received(socket, line);
        lines.delete(socket);
      });
    }
    line.what = what;
    of(what).requests += 1;
    // Head and body are written when node tells of the request.
    sent(socket, line);
  };
  subscribe('http.client.request.start', (message) =>
    begun((message as { readonly request: ClientRequest }).request),
  );
  return {
    total: () => {
      for (const [socket, line] of lines) {
        sent(socket, line);
        received(socket, line);
      }
      return Object.fromEntries([...found].map(([what, counted]) => [what, { ...counted }]));
    },
    watches: () =>
      [...lines]
        .filter(([socket, { what }]) => what.startsWith('WATCH ') && !socket.destroyed)
        .map(([socket]) => socket),
  };
};

/** Of several processes, or of several moments. */
export const addWire = (all: readonly Wire[], sign: 1 | -1 = 1): Wire => {
  const [first = {}, ...others] = all;
  const sum: Record<string, Traffic> = { ...first };
  for (const wire of others)
    for (const [what, { requests, sent, received }] of Object.entries(wire)) {
      const known = sum[what] ?? { requests: 0, sent: 0, received: 0 };
      sum[what] = {
        requests: known.requests + sign * requests,
        sent: known.sent + sign * sent,
        received: known.received + sign * received,
      };
    }
  return sum;
};
