/** One request to an API server over one connection, and which answers count as a success. */
import { version } from '../protocol/version.ts';
import type { Connection } from './connection.ts';
import { ApiFailure, statusFailure } from './failure.ts';
import type { Lifetime } from './deadline.ts';
import { fetch, type Response } from '../host/http/fetch.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export type Given = {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** The patch type of `body`. */
  readonly patch?: keyof typeof patchTypes;
  /** Asks for less than the whole, of one object or of each in a list: the metadata alone is a tenth of a Node. */
  readonly as?: keyof typeof forms | undefined;
  /** Default: 30 s. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
};

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  // JSON is valid YAML, and server-side apply has this media type only.
  apply: 'application/apply-patch+yaml',
} as const;

const metadataOnly = (kind: string): string =>
  `application/json;as=${kind};g=meta.k8s.io;v=v1,application/json`;

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches */
const forms = {
  metadata: metadataOnly('PartialObjectMetadata'),
  metadataList: metadataOnly('PartialObjectMetadataList'),
  /**
   * API servers up to 1.37 ignore the parameter; a later one will have it behind a feature gate first.
   * https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/5958-client-opt-out-managedfields
   */
  unmanaged: 'application/json;drop=metadata.managedFields,application/json',
} as const;

/** What a reflector asks for, and how it asks for a list of these. */
export const listForms = { metadata: 'metadataList', unmanaged: 'unmanaged' } as const;

const longestAnswer = 32 * 1024 * 1024;
/** An error message is cut anyway, so a long HTML page of a proxy is not read to its end. */
const longestError = 64 * 1024;

export type Question = { readonly method: Method; readonly path: string; readonly given: Given };

const urlOf = (server: string, path: string, query: Given['query']): string => {
  const url = new URL(server.replace(/\/+$/, '') + path);
  for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
  return url.href;
};

const read = async (response: Response, life: Lifetime, limit: number): Promise<string> => {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (bytes > limit) throw new ApiFailure('api-unreachable', `an answer of over ${limit} bytes came`);
    pieces.push(Buffer.from(piece));
  }
  life.signal.throwIfAborted();
  return Buffer.concat(pieces).toString('utf8');
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const refusal = async (response: Response, life: Lifetime): Promise<ApiFailure> => {
  const text = await read(response, life, longestError).catch(() => '');
  const after = response.headers.get('retry-after') ?? '';
  const body = parsed(text);
  // The HTML page of a proxy has no place in a message.
  const said = typeof body === 'string' && body.trimStart().startsWith('<') ? '' : body;
  return statusFailure(response.status, said, /^\d+$/.test(after) ? Number(after) * 1000 : undefined);
};

/** One exchange over one connection; `use` gets a response that is a success. */
export const exchange = async <T>(
  connection: Connection,
  server: string,
  { method, path, given }: Question,
  life: Lifetime,
  use: (response: Response) => Promise<T>,
): Promise<T> => {
  const type = given.patch === undefined ? 'application/json' : patchTypes[given.patch];
  const response = await fetch(urlOf(server, path, given.query), {
    method,
    agent: connection.agent,
    // An API server does not redirect, and credentials must reach no other server.
    redirect: 'manual',
    // Compression saves little on a local network, and costs processor time of a server with thousands of clients.
    compress: false,
    headers: {
      accept: given.as === undefined ? 'application/json' : forms[given.as],
      'accept-encoding': 'identity',
      'user-agent': `rcm-node/${version}`,
      ...(given.body === undefined ? {} : { 'content-type': type }),
      ...connection.headers,
    },
    ...(given.body === undefined ? {} : { body: JSON.stringify(given.body) }),
    signal: life.signal,
  });
  // After an abort node-fetch emits 'error' on the body; without a listener that ends the process.
  response.body?.on('error', () => undefined);
  if (response.status < 200 || response.status > 299) throw await refusal(response, life);
  return use(response);
};

/** The object that an answer holds. */
export const objectIn = async (response: Response, life: Lifetime): Promise<unknown> => {
  const value = parsed(await read(response, life, longestAnswer));
  if (typeof value === 'object' && value !== null) return value;
  throw new ApiFailure('api-unreachable', 'what answered is no API server, or it stopped half-way');
};
