/**
 * Downloads an address into a file and returns the digest.
 *
 * Servers, mirrors and proxies may cut, stall, redirect, or send other bytes. The result is either the whole file with the
 * expected digest, synced to the disk, or a Failure and no file.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { SecureContext } from 'node:tls';
import { type Code, Failure, problemOf, retryOf } from '../../protocol/problem/problem.ts';
import { printUrl } from '../../protocol/problem/mask.ts';
import { isOver } from './deadlines.ts';
import { type DownloadOptions, MAX_PAUSE_MS, type Place, type Tls } from './options.ts';
import { type Begun, forget, intoFile, type Target } from './target.ts';
import { type Downloaded, transfer, trustOf } from './transfer.ts';

export type { Downloaded, DownloadOptions };

/**
 * In a folder an encoded slash is a slash, as for the web servers that serve such a folder: tags of releases have some. Undefined for what
 * can name no file there, or one outside of it.
 */
const inFolder = (folder: string, rest: string): string | undefined => {
  const path = rest.replace(/[?#].*$/s, '').replace(/%2f/gi, '/');
  try {
    const parts = decodeURIComponent(path).split('/');
    return parts.some((part) => part === '.' || part === '..' || part.includes('\0'))
      ? undefined
      : folder + path;
  } catch {
    return undefined;
  }
};

/** The mirror first, then the original. Userinfo belongs to the original and is not shown to a mirror. */
export const placesFor = (location: string, mirrors: DownloadOptions['mirrors']): readonly string[] => {
  if (!URL.canParse(location)) return [location];
  const url = new URL(location);
  url.username = '';
  url.password = '';
  const best = mirrors
    // A registry has files by their digest (daemon/reconcile/artifacts/ways.ts).
    .filter(({ replace }) => !replace.startsWith('oci:'))
    .map(({ prefix, replace }) => ({
      prefix: (URL.canParse(prefix) ? new URL(prefix).href : prefix).replace(/\/$/, ''),
      replace: replace.replace(/\/$/, ''),
    }))
    .filter(
      ({ prefix }) => url.href.startsWith(prefix) && ['', '/', '?'].includes(url.href[prefix.length] ?? ''),
    )
    .sort((a, b) => b.prefix.length - a.prefix.length)[0];
  if (best === undefined) return [location];
  const rest = url.href.slice(best.prefix.length);
  const place = best.replace.startsWith('file:') ? inFolder(best.replace, rest) : best.replace + rest;
  return place === undefined ? [location] : [place, location];
};

/** The failure of a download is the failure of a place: a temporary one if there is one, else that of the original. */
const conclude = (places: readonly Place[]): Failure => {
  const list = places.filter((place) => place.failure !== undefined).reverse();
  const main =
    list.find(({ failure }) => failure !== undefined && retryOf(failure.problem) === 'soon') ?? list[0];
  const message = list
    .map(({ location, failure }) => `${printUrl(location)}: ${failure?.problem.message}`)
    .join('; ');
  const { code = 'download-failed', hint: own } = main?.failure?.problem ?? {};
  // Where the original cannot be reached at all, what a mirror refuses says more than how to try the original.
  const hint = own ?? list.find(({ failure }) => failure?.problem.hint !== undefined)?.failure?.problem.hint;
  return new Failure({ code, message, ...(hint === undefined ? {} : { hint }) }, main?.failure);
};

/** Codes about the address. Any other code is about this host's disk, for which another address does not help. */
const OF_THE_PLACE: readonly Code[] = [
  'download-failed',
  'download-refused',
  'policy-denied',
  'too-large',
  'digest-mismatch',
];

/**
 * Downloads `location` (https, file, and http if allowed) to `into`, mode 0600. A file at `into` is replaced.
 * Throws Failure: `download-failed` (may work later), `download-refused`, `policy-denied`, `too-large`, `digest-mismatch`;
 * for the disk `disk-full`, `read-only`, `cannot-write`. After a Failure there is no file.
 */
export const download = async (
  location: string,
  sha256: string | undefined,
  into: string,
  options: DownloadOptions,
): Promise<Downloaded> =>
  bring(
    placesFor(location, options.mirrors).map((each) => ({ location: each, askedMs: 0 })),
    sha256,
    intoFile(into),
    options,
  );

/** As `download`, from the first of these places that has it. */
export const bring = async (
  places: readonly Place[],
  sha256: string | undefined,
  target: Target,
  options: DownloadOptions,
): Promise<Downloaded> => {
  const begun: Begun = { done: 0 };
  try {
    return await tryAll(places, sha256, target, begun, { trusts: new Map(), ...options });
  } catch (error) {
    await forget(begun);
    throw error;
  }
};

const trustFor = (options: DownloadOptions, { ca, client }: Tls): Promise<() => SecureContext> => {
  const files = [...(options.extraCaFile === undefined ? [] : [options.extraCaFile]), ...ca];
  const key = JSON.stringify([files, client]);
  const trust = options.trusts?.get(key) ?? trustOf(files, client);
  options.trusts?.set(key, trust);
  return trust;
};

/**
 * From one place. What came before may be of another, and a mirror that always sends the begin of something else must not keep the
 * original from being used: what does not fit together is asked for again here, as a whole.
 */
const fromPlace = async (
  place: Place,
  sha256: string | undefined,
  target: Target,
  begun: Begun,
  options: DownloadOptions,
  trust: () => SecureContext,
): Promise<Downloaded> => {
  const hadBegun = begun.done > 0;
  try {
    return await transfer(place, sha256, target, begun, options, trust);
  } catch (error) {
    const isAnew = hadBegun && begun.done === 0 && problemOf(error).code === 'download-failed';
    if (!isAnew || options.signal?.aborted === true || isOver(options)) throw error;
    return transfer(place, sha256, target, begun, options, trust);
  }
};

const plain: Tls = { ca: [], client: [] };

const tryAll = async (
  places: readonly Place[],
  sha256: string | undefined,
  target: Target,
  begun: Begun,
  options: DownloadOptions,
): Promise<Downloaded> => {
  await trustFor(options, plain);
  let hopeful = places;
  for (let attempt = 1; ; attempt++) {
    for (const place of hopeful) {
      try {
        const trust = await trustFor(options, place.tls ?? plain);
        return await fromPlace(place, sha256, target, begun, options, trust);
      } catch (error) {
        if (!(error instanceof Failure) || !OF_THE_PLACE.includes(error.problem.code)) throw error;
        place.failure = error;
        if (options.signal?.aborted === true || isOver(options)) throw conclude(places);
      }
    }
    hopeful = hopeful.filter(
      (place) =>
        place.failure && retryOf(place.failure.problem) === 'soon' && !place.location.startsWith('file:'),
    );
    if (hopeful.length === 0 || attempt >= options.attempts) throw conclude(places);
    const jitter = (options.random ?? Math.random)() * options.backoffMs * 2 ** (attempt - 1);
    const wanted = Math.max(jitter, ...hopeful.map((place) => place.askedMs));
    await pause(Math.min(wanted, MAX_PAUSE_MS), undefined, { signal: options.signal }).catch(() => {
      throw conclude(places);
    });
  }
};
