/**
 * `[[signatures]]` of config.toml: who must have signed the artifacts below a location. It is the node's policy: no Shim can
 * widen it.
 */
import type { Problem } from '../../protocol/problem/problem.ts';
import { canonicalLocation } from '../../protocol/location.ts';
import {
  at,
  boolean,
  type Cursor,
  elements,
  fail,
  printKey,
  required,
  string,
  table,
} from '../toml/cursor.ts';

export type SignaturePolicy = {
  /** As the file has it; the empty one is of every location. */
  readonly prefix: string;
  readonly by:
    | { readonly kind: 'unsigned' }
    /** The public key itself (PEM), or the path of its file. */
    | { readonly kind: 'key'; readonly key: string }
    /** `identity` may end with `/*`. */
    | { readonly kind: 'identity'; readonly identity: string; readonly issuer: string };
  /** The path of a trusted_root.json of Sigstore. */
  readonly trustRoot?: string;
  /** A log of the trust root must prove that the signature is in it. */
  readonly transparencyLog: boolean;
  /** An authority of the trust root must prove when it was made. */
  readonly timestamp: boolean;
};

/** A policy with the files that it names. */
export type Signer =
  | { readonly policy: SignaturePolicy; readonly fault: Problem }
  | {
      readonly policy: SignaturePolicy;
      /** The digest of what is required, files included: another key is another requirement. Not of the prefix. */
      readonly id: string;
      /** PEM. */
      readonly key?: string;
      /** JSON. */
      readonly root?: string;
    };

/** What was proven of an artifact. */
export type SignatureProof = {
  /** The `id` of the policy that it fulfilled. */
  readonly policy: string;
  /** In words: the fingerprint of a key, or an identity and its issuer. */
  readonly signer: string;
  readonly log: boolean;
  readonly timestamp: boolean;
};

const canonicalPrefix = ({ prefix }: SignaturePolicy): string => canonicalLocation(prefix) ?? '';

export const signaturePolicies = (cursor: Cursor): readonly SignaturePolicy[] => {
  const rows = elements(cursor);
  const policies = rows.map(policy);
  const exempt = policies.findIndex(
    (one, index) =>
      one.by.kind === 'unsigned' &&
      policies.some((other, at) => at !== index && canonicalPrefix(other) === canonicalPrefix(one)),
  );
  const row = rows[exempt];
  if (row) fail(row, `another policy requires a signature for the same prefix`);
  return policies;
};

const keys = ['prefix', 'key', 'identity', 'issuer', 'trustRoot', 'transparencyLog', 'timestamp', 'unsigned'];

const policy = (cursor: Cursor): SignaturePolicy => {
  const row = required(cursor, table(cursor, keys));
  const prefix = required(at(row, 'prefix'), string(at(row, 'prefix')));
  if (prefix !== '' && !isPrefix(prefix))
    fail(
      at(row, 'prefix'),
      'the beginning of a location is expected (https:, http:, file: or oci:), without user, query, tag, digest and "%", or "" for every location',
    );
  const by = signer(row);
  const trustRoot = string(at(row, 'trustRoot'), /^\//, 'an absolute path is expected');
  const transparencyLog = boolean(at(row, 'transparencyLog')) ?? by.kind === 'identity';
  const timestamp = boolean(at(row, 'timestamp')) ?? false;
  if (trustRoot === undefined && (by.kind === 'identity' || transparencyLog || timestamp))
    fail(
      row,
      `"${printKey(row.path)}" needs trustRoot: certificates, logs and timestamps are verified with that file, and nothing is fetched for it`,
    );
  return { prefix, by, ...(trustRoot === undefined ? {} : { trustRoot }), transparencyLog, timestamp };
};

/** Beside a digest, the tag of an image is any text: a policy for a tag would be for what the author of a Shim writes there. */
const isPrefix = (text: string): boolean =>
  canonicalLocation(text) !== undefined &&
  !/^oci:\/\/[^/]*\/.*[:@]/i.test(text) &&
  /^[a-z]+:\/\/[^?#%]*$/i.test(text) &&
  !/^[^/]*\/\/[^/]*@/.test(text);

const signer = (row: Cursor): SignaturePolicy['by'] => {
  const key = string(
    at(row, 'key'),
    /^(\/|\s*-----BEGIN PUBLIC KEY-----)/,
    'an absolute path or a public key in PEM is expected',
  );
  const identity = string(
    at(row, 'identity'),
    /^[\x21-\x29\x2b-\x7e]+(\/\*)?$/,
    'an identity is expected as certificates have it; "*" may stand alone after the last "/"',
  );
  const issuer = string(
    at(row, 'issuer'),
    /^[\x21-\x7e]+$/,
    'the address of the issuer of the identity is expected',
  );
  const isUnsigned = boolean(at(row, 'unsigned')) ?? false;
  if ([key !== undefined, identity !== undefined, isUnsigned].filter(Boolean).length !== 1)
    fail(row, `"${printKey(row.path)}" needs one of these: key; identity and issuer; unsigned = true`);
  if ((identity === undefined) !== (issuer === undefined))
    fail(row, 'identity and issuer belong together: without its issuer an identity says nothing');
  if (key !== undefined) return { kind: 'key', key: key.trim() };
  if (identity !== undefined && issuer !== undefined) return { kind: 'identity', identity, issuer };
  return { kind: 'unsigned' };
};
