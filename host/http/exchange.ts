/** A file over HTTP: redirects, statuses, credentials, and the rest of a file whose beginning came before. */
import type * as tls from 'node:tls';
import { Failure } from '../../protocol/problem/problem.ts';
import { failed, makeWatch, refused, tooLarge, type Watch } from './deadlines.ts';
import { fetch, type Response } from './fetch.ts';
import { type DownloadOptions, MAX_PAUSE_MS, type Place } from './options.ts';
import { basicAuth, proxyFor, routeTo } from './proxy.ts';
import { begin, type Begun, forget, type Target } from './target.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
/** The refusals of RFC 9110 and RFC 8470 that may be temporary. */
const PASSING = [408, 425, 429];

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
  const told = place.access?.explain(status);
  const message = told?.message ?? `the server answered ${status}`;
  const { problem } = (status >= 500 || PASSING.includes(status) ? failed : refused)(message);
  throw new Failure({ ...problem, ...(told?.hint === undefined ? {} : { hint: told.hint }) });
};

/** RFC 9110 section 14.4: where the part that comes begins. */
const partBegins = (response: Response): number | undefined => {
  const found = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
};

/** Whether the rest of the file comes; what came before is dropped when the server sends the whole again. */
const isRest = async (response: Response, begun: Begun): Promise<boolean> => {
  if (begun.done === 0) return false;
  if (response.status === 206 && partBegins(response) === begun.done) return true;
  if (response.status === 200 || response.status === 206 || response.status === 416) await forget(begun);
  if (response.status === 206 || response.status === 416)
    throw failed('the server does not have the rest that was asked for; it begins anew');
  return false;
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
  begun: Begun,
  target: Target,
  options: DownloadOptions,
  watch: Watch,
): Promise<void> => {
  const sink = await begin(begun, target);
  const text = response.headers.get('content-length');
  const announced = text !== null && /^\d+$/.test(text) ? begun.done + Number(text) : undefined;
  if (announced !== undefined && announced > options.maxBytes) {
    throw tooLarge(`the server announces ${announced} bytes`, options.maxBytes);
  }
  for await (const chunk of response.body ?? []) {
    if (watch.signal.aborted) break;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    watch.alive();
    if (begun.done + bytes.length > options.maxBytes)
      throw tooLarge('the server sends more', options.maxBytes);
    await sink.write(bytes);
    begun.done += bytes.length;
    options.onProgress?.(begun.done, announced);
  }
  watch.signal.throwIfAborted();
  if (announced !== undefined && begun.done !== announced) {
    throw failed(`only ${begun.done} of ${announced} bytes came`);
  }
};

/** Into `begun`, of which a server that can do so sends the rest only. */
export const overHttp = async (
  place: Place,
  start: URL,
  begun: Begun,
  target: Target,
  options: DownloadOptions,
  trust: () => tls.SecureContext,
): Promise<void> => {
  const watch = makeWatch(options);
  const userinfo = basicAuth(start);
  let url = start;
  let challenged = false;
  // Credentials are sent only to the origin that they were given for.
  const ownHeaders = (): Readonly<Record<string, string>> =>
    url.origin === start.origin
      ? { ...(userinfo === undefined ? {} : { authorization: userinfo }), ...place.access?.headers() }
      : {};
  try {
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const bare = new URL(url);
      bare.username = '';
      bare.password = '';
      watch.connecting();
      // What a server is excused from is excused for itself alone.
      const isLoose = place.tls?.unproven === true && url.origin === start.origin;
      const route = routeTo(bare, proxyFor(bare, options.proxy), trust, watch.alive, watch.broken, isLoose);
      try {
        const response = await fetch(bare.href, {
          agent: route.agent,
          ...(place.form && hop === 0 ? { method: 'POST', body: place.form } : {}),
          redirect: 'manual',
          // Content-Encoding: gzip of a .tar.gz must not be decoded: the digest is of the compressed bytes.
          compress: false,
          headers: {
            'accept-encoding': 'identity',
            accept: '*/*',
            'user-agent': 'rcm-node',
            ...(begun.done > 0 ? { range: `bytes=${begun.done}-` } : {}),
            ...ownHeaders(),
          },
          signal: watch.signal,
        });
        if (REDIRECTS.includes(response.status)) {
          url = nextHop(start, bare, response, options);
          continue;
        }
        if (response.status === 401 && !challenged && place.access && url.origin === start.origin) {
          challenged = true;
          if (await place.access.challenged(response.headers.get('www-authenticate') ?? '')) continue;
        }
        if (!(await isRest(response, begun))) judgeStatus(response, place);
        return await receive(response, begun, target, options, watch);
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
