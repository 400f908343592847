/**
 * Everything a decision may look at, read from the host in one place (daemon/reconcile/observe/observe.ts). If a decision seems to
 * need more, it is missing here.
 */
import type { Ledger } from '../model/ledger.ts';
import type { FileFact, LinkFact, Machine } from '../../host/facts.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { RuntimeFacts, Trial } from '../runtimes/facts.ts';

export type StoreFact =
  | {
      readonly kind: 'whole';
      readonly sha256: string;
      readonly url: string;
      readonly binary: string;
      /** It was never run: it was placed into another root. */
      readonly untried?: true;
    }
  | { readonly kind: 'damaged'; readonly why: string };

export type Observed = {
  readonly now: number;
  readonly machine: Machine;
  /** Whether the runtime may be restarted at all; false when another root or an image is prepared. */
  readonly activate: boolean;
  readonly runtime: RuntimeFacts | { readonly name: 'none'; readonly problem: Problem };
  /** Files that carry our text or will: by the path that the configuration uses. */
  readonly files: Readonly<Record<string, FileFact>>;
  readonly folders: Readonly<Record<string, boolean>>;
  readonly store: Readonly<Record<string, StoreFact>>;
  readonly links: Readonly<Record<string, LinkFact>>;
  /** Store folders that a running process has mapped; only looked for where something could be discarded. */
  readonly mapped: readonly string[];
  readonly ledger: Ledger;
  /** Where there is no runtime: what one would read, were it installed again. Else absent. */
  readonly remnant?: Pick<RuntimeFacts, 'config' | 'aliases'>;
  readonly trials: readonly Trial[];
  /** A folder of this look's own for the files of a trial: `plan` and a tick may try the same at the same time. */
  readonly scratch: string;
};
