/**
 * One transfer: from one address into one new file, hashed while it is written. download.ts decides which addresses
 * are used, and how often.
 */
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import * as tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../protocol/problem/problem.ts';
import { fetch, type Response } from './fetch.ts';
import { foreignAt } from '../artifact/compression.ts';
import { pieces } from '../files/chunks.ts';
import { basicAuth, type ProxySettings, proxyFor, routeTo } from './proxy.ts';
import { openHashingWriter, removeLeftover, type HashingWriter } from '../files/hashing-writer.ts';
import { cancelled, failed, makeWatch, notRead, refused, tooLarge, type Watch } from './deadlines.ts';

export type DownloadOptions = {
  /** The longest `prefix` of the location, ending where a path segment ends, is replaced; the digest stays. */
  readonly mirrors: readonly { readonly prefix: string; readonly replace: string }[];
  readonly proxy?: ProxySettings;
  /** PEM; trusted besides the roots of the system and those of Node, never instead of them. */
  readonly extraCaFile?: string;
  readonly maxBytes: number;
  /** Until TCP and TLS are connected, through the proxy if there is one. */
  readonly connectTimeoutMs: number;
  /** The longest time without data from a connected server. */
  readonly idleTimeoutMs: number;
  /** For one transfer, redirects included. */
  readonly totalTimeoutMs: number;
  /** Attempts for each of mirror and original. */
  readonly attempts: number;
  /** Before the second attempt; doubled each time, with full jitter. */
  readonly backoffMs: number;
  /** Allows plain http, for an air-gapped network. A digest is as strong as with https; without a digest http is refused. */
  readonly allowHttp?: boolean;
  /** Hosts to which a redirect may lead besides the first one; absent: any host. */
  readonly allows?: (to: URL) => boolean;
  /** Maps the path of a `file:` address, also of a mirror, to a path for this process; absent: unchanged. */
  readonly real?: (path: string) => string;
  readonly random?: () => number;
  /** Called with each piece that arrives, and with 0 when a transfer begins. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
  readonly signal?: AbortSignal;
};

export type Downloaded = { readonly sha256: string; readonly bytes: number };

const MAX_REDIRECTS = 5;
export const MAX_PAUSE_MS = 60_000;
const REDIRECTS = [301, 302, 303, 307, 308];
/** The refusals of RFC 9110 and RFC 8470 that may be temporary. */
const PASSING = [408, 425, 429];

/** One place of a download: its address, its last failure, and the wait that its server asked for. */
export type Place = { readonly location: string; failure?: Failure; askedMs: number };

/** Built once per download, and only for https: reading a few hundred roots takes its time. */
export const trustOf = async (extraCaFile: string | undefined): Promise<() => tls.SecureContext> => {
  let extra: string[] = [];
  if (extraCaFile !== undefined) {
    const text = await readFile(extraCaFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw failed(`the extra CA file ${extraCaFile} cannot be read: ${error.code ?? error.message}`, error);
    });
    extra = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    if (extra.length === 0) throw failed(`the extra CA file ${extraCaFile} holds no certificate`);
  }
  const made: { context?: tls.SecureContext } = {};
  return () => {
    const roots = [...tls.getCACertificates('default'), ...tls.getCACertificates('system'), ...extra];
    made.context ??= tls.createSecureContext({ ca: [...new Set(roots)] });
    return made.context;
  };
};

/** Delta seconds or a date (RFC 9110 section 10.2.3), bounded; a date counts from the server's own clock. */
const retryAfter = (response: Response): number => {
  const text = response.headers.get('retry-after') ?? '';
  const ms = /^\d+$/.test(text)
    ? Number(text) * 1000
    : Date.parse(text) - Date.parse(response.headers.get('date') ?? '');
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_PAUSE_MS) : 0;
};

const judgeStatus = (response: Response, place: Place): void => {
  const { status } = response;
  if (status === 200) return;
  if (status === 429 || status === 503) place.askedMs = retryAfter(response);
  const message = `the server answered ${status}`;
  throw status >= 500 || PASSING.includes(status) ? failed(message) : refused(message);
};

/** The address was checked with the shim, and the mirror is the node's own setting: only a redirect needs a check here. */
const nextHop = (start: URL, from: URL, response: Response, options: DownloadOptions): URL => {
  const text = response.headers.get('location') ?? '';
  if (text === '' || !URL.canParse(text, from.href)) throw refused('it redirects to no address');
  const to = new URL(text, from.href);
  if (to.protocol !== 'https:' && !(to.protocol === 'http:' && from.protocol === 'http:')) {
    throw refused(`it redirects from ${from.protocol.slice(0, -1)} to ${to.protocol.slice(0, -1)}`);
  }
  if (to.host !== start.host && options.allows?.(to) === false)
    throw new Failure({
      code: 'policy-denied',
      message: `it redirects to the host "${to.hostname}", which is not allowed on this node (allowedHosts)`,
    });
  return to;
};

