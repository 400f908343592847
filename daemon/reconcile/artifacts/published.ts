/**
 * Where the signatures of an artifact are published, by the scheme of its location: in files beside it, or attached to it in a
 * registry. To add a form of files: a row of `forms`.
 */
import { digestOf } from '../../../protocol/digest.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { printUrl } from '../../../protocol/problem/mask.ts';
import { Failure, type Problem, problemOf } from '../../../protocol/problem/problem.ts';
import type { Host } from '../../../host/host.ts';
import { saysAbsent, together } from '../../../host/http/deadlines.ts';
import type { DownloadOptions } from '../../../host/http/options.ts';
import { parseReference } from '../../../host/registry/reference.ts';
import type { Artifact } from '../../../host/signature/content.ts';
import type { SignatureFile } from '../../../host/signature/forms.ts';
import type { Fetched } from './artifacts.ts';
import type { Registries } from './ways.ts';

/** `name`: for messages. `file`: undefined where there is none. */
export type Published = {
  readonly name: string;
  readonly artifact: Artifact;
  readonly file: () => Promise<SignatureFile | undefined>;
};

export type Search = {
  readonly url: string;
  readonly fetched: Fetched;
  readonly registries: Registries;
  readonly options: DownloadOptions;
  readonly wantsCertificate: boolean;
};

type Source = {
  readonly find: (host: Host, search: Search) => Promise<readonly Published[]>;
  /** What to say where none is found. */
  readonly none: string;
};

/** A bundle of Sigstore has a few kilobytes. */
const maxBytes = 1024 * 1024;

/** A server that sends a megabyte more slowly would hold up every other shim. */
const totalTimeoutMs = 60_000;

/** All requests for the signatures of one artifact have one deadline: there are up to five files, each at two places. */
const forSignatures = (options: DownloadOptions): DownloadOptions =>
  together({
    ...options,
    decidesNothing: true,
    totalTimeoutMs: Math.min(options.totalTimeoutMs, totalTimeoutMs),
    // Each failure is tried again: where only a mirror can be reached, each form that it lacks costs all attempts.
    attempts: Math.min(options.attempts, 2),
  });

type Beside = (ending: string) => Promise<string | undefined>;

const asBundle = async (text: string): Promise<SignatureFile> => ({ kind: 'bundle', text });

/** By the ending of the name, in this order. */
const forms: Readonly<Record<string, (text: string, beside: Beside) => Promise<SignatureFile>>> = {
  '.sigstore.json': asBundle,
  '.bundle': asBundle,
  '.sig': async (text, beside) => {
    const certificate = (await beside('.crt')) ?? (await beside('.pem'));
    return { kind: 'signature', text, ...(certificate === undefined ? {} : { certificate }) };
  },
};

/** Of files beside an artifact, for a mirror. */
export const signatureEndings: readonly string[] = [...Object.keys(forms), '.crt', '.pem'];

const inFiles: Source = {
  find: async (host, { url, fetched, options, wantsCertificate }) => {
    const artifact = { path: host.files.real(fetched.path), sha256: fetched.sha256 };
    const http = forSignatures(options);
    const fetch: Beside = (ending) => textAt(host, besides(url, ending), http);
    // Where a mirror alone can be reached, it cannot be known that a file does not exist.
    const certificate: Beside = async (ending) => (wantsCertificate ? fetch(ending) : undefined);
    return Object.entries(forms).map(([ending, read]) => ({
      name: printUrl(besides(url, ending)),
      artifact,
      file: async () => {
        const text = await fetch(ending);
        return text === undefined ? undefined : read(text, certificate);
      },
    }));
  },
  none: `none of ${Object.keys(forms).join(', ')} is beside it`,
};

const inRegistry: Source = {
  find: async (host, { url, fetched, registries, options }) => {
    const reference = parseReference(url);
    if ('wrong' in reference) throw new Failure({ code: 'bad-value', message: reference.wrong });
    const digests = [fetched.sha256, ...(fetched.manifest === undefined ? [] : [fetched.manifest])];
    const found = await host.attachedSignatures(reference, digests, maxBytes, {
      ...registries,
      http: forSignatures(options),
    });
    return found.map(({ name, file, sha256, bytes }) => ({ name, file, artifact: { sha256, bytes } }));
  },
  none: 'no signature is attached to it in the registry',
};

const sources: Readonly<Record<string, Source>> = {
  'https:': inFiles,
  'http:': inFiles,
  'file:': inFiles,
  'oci:': inRegistry,
};

export const sourceOf = (url: string): Source => {
  const source = sources[new URL(url).protocol];
  if (!source) throw new Failure({ code: 'bad-value', message: 'the location has no known scheme' });
  return source;
};

/** The query of an address may be its access key, and stays. */
const besides = (url: string, ending: string): string => {
  const address = new URL(url);
  address.pathname += ending;
  address.hash = '';
  return address.href;
};

const isMissing = ({ code, message }: Problem): boolean =>
  ['download-refused', 'download-failed'].includes(code) && saysAbsent(message);

/** Undefined where there is no such file. */
const textAt = async (
  host: Host,
  location: string,
  options: DownloadOptions,
): Promise<string | undefined> => {
  const path = `${paths.incoming}/${digestOf(location).slice(0, 16)}.signature`;
  try {
    await host.download(location, undefined, host.files.real(path), {
      ...options,
      maxBytes,
    });
    const fact = await host.files.look(path);
    if (fact.kind === 'regular') return fact.text;
    throw new Failure({ code: 'bad-signature', message: 'it is no text' });
  } catch (error) {
    const problem = problemOf(error);
    if (isMissing(problem)) return undefined;
    if (problem.code !== 'too-large') throw error;
    const message = `it is larger than ${maxBytes} bytes, and so is no signature`;
    throw new Failure({ code: 'bad-signature', message });
  } finally {
    await host.files.removeTree(path);
  }
};
