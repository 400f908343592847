/** Which of the node's policies says who must have signed an artifact: that of the longest prefix of its location. */
import { isBelow, readingsOf } from '../../protocol/location.ts';
import type { Artifact } from '../model/desired.ts';
import { canonicalPrefix, type Signer } from '../model/signatures.ts';
import { type Cursor, fail } from '../toml/cursor.ts';

/** All policies of the longest prefix that fits: a signature by one of them is enough, so that keys can be exchanged. */
export const signersFor = (location: string, signers: readonly Signer[]): readonly Signer[] => {
  const readings = readingsOf(location);
  const rows = signers
    .map((signer) => ({ signer, prefix: canonicalPrefix(signer.policy) }))
    // An address that cannot be compared is of every policy.
    .filter(({ prefix }) => readings.length === 0 || readings.some((one) => isBelow(one, prefix)));
  const longest = Math.max(...rows.map(({ prefix }) => prefix.length));
  return rows.filter(({ prefix }) => prefix.length === longest).map(({ signer }) => signer);
};

/** What the artifact at `location` must fulfil. Throws `signature-policy` while the node cannot tell. */
export const signedBy = (
  at: Cursor,
  location: string,
  signers: readonly Signer[],
): Pick<Artifact, 'signed'> => {
  const fitting = signersFor(location, signers);
  const [first] = fitting;
  if (first === undefined || first.policy.by.kind === 'unsigned') return {};
  const any = fitting.map((one) => {
    if (!('fault' in one)) return one.id;
    const { message, hint } = one.fault;
    return fail(at, `this node cannot tell who must have signed it: ${message}`, 'signature-policy', hint);
  });
  return { signed: { prefix: first.policy.prefix, any } };
};
