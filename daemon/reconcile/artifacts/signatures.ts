/**
 * Between the download of an artifact and its unpacking: finds the signatures that are published beside it, and has one of them
 * verified against the policies of this node. The proof is kept in the manifest of the store.
 */
import { digestOf } from '../../../protocol/digest.ts';
import { paths } from '../../../protocol/host-paths.ts';
import { printUrl } from '../../../protocol/problem/mask.ts';
import { Failure, type Problem, problemOf } from '../../../protocol/problem/problem.ts';
import type { Host } from '../../../host/host.ts';
import { saysAbsent } from '../../../host/http/deadlines.ts';
import type { DownloadOptions } from '../../../host/http/download.ts';
import type { Requirement } from '../../../host/signature/verify.ts';
import type { SignatureFile } from '../../../host/signature/forms.ts';
import type { Handler } from '../../model/desired.ts';
import type { Settings } from '../../model/settings.ts';
import type { SignatureProof, Signer } from '../../model/signatures.ts';
import { signersFor } from '../../shims/signed.ts';
import { loadSigners } from '../../state/signers.ts';
import type { Fetched } from './artifacts.ts';

/** A bundle of Sigstore has a few kilobytes. */
const maxBytes = 1024 * 1024;

type Fetch = (location: string) => Promise<string>;

/** The names under which signatures are published, in this order. */
const forms: readonly {
  readonly ending: string;
  readonly read: (
    text: string,
    beside: (ending: string) => Promise<string | undefined>,
  ) => Promise<SignatureFile>;
}[] = [
  { ending: '.sigstore.json', read: async (text) => ({ kind: 'bundle', text }) },
  { ending: '.bundle', read: async (text) => ({ kind: 'bundle', text }) },
  {
    ending: '.sig',
    read: async (text, beside) => {
      const certificate = (await beside('.crt')) ?? (await beside('.pem'));
      return { kind: 'signature', text, ...(certificate === undefined ? {} : { certificate }) };
    },
  },
];

/**
 * The proof that the artifact is signed as this node requires; undefined where nothing is required. Throws a Failure whose message
 * names what was looked at.
 */
export const proveSigned = async (
  host: Host,
  settings: Settings,
  handler: Handler,
  fetched: Fetched,
  options: DownloadOptions,
): Promise<SignatureProof | undefined> => {
  const { url } = handler.artifact;
  // Once more: a key that was exchanged since the decision is the one that counts.
  const signers = signersFor(url, await loadSigners(host, settings));
  if (signers.length === 0 || signers.some(({ policy }) => policy.by.kind === 'unsigned')) return undefined;
  const fetch = fetchWith(host, options);
  // Where a mirror alone can be reached, it cannot be known that a file does not exist.
  const wantsCertificate = signers.some(({ policy }) => policy.by.kind === 'identity');
  const certificateBeside = async (ending: string): Promise<string | undefined> =>
    wantsCertificate ? fetch(beside(url, ending)).catch(missing) : undefined;
  const failures: Failure[] = [];
  for (const { ending, read } of forms) {
    const location = beside(url, ending);
    try {
      const text = await fetch(location);
      const file = await read(text, certificateBeside);
      return await byAny(host, signers, file, fetched);
    } catch (error) {
      const { code, message, ...rest } = problemOf(error);
      if (!isMissing({ code, message }))
        failures.push(
          new Failure({ ...rest, code, message: `the signature ${printUrl(location)}: ${message}` }),
        );
    }
    options.signal?.throwIfAborted();
  }
  throw failures[0] ?? unsigned(url, signers);
};

/** The query of an address may be its access key, and stays. */
const beside = (url: string, ending: string): string => {
  const address = new URL(url);
  address.pathname += ending;
  address.hash = '';
  return address.href;
};

const requirementOf = ({ policy, key, root }: Extract<Signer, { id: string }>): Requirement => {
  const { by, transparencyLog, timestamp } = policy;
  return {
    by: by.kind === 'identity' ? by : { kind: 'key', key: key ?? '' },
    ...(root === undefined ? {} : { root }),
    transparencyLog,
    timestamp,
  };
};

const isMissing = ({ code, message }: Pick<Problem, 'code' | 'message'>): boolean =>
  ['download-refused', 'download-failed'].includes(code) && saysAbsent(message);

/** For a second file that may be absent. */
const missing = (error: unknown): undefined => {
  if (isMissing(problemOf(error))) return undefined;
  throw error;
};

const unsigned = (url: string, signers: readonly Signer[]): Failure => {
  const names = forms.map(({ ending }) => ending).join(', ');
  const prefix = signers[0]?.policy.prefix ?? '';
  return new Failure({
    code: 'unsigned',
    message: `${printUrl(url)} is not signed, and this node requires it of ${prefix === '' ? 'every location' : prefix}: none of ${names} is beside it`,
  });
};

const fetchWith = (host: Host, options: DownloadOptions): Fetch => {
  return async (location) => {
    const path = `${paths.incoming}/${digestOf(location).slice(0, 16)}.signature`;
    try {
      await host.download(location, undefined, host.files.real(path), {
        ...options,
        maxBytes,
        decidesNothing: true,
        // Whatever fails is tried again, and where a mirror alone can be reached, each form that it lacks costs this.
        attempts: Math.min(options.attempts, 2),
      });
      const fact = await host.files.look(path);
      if (fact.kind === 'regular') return fact.text;
      throw new Failure({ code: 'bad-signature', message: 'it is no text' });
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code !== 'too-large') throw error;
      throw new Failure({
        code: 'bad-signature',
        message: `it is larger than ${maxBytes} bytes, and so is no signature`,
      });
    } finally {
      await host.files.removeTree(path);
    }
  };
};

const byAny = async (
  host: Host,
  signers: readonly Signer[],
  file: SignatureFile,
  fetched: Fetched,
): Promise<SignatureProof> => {
  const failures: unknown[] = [];
  for (const signer of signers) {
    try {
      const artifact = { path: host.files.real(fetched.path), sha256: fetched.sha256 };
      if ('fault' in signer) throw new Failure(signer.fault);
      const proven = await host.verifySignature(file, artifact, requirementOf(signer), host.clock.now());
      return { policy: signer.id, ...proven };
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
};
