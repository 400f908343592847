/**
 * One transfer: from one address into a file or memory, hashed while it is written. download.ts decides which addresses
 * are used, and how often.
 */
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import * as tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Failure } from '../../protocol/problem/problem.ts';
import { pieces } from '../files/chunks.ts';
import { cancelled, failed, notRead, refused, tooLarge, unconnected } from './deadlines.ts';
import { overHttp } from './exchange.ts';
import type { DownloadOptions, Place, Tls } from './options.ts';
import { errnoOf } from '../files/hashing-writer.ts';
import { begin, type Begun, forget, type Target } from './target.ts';

export type Downloaded = { readonly sha256: string; readonly bytes: number };

const readPem = (file: string, what: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw failed(`the ${what} ${file} cannot be read: ${error.code ?? error.message}`, error);
  });

const certificatesOf = async (file: string): Promise<readonly string[]> => {
  const text = await readPem(file, 'extra CA file');
  const found = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw failed(`the extra CA file ${file} holds no certificate`);
  return found;
};

const pairOf = async ({ cert, key }: Tls['client'][number]): Promise<Pair> => ({
  cert: await readPem(cert, 'client certificate'),
  key: await readPem(key ?? cert, 'client key'),
});

type Pair = { readonly cert: string; readonly key: string };

/** Built once per download, and only for https: reading a few hundred roots takes its time. */
export const trustOf = async (
  files: readonly string[],
  client: Tls['client'] = [],
): Promise<() => tls.SecureContext> => {
  const pairs = await Promise.all(client.map(pairOf));
  const extra = (await Promise.all(files.map(certificatesOf))).flat();
  const made: { context?: tls.SecureContext } = {};
  return () => {
    const roots = [...tls.getCACertificates('default'), ...tls.getCACertificates('system'), ...extra];
    const own = { cert: pairs.map(({ cert }) => cert), key: pairs.map(({ key }) => key) };
    try {
      made.context ??= tls.createSecureContext({
        ca: [...new Set(roots)],
        ...(pairs.length > 0 ? own : {}),
      });
    } catch (error) {
      // The message of OpenSSL quotes no file.
      throw failed(`the certificates for this server cannot be used: ${errnoOf(error)}`, error);
    }
    return made.context;
  };
};

const fromFile = async (url: URL, begun: Begun, target: Target, options: DownloadOptions): Promise<void> => {
  if (url.hostname !== '' && url.hostname !== 'localhost') throw refused('a file: address names no host');
  const path = fileURLToPath(`file://${url.pathname}`);
  // O_NONBLOCK: the open of a named pipe would wait for a writer.
  await using handle = await open(options.real?.(path) ?? path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stat = await handle.stat();
  if (!stat.isFile()) throw refused('it is not a regular file');
  if (stat.size > options.maxBytes) throw tooLarge(`it has ${stat.size} bytes`, options.maxBytes);
  const sink = await begin(begun, target);
  for await (const chunk of pieces(handle)) {
    options.signal?.throwIfAborted();
    begun.done += chunk.length;
    if (begun.done > options.maxBytes) throw tooLarge('it has more', options.maxBytes);
    await sink.write(chunk);
    options.onProgress?.(begun.done, stat.size);
  }
};

/** The failure of a transfer, whatever was thrown. */
const failureOf = (error: unknown, url: URL, options: DownloadOptions): Failure => {
  if (error instanceof Failure) return error;
  if (options.signal?.aborted === true) return cancelled();
  if (url.protocol === 'file:') return notRead(url, error);
  const message = error instanceof Error ? error.message : String(error);
  // node-fetch puts the whole address, with its query, in its messages; the cause has none.
  return unconnected(/, reason: (.*)$/s.exec(message)?.[1] || message, error);
};

const mustMatch = async (
  found: string,
  sha256: string | undefined,
  target: Target,
  hadBegun: boolean,
): Promise<void> => {
  if (sha256 === undefined || found === sha256.toLowerCase()) return;
  // The parts may be of two files: the server has another one by now, or one of two servers has.
  if (hadBegun) throw failed('what came in parts does not fit together; it begins anew');
  const kind = await target.foreign();
  const came = kind ? `; what came is ${kind.what}` : '';
  const message = `expected sha256 ${sha256.toLowerCase()}, found ${found}${came}`;
  throw new Failure({ code: 'digest-mismatch', message, ...(kind ? { hint: kind.hint } : {}) });
};

/**
 * One transfer. After a Failure nothing is left, but what came of a file whose digest is known, where the rest may come later:
 * `begun` has it then.
 */
export const transfer = async (
  place: Place,
  sha256: string | undefined,
  target: Target,
  begun: Begun,
  options: DownloadOptions,
  trust: () => tls.SecureContext,
): Promise<Downloaded> => {
  place.askedMs = 0;
  if (!URL.canParse(place.location)) throw refused('it is not an address');
  const url = new URL(place.location);
  if (!['https:', 'http:', 'file:'].includes(url.protocol)) throw refused(`${url.protocol} is not supported`);
  if (url.protocol === 'http:' && options.allowHttp !== true) throw refused('plain http is not allowed');
  if (sha256 === undefined && options.decidesNothing !== true) {
    if (url.protocol === 'http:')
      throw refused('plain http proves nothing about the sender, and no sha256 is given');
    if (place.tls?.unproven) throw refused('its certificate is not looked at, and no sha256 is given');
  }
  if (url.protocol === 'file:') await forget(begun);
  options.onProgress?.(begun.done, undefined);
  const hadBegun = begun.done > 0;
  let isComplete = false;
  // First of all: where it cannot be written, no server is asked.
  await begin(begun, target);
  try {
    await (url.protocol === 'file:'
      ? fromFile(url, begun, target, options)
      : overHttp(place, url, begun, target, options, trust));
    isComplete = true;
    const result = await (await begin(begun, target)).finish(0o600, options.passing);
    await mustMatch(result.sha256, sha256, target, hadBegun);
    return result;
  } catch (error) {
    const failure = failureOf(error, url, options);
    const mayResume = !isComplete && sha256 !== undefined && failure.problem.code === 'download-failed';
    if (!mayResume) await forget(begun);
    throw failure;
  }
};
