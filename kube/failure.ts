/** What the answers and errors of an API server mean: one place from a status or an error code to a Problem. */
import { type Code, detailOf, Failure } from '../protocol/problem/problem.ts';
import { type Fields, fields, items, text } from '../protocol/json.ts';
import { oneLine } from '../protocol/one-line.ts';

/** A Failure of the Kubernetes API, with the fields that decide when to retry. */
export class ApiFailure extends Failure {
  /** Absent when there was no answer. */
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  /** The server does not have the requested resourceVersion yet: it lags, or was restored from a backup. */
  readonly tooNew: boolean;
  /** The name of the object in a 404 of the API server. Absent in other 404s: of a proxy, or for an unknown resource type. */
  readonly missing: string | undefined;

  constructor(
    code: Code,
    message: string,
    given: {
      status?: number;
      retryAfterMs?: number;
      tooNew?: boolean;
      missing?: string | undefined;
      hint?: string;
      detail?: string;
      cause?: unknown;
    } = {},
  ) {
    const { hint, cause } = given;
    super({ code, message, ...detailOf(given), ...(hint === undefined ? {} : { hint }) }, cause);
    this.status = given.status;
    this.retryAfterMs = given.retryAfterMs;
    this.tooNew = given.tooNew ?? false;
    this.missing = given.missing;
  }
}

const byStatus: Readonly<Record<number, Code>> = {
  401: 'api-unauthorized',
  403: 'api-forbidden',
  404: 'api-missing',
  408: 'api-busy',
  409: 'api-conflict',
  410: 'api-gone',
  429: 'api-busy',
};

const codeOf = (status: number): Code => {
  if (status < 400) return 'api-unreachable';
  return byStatus[status] ?? (status < 500 ? 'api-invalid' : 'api-busy');
};

/** A `Status` object of the API, or what a proxy answered in its place. */
/** A person corrects a field. Its name is the definition's, while what is said of it may quote anything: that stays in `detail`. */
const invalidFields = (status: number, { causes }: Fields): string => {
  const named = items(causes)
    .map((cause) => text(fields(cause).field) ?? '')
    .filter((field) => /^[A-Za-z][\w.[\]/-]{0,119}$/.test(field));
  return status === 422 && named.length > 0
    ? `: it does not accept ${[...new Set(named)].slice(0, 4).join(', ')}`
    : '';
};

export const statusFailure = (status: number, body: unknown, retryAfterMs?: number): ApiFailure => {
  const object = fields(body);
  const details = fields(object.details);
  const said = typeof object.message === 'string' ? object.message : typeof body === 'string' ? body : '';
  const seconds = details.retryAfterSeconds;
  const asked = retryAfterMs ?? (typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined);
  return new ApiFailure(
    codeOf(status),
    `the API server answered ${status}${invalidFields(status, details)}`,
    {
      status,
      detail: oneLine(said),
      ...(asked === undefined ? {} : { retryAfterMs: asked }),
      tooNew: items(details.causes).some((cause) => fields(cause).reason === 'ResourceVersionTooLarge'),
      missing:
        status === 404 && object.reason === 'NotFound' && typeof details.name === 'string'
          ? details.name
          : undefined,
    },
  );
};

const notOurCa = "the API server's certificate is not signed by the CA that the kubeconfig names";

/** https://docs.openssl.org/master/man1/openssl-verification-options/ */
const tlsErrors: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: notOurCa,
  SELF_SIGNED_CERT_IN_CHAIN: notOurCa,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: notOurCa,
  UNABLE_TO_GET_ISSUER_CERT: notOurCa,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: notOurCa,
  CERT_SIGNATURE_FAILURE: notOurCa,
  ERR_TLS_CERT_ALTNAME_INVALID: "the API server's certificate is for other names",
};

const clock = (said: string, now: number): ApiFailure =>
  new ApiFailure(
    'api-unreachable',
    `the API server's certificate ${said}: check the clock, which says ${new Date(now).toISOString().slice(0, 16)}Z here`,
    { hint: 'Set the clock of this node (timedatectl), or renew the certificate of the API server.' },
  );

/** Errors of the network before or during an answer become a Problem; other errors are returned as they are. */
export const networkFailure = (error: unknown, where: string, now: number): unknown => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isNetwork = code !== '' || (error instanceof Error && error.name === 'FetchError');
  if (error instanceof Failure || !isNetwork) return error;
  if (code === 'CERT_NOT_YET_VALID') return clock('is not yet valid', now);
  if (code === 'CERT_HAS_EXPIRED') return clock('has expired', now);
  const tls = tlsErrors[code];
  if (tls !== undefined) return new ApiFailure('api-unreachable', `${where}: ${tls}`, { cause: error });
  // node-fetch puts the whole address in front of the cause.
  const text = error instanceof Error ? error.message : String(error);
  const reason = /, reason: (.*)$/s.exec(text)?.[1] || text || code;
  return new ApiFailure('api-unreachable', `${where} cannot be reached: ${oneLine(reason)}`, {
    cause: error,
  });
};