const receive = async (
  response: Response,
  sink: HashingWriter,
  options: DownloadOptions,
  watch: Watch,
): Promise<void> => {
  const text = response.headers.get('content-length');
  const announced = text !== null && /^\d+$/.test(text) ? Number(text) : undefined;
  if (announced !== undefined && announced > options.maxBytes) {
    throw tooLarge(`the server announces ${announced} bytes`, options.maxBytes);
  }
  let done = 0;
  for await (const chunk of response.body ?? []) {
    if (watch.signal.aborted) break;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    watch.alive();
    done += bytes.length;
    if (done > options.maxBytes) throw tooLarge('the server sends more', options.maxBytes);
    await sink.write(bytes);
    options.onProgress?.(done, announced);
  }
  watch.signal.throwIfAborted();
  if (announced !== undefined && done !== announced) {
    throw failed(`only ${done} of ${announced} bytes came`);
  }
};

const overHttp = async (
  place: Place,
  start: URL,
  sink: HashingWriter,
  options: DownloadOptions,
  trust: () => tls.SecureContext,
): Promise<void> => {
  const watch = makeWatch(options);
  const authorization = basicAuth(start);
  let url = start;
  try {
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const bare = new URL(url);
      bare.username = '';
      bare.password = '';
      watch.connecting();
      const route = routeTo(bare, proxyFor(bare, options.proxy), trust, watch.alive, watch.broken);
      try {
        const response = await fetch(bare.href, {
          agent: route.agent,
          redirect: 'manual',
          // Content-Encoding: gzip of a .tar.gz must not be decoded: the digest is of the compressed bytes.
          compress: false,
          headers: {
            'accept-encoding': 'identity',
            accept: '*/*',
            'user-agent': 'rcm-node',
            // Credentials are sent only to the origin that they were given for.
            ...(authorization !== undefined && url.origin === start.origin ? { authorization } : {}),
          },
          signal: watch.signal,
        });
        if (REDIRECTS.includes(response.status)) {
          url = nextHop(start, bare, response, options);
          continue;
        }
        judgeStatus(response, place);
        return await receive(response, sink, options, watch);
      } finally {
        route.close();
      }
    }
    throw refused(`it redirects more than ${MAX_REDIRECTS} times`);
  } catch (error) {
    throw watch.explain(error);
  } finally {
    watch.end();
  }
};

const fromFile = async (url: URL, sink: HashingWriter, options: DownloadOptions): Promise<void> => {
  if (url.hostname !== '' && url.hostname !== 'localhost') throw refused('a file: address names no host');
  const path = fileURLToPath(`file://${url.pathname}`);
  // O_NONBLOCK: the open of a named pipe would wait for a writer.
  await using handle = await open(options.real?.(path) ?? path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stat = await handle.stat();
  if (!stat.isFile()) throw refused('it is not a regular file');
  if (stat.size > options.maxBytes) throw tooLarge(`it has ${stat.size} bytes`, options.maxBytes);
  let done = 0;
  for await (const chunk of pieces(handle)) {
    options.signal?.throwIfAborted();
    done += chunk.length;
    if (done > options.maxBytes) throw tooLarge('it has more', options.maxBytes);
    await sink.write(chunk);
    options.onProgress?.(done, stat.size);
  }
};

/** One transfer into a new file. */
export const transfer = async (
  place: Place,
  sha256: string | undefined,
  into: string,
  options: DownloadOptions,
  trust: () => tls.SecureContext,
): Promise<Downloaded> => {
  place.askedMs = 0;
  options.onProgress?.(0, undefined);
  if (!URL.canParse(place.location)) throw refused('it is not an address');
  const url = new URL(place.location);
  if (!['https:', 'http:', 'file:'].includes(url.protocol)) throw refused(`${url.protocol} is not supported`);
  if (url.protocol === 'http:' && options.allowHttp !== true) throw refused('plain http is not allowed');
  if (url.protocol === 'http:' && sha256 === undefined)
    throw refused('plain http proves nothing about the sender, and no sha256 is given');
  await removeLeftover(into);
  const sink = await openHashingWriter(into);
  try {
    await (url.protocol === 'file:'
      ? fromFile(url, sink, options)
      : overHttp(place, url, sink, options, trust));
    const result = await sink.finish(0o600);
    if (sha256 !== undefined && result.sha256 !== sha256.toLowerCase()) {
      const kind = await foreignAt(into);
      const came = kind ? `; what came is ${kind.what}` : '';
      const message = `expected sha256 ${sha256.toLowerCase()}, found ${result.sha256}${came}`;
      throw new Failure({ code: 'digest-mismatch', message, ...(kind ? { hint: kind.hint } : {}) });
    }
    return result;
  } catch (error) {
    await sink.discard();
    if (error instanceof Failure) throw error;
    if (options.signal?.aborted === true) throw cancelled();
    if (url.protocol === 'file:') throw notRead(url, error);
    const message = error instanceof Error ? error.message : String(error);
    // node-fetch puts the whole address, with its query, in its messages; the cause has none.
    throw failed(/, reason: (.*)$/s.exec(message)?.[1] || message, error);
  }
};
