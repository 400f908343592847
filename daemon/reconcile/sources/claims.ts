/** What a source of desired handlers answers. */
import type { Desired, Handler } from '../../model/desired.ts';
import type { Where } from '../../../protocol/problem/problem.ts';
import type { Policy } from '../../shims/location.ts';
import { signedNow } from '../../shims/signed.ts';

export type Claim = {
  readonly handler: Handler;
  /** Epoch milliseconds of the request, if known. */
  readonly made: number;
  readonly source: 'local' | 'cluster';
  /** In the file. */
  readonly place?: Where;
};

/** The answer of one source. */
export type Said = Omit<Desired, 'handlers' | 'places'> & { readonly claims: readonly Claim[] };

/** The installed handlers of a source that does not answer; of `file`, if one of its files does not. */
export const keep =
  (source: Claim['source'], handlers: readonly Handler[], { signers = [] }: Policy) =>
  (file?: string): readonly Claim[] =>
    handlers
      .filter(({ where }) => file === undefined || where.file === file)
      .map((handler) => ({ handler: signedNow(handler, signers), made: 0, source }));
