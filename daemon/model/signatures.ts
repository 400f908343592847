/**
 * `[[signatures]]` of config.toml: who must have signed the artifacts below a location. It is the node's policy: no Shim can
 * widen it.
 */
import type { Problem } from '../../protocol/problem/problem.ts';
import { canonicalLocation } from '../../protocol/location.ts';
import { at, type Cursor, elements, fail, printKey, required } from '../toml/cursor.ts';
import { anyString, booleanField, type Field, stringField, tableField } from '../toml/field.ts';

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

const row = tableField(
  {
    prefix: anyString,
    key: stringField(
      /^(\/|\s*-----BEGIN PUBLIC KEY-----)/,
      'an absolute path or a public key in PEM is expected',
    ),
    identity: stringField(
      /^[\x21-\x29\x2b-\x7e]+(\/\*)?$/,
      'an identity is expected as certificates have it; "*" may stand alone after the last "/"',
    ),
    issuer: stringField(/^[\x21-\x7e]+$/, 'the address of the issuer of the identity is expected'),
    trustRoot: stringField(/^\//, 'an absolute path is expected'),
    transparencyLog: booleanField,
    timestamp: booleanField,
    unsigned: booleanField,
  },
  ['prefix'],
);

type Row = NonNullable<ReturnType<typeof row.read>>;

const signaturePolicies = (cursor: Cursor): readonly SignaturePolicy[] => {
  const rows = elements(cursor);
  const policies = rows.map(policy);
  const exempt = policies.findIndex(
    (one, index) =>
      one.by.kind === 'unsigned' &&
      policies.some((other, at) => at !== index && canonicalPrefix(other) === canonicalPrefix(one)),
  );
  const place = rows[exempt];
  if (place) fail(place, `another policy requires a signature for the same prefix`);
  return policies;
};

export const signatureField: Field<readonly SignaturePolicy[]> = {
  read: (cursor) => (cursor.value === undefined ? undefined : signaturePolicies(cursor)),
  schema: { type: 'array', items: row.schema },
};

const policy = (cursor: Cursor): SignaturePolicy => {
  const given = required(cursor, row.read(cursor));
  const { prefix = '', trustRoot, timestamp = false } = given;
  if (prefix !== '' && !isPrefix(prefix))
    fail(
      at(cursor, 'prefix'),
      'the beginning of a location is expected (https:, http:, file: or oci:), without user, query, tag, digest and "%", or "" for every location',
    );
  const by = signer(cursor, given);
  const { transparencyLog = by.kind === 'identity' } = given;
  if (trustRoot === undefined && (by.kind === 'identity' || transparencyLog || timestamp))
    fail(
      cursor,
      `"${printKey(cursor.path)}" needs trustRoot: certificates, logs and timestamps are verified with that file, and nothing is fetched for it`,
    );
  return { prefix, by, ...(trustRoot === undefined ? {} : { trustRoot }), transparencyLog, timestamp };
};

/** Beside a digest, the tag of an image is any text: a policy for a tag would be for what the author of a Shim writes there. */
const isPrefix = (text: string): boolean =>
  canonicalLocation(text) !== undefined &&
  !/^oci:\/\/[^/]*\/.*[:@]/i.test(text) &&
  /^[a-z]+:\/\/[^?#%]*$/i.test(text) &&
  !/^[^/]*\/\/[^/]*@/.test(text);

const signer = (cursor: Cursor, { key, identity, issuer, unsigned = false }: Row): SignaturePolicy['by'] => {
  if ([key !== undefined, identity !== undefined, unsigned].filter(Boolean).length !== 1)
    fail(cursor, `"${printKey(cursor.path)}" needs one of these: key; identity and issuer; unsigned = true`);
  if ((identity === undefined) !== (issuer === undefined))
    fail(cursor, 'identity and issuer belong together: without its issuer an identity says nothing');
  if (key !== undefined) return { kind: 'key', key: key.trim() };
  if (identity !== undefined && issuer !== undefined) return { kind: 'identity', identity, issuer };
  return { kind: 'unsigned' };
};
