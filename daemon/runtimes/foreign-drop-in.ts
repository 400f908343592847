/** A file of another program, or of a person, in the place of our drop-in: it is never overwritten. */
import type { FileFact } from '../../host/facts.ts';
import { Failure } from '../../protocol/problem/problem.ts';
import type { Ledger } from '../model/ledger.ts';
import type { DropIn } from './runtime.ts';

/** Throws the Failure `not-ours`. A file that the ledger knows, or that means what we write, is ours. */
export const refuseForeignDropIn = (
  fact: FileFact | undefined,
  path: string,
  ledger: Ledger,
  isOurs: DropIn['isOurs'],
): void => {
  if (fact === undefined || fact.kind === 'absent' || path in ledger.files) return;
  if (fact.kind === 'regular' && isOurs(fact.text)) return;
  throw new Failure({
    code: 'not-ours',
    message: 'a file stands where our drop-in goes, and rcm-node did not write it',
    where: { file: path },
    hint: 'Move it away, then run rcm-node once.',
  });
};
