/** Which of the node's policies says who must have signed an artifact: that of the longest prefix of its location. */
import { canonicalLocation, exactLocation, isBelow, readingsOf } from '../../protocol/location.ts';
import type { Artifact, Handler } from '../model/desired.ts';
import type { Signer } from '../model/signatures.ts';
import { type Cursor, fail } from '../toml/cursor.ts';

/** `fits`: for each way in which a server may read the location, whether it is below the prefix. */
type Row = { readonly signer: Signer; readonly prefix: string; readonly fits: readonly boolean[] };

const rowsFor = (location: string, signers: readonly Signer[]): readonly Row[] => {
  const exact = exactLocation(location);
  return signers.map((signer) => {
    const prefix = canonicalLocation(signer.policy.prefix) ?? '';
    const exactPrefix = exactLocation(signer.policy.prefix) ?? '';
    // What cannot be compared may be below each prefix.
    const fits =
      exact === undefined
        ? [prefix === '', true]
        : [...readingsOf(location).map((one) => isBelow(one, prefix)), isBelow(exact, exactPrefix)];
    return { signer, prefix, fits };
  });
};

const isCertain = ({ fits }: Row): boolean => fits.every(Boolean);

/**
 * All policies of the longest prefix that fits: a signature by one of them is enough, so that keys can be exchanged. Empty where
 * none is needed. Only a prefix that fits in every reading of the location rules out shorter ones: with the help of a server that
 * tells two addresses apart, what is below the one would pass as what is below the other, which needs no signature or that of
 * another key.
 */
export const signersFor = (location: string, signers: readonly Signer[]): readonly Signer[] => {
  const rows = rowsFor(location, signers).filter(({ fits }) => fits.includes(true));
  const certain = Math.max(...rows.filter(isCertain).map(({ prefix }) => prefix.length));
  const required = rows.filter(
    ({ prefix, signer }) => prefix.length >= certain && signer.policy.by.kind !== 'unsigned',
  );
  const [first] = required;
  if (first === undefined) return [];
  if (required.some(({ prefix }) => prefix !== first.prefix)) return [undecided(first, required)];
  const exact = required.filter(isCertain);
  return (exact.length > 0 ? exact : required).map(({ signer }) => signer);
};

const undecided = ({ signer: { policy } }: Row, rows: readonly Row[]): Signer => {
  const prefixes = [...new Set(rows.map(({ signer }) => JSON.stringify(signer.policy.prefix)))].join(', ');
  return {
    policy,
    fault: {
      code: 'signature-policy',
      message: `servers may read its location in several ways, and policies of several prefixes would be meant: ${prefixes}`,
      hint: 'Write the location as the prefix of its policy is written: the same scheme, the same upper and lower case, no escaped characters.',
    },
  };
};

/** What the artifact at `location` must fulfil. Throws `signature-policy` while the node cannot tell. */
export const signedBy = (
  at: Cursor,
  location: string,
  signers: readonly Signer[],
): Pick<Artifact, 'signed'> => {
  const fitting = signersFor(location, signers);
  const [first] = fitting;
  if (first === undefined) return {};
  const any = fitting.map((one) => {
    if (!('fault' in one)) return one.id;
    const { message, hint } = one.fault;
    return fail(at, `this node cannot tell who must have signed it: ${message}`, 'signature-policy', hint);
  });
  return { signed: { prefix: first.policy.prefix, any } };
};

/**
 * A handler of the ledger, for which no source speaks now, with what the present policies ask for. While one of them cannot be read
 * nothing is asked, and so nothing told, of what is in service.
 */
export const signedNow = (handler: Handler, signers: readonly Signer[]): Handler => {
  const { signed: _former, ...artifact } = handler.artifact;
  const fitting = signersFor(artifact.url, signers);
  const any = fitting.flatMap((one) => ('fault' in one ? [] : [one.id]));
  const [first] = fitting;
  const signed =
    first && any.length === fitting.length ? { signed: { prefix: first.policy.prefix, any } } : {};
  return { ...handler, artifact: { ...artifact, ...signed } };
};
