/** What a download is given, and what is known of each place that it asks. */
import type { SecureContext } from 'node:tls';
import type { Failure } from '../../protocol/problem/problem.ts';
import type { ProxySettings } from './proxy.ts';

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
  /** By performance.now(): no transfer goes on, and no other attempt begins, after it. Of downloads that belong together (`together`). */
  readonly endsAt?: number;
  /**
   * Filled by the downloads that have it in common: who is trusted, by the files that say so. A few hundred roots take a megabyte, outside
   * of what V8 counts, and an image may have a thousand layers.
   */
  readonly trusts?: Map<string, Promise<() => SecureContext>>;
  /** Before the second attempt; doubled each time, with full jitter. */
  readonly backoffMs: number;
  /** Allows plain http, for an air-gapped network. A digest is as strong as with https; without a digest http is refused. */
  readonly allowHttp?: boolean;
  /** What comes proves itself, or is an answer that decides nothing: plain http may bring it without a digest. */
  readonly decidesNothing?: boolean;
  /** Hosts to which a redirect may lead besides the first one; absent: any host. */
  readonly allows?: (to: URL) => boolean;
  /** Maps the path of a `file:` address, also of a mirror, to a path for this process; absent: unchanged. */
  readonly real?: (path: string) => string;
  readonly random?: () => number;
  /** Called with each piece that arrives, and with 0 when a transfer begins. */
  readonly onProgress?: (done: number, total: number | undefined) => void;
  readonly signal?: AbortSignal;
  /** The file is removed after use: it need not survive a power failure. */
  readonly passing?: boolean;
};

/** What a server wants besides a plain request, and what its answers mean: a registry has tokens. */
export type Access = {
  /** Of a request to the origin that the download began with; no other host gets them. */
  headers(): Readonly<Record<string, string>>;
  /** After 401, with the value of WWW-Authenticate: whether the request is worth another try, with other headers. */
  challenged(challenge: string): Promise<boolean>;
  /** What this status means here, where that is more than its number. */
  explain(status: number): { readonly message: string; readonly hint?: string } | undefined;
};

/** Files in PEM for one server; certificates to trust stand beside `extraCaFile`. A key may be in the certificate's own file. */
export type Tls = {
  readonly ca: readonly string[];
  readonly client: readonly { readonly cert: string; readonly key?: string }[];
  /** Its certificate is not looked at: only what has a digest may come from it. */
  readonly unproven?: true;
};

/** One place of a download: its address, its last failure, and the wait that its server asked for. */
export type Place = {
  readonly location: string;
  readonly access?: Access;
  readonly tls?: Tls;
  /** Sent with POST, as a form. */
  readonly form?: URLSearchParams;
  failure?: Failure;
  askedMs: number;
};

export const MAX_PAUSE_MS = 60_000;
