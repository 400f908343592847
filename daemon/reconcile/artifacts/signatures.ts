/**
 * Between the download of an artifact and its unpacking: has one of its signatures (published.ts) verified against the policies of
 * this node. The proof is kept in the manifest of the store.
 */
import { printUrl } from '../../../protocol/problem/mask.ts';
import { Failure, problemOf } from '../../../protocol/problem/problem.ts';
import type { Host } from '../../../host/host.ts';
import type { DownloadOptions } from '../../../host/http/options.ts';
import type { Requirement } from '../../../host/signature/verify.ts';
import type { Settings } from '../../model/settings.ts';
import type { SignatureProof, Signer } from '../../model/signatures.ts';
import { signersFor } from '../../shims/signed.ts';
import { loadSigners } from '../../state/signers.ts';
import type { Fetched } from './artifacts.ts';
import { type Published, sourceOf } from './published.ts';
import type { Registries } from './ways.ts';

/**
 * The proof that the artifact is signed as this node requires; undefined where nothing is required. Throws a Failure whose message
 * names what was looked at.
 */
export const proveSigned = async (
  host: Host,
  settings: Settings,
  registries: Registries,
  url: string,
  fetched: Fetched,
  options: DownloadOptions,
): Promise<SignatureProof | undefined> => {
  // Once more: a key that was exchanged since the decision is the one that counts.
  const signers = signersFor(url, await loadSigners(host, settings));
  if (signers.length === 0) return undefined;
  const wantsCertificate = signers.some(({ policy }) => policy.by.kind === 'identity');
  const source = sourceOf(url);
  const failures: Failure[] = [];
  for (const one of await source.find(host, { url, fetched, registries, options, wantsCertificate })) {
    try {
      const proof = await byAny(host, signers, one);
      if (proof) return proof;
    } catch (error) {
      const { message, ...rest } = problemOf(error);
      failures.push(new Failure({ ...rest, message: `the signature ${one.name}: ${message}` }));
    }
    options.signal?.throwIfAborted();
  }
  throw failures[0] ?? unsigned(url, signers, source.none);
};

const unsigned = (url: string, [signer]: readonly Signer[], none: string): Failure => {
  const prefix = signer?.policy.prefix ?? '';
  const of = prefix === '' ? 'every location' : prefix;
  return new Failure({
    code: 'unsigned',
    message: `${printUrl(url)} is not signed, and this node requires it of ${of}: ${none}`,
  });
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

/** Undefined where there is no such signature. */
const byAny = async (
  host: Host,
  signers: readonly Signer[],
  { file, artifact }: Published,
): Promise<SignatureProof | undefined> => {
  const found = await file();
  if (found === undefined) return undefined;
  const failures: unknown[] = [];
  for (const signer of signers) {
    try {
      if ('fault' in signer) throw new Failure(signer.fault);
      const proven = await host.verifySignature(found, artifact, requirementOf(signer), host.clock.now());
      return { policy: signer.id, ...proven };
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
};
