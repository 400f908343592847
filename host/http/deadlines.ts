/** The phases of a download, each with its deadline, and the failures that end one. */
import { fileURLToPath } from 'node:url';
import { Failure } from '../../protocol/problem/problem.ts';
import { errnoOf } from '../files/hashing-writer.ts';

// These messages have no address; `download` puts it in front, once for each place.
export const failed = (message: string, cause?: unknown): Failure =>
  new Failure({ code: 'download-failed', message }, cause);
export const refused = (message: string): Failure => new Failure({ code: 'download-refused', message });
export const tooLarge = (what: string, maxBytes: number): Failure =>
  new Failure({ code: 'too-large', message: `${what}, and ${maxBytes} bytes are allowed` });
/** Each place says that it does not have it, in contrast to a failure. S3 answers 403 for what is not there. */
export const saysAbsent = (message: string): boolean =>
  message
    .split('; ')
    .every((one) => /: (the server answered (403|404|410)|there is no such file)$/.test(one));

/** Of OpenSSL, as Node names them: no authority that this process knows stands behind the certificate. */
const unknownAuthority =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT(?:_LOCALLY)?|UNABLE_TO_VERIFY_LEAF_SIGNATURE)$/;

/** From an error of a connection. Node's own text tells how to start Node, which an admin of a node cannot do. */
export const unconnected = (message: string, cause: unknown): Failure =>
  unknownAuthority.test(errnoOf(cause))
    ? new Failure(
        {
          code: 'download-failed',
          message: `this node trusts no authority of its certificate (${message.split(';')[0]})`,
          hint: 'Name the PEM file of its CA in /etc/rcm-node/config.toml (extraCa), or add it to the CAs of this machine; for a registry, the CA that the container runtime has for it counts, too (docs/registries.md).',
        },
        cause,
      )
    : failed(message, cause);

/** For a file on this machine: no proxy and no mirror is involved. */
export const notRead = ({ pathname }: URL, cause: unknown): Failure => {
  const errno = errnoOf(cause);
  const why = ['ENOENT', 'ENOTDIR'].includes(errno)
    ? 'there is no such file'
    : `it cannot be read (${errno})`;
  return new Failure(
    {
      code: 'download-failed',
      message: why,
      hint: `Put the file there, or correct the location: ls -l ${fileURLToPath(`file://${pathname}`)}; with --root it is looked for below that folder. It is retried with backoff.`,
    },
    cause,
  );
};

export const cancelled = (): Failure => failed('it was cancelled');

/** All in milliseconds. */
export type Deadlines = {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  /** By performance.now(). */
  readonly endsAt?: number;
  readonly signal?: AbortSignal;
};

/**
 * As long as one file may take with all its tries, so long may all of several requests take: the daemon reckons with that
 * (`longestDownload`), and a server that is slow with each of many small answers must not hold up all other work.
 */
export const together = <T extends Deadlines & { readonly attempts: number }>(options: T): T => ({
  ...options,
  endsAt: Math.min(
    options.endsAt ?? Number.POSITIVE_INFINITY,
    performance.now() + options.totalTimeoutMs * options.attempts,
  ),
});

export const isOver = ({ endsAt }: Pick<Deadlines, 'endsAt'>): boolean =>
  endsAt !== undefined && performance.now() >= endsAt;

/** Aborts with a reason when a phase or the whole takes too long, or when the caller aborts. */
export const makeWatch = (options: Deadlines) => {
  const controller = new AbortController();
  const stop = (error: Failure): void => controller.abort(error);
  const cancel = (): void => stop(cancelled());
  const left = (options.endsAt ?? Number.POSITIVE_INFINITY) - performance.now();
  const total =
    left < options.totalTimeoutMs
      ? setTimeout(
          () => stop(failed('its parts took longer together than one file may with all its attempts')),
          Math.max(left, 1),
        )
      : setTimeout(
          () => stop(failed(`it took longer than ${options.totalTimeoutMs} ms`)),
          options.totalTimeoutMs,
        );
  const phase: { timer?: NodeJS.Timeout } = {};
  options.signal?.addEventListener('abort', cancel, { once: true });
  if (options.signal?.aborted === true) cancel();
  const arm = (ms: number, message: string): void => {
    clearTimeout(phase.timer);
    phase.timer = setTimeout(() => stop(failed(message)), ms);
  };
  return {
    signal: controller.signal,
    connecting: () => arm(options.connectTimeoutMs, `no connection within ${options.connectTimeoutMs} ms`),
    alive: () => arm(options.idleTimeoutMs, `nothing came for ${options.idleTimeoutMs} ms`),
    broken: (error: Error) => stop(unconnected(error.message, error)),
    /** The reason of an abort says more than the error that the abort caused. */
    explain: (error: unknown): unknown => (controller.signal.aborted ? controller.signal.reason : error),
    end: () => {
      clearTimeout(total);
      clearTimeout(phase.timer);
      options.signal?.removeEventListener('abort', cancel);
    },
  };
};
export type Watch = ReturnType<typeof makeWatch>;
