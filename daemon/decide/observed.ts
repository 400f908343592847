/**
 * Everything that a decision may read, observed on the host in one place (daemon/reconcile/observe/observe.ts). If a decision
 * needs another fact, add it here.
 */
import type { Ledger } from '../model/ledger.ts';
import type { FileFact, LinkFact, Machine } from '../../host/facts.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { RuntimeFacts, Trial } from '../runtimes/facts.ts';
import type { SignatureProof } from '../model/signatures.ts';

export type StoreFact =
  | {
      readonly kind: 'whole';
      readonly sha256: string;
      readonly url: string;
      readonly binary: string;
      /** It was never run: it was placed into another root. */
      readonly untried?: true;
      /** Of the signatures of the artifact that it came from. */
      readonly proofs?: readonly SignatureProof[];
    }
  | { readonly kind: 'damaged'; readonly why: string };

/** `used`: a process has it mapped, or may have. */
export type RemnantState = 'gone' | 'changed' | 'used' | 'unused';

export type Observed = {
  readonly now: number;
  readonly machine: Machine;
  /** Whether the runtime may be restarted at all; false when another root or an image is prepared. */
  readonly activate: boolean;
  readonly runtime: RuntimeFacts | { readonly name: 'none'; readonly problem: Problem };
  /** Files that have, or will have, our text, by the path in the configuration. */
  readonly files: Readonly<Record<string, FileFact>>;
  readonly folders: Readonly<Record<string, boolean>>;
  readonly store: Readonly<Record<string, StoreFact>>;
  readonly links: Readonly<Record<string, LinkFact>>;
  /** Store folders that a running process has mapped; read only if a folder could be discarded. */
  readonly mapped: readonly string[];
  readonly ledger: Ledger;
  /** What became of each file that a predecessor left and that a takeover is to remove, by path; absent without a takeover. */
  readonly remnants?: Readonly<Record<string, RemnantState>>;
  /** Without a runtime: the files that it would read if it were installed again. Otherwise absent. */
  readonly remnant?: readonly Pick<RuntimeFacts, 'name' | 'config' | 'aliases'>[];
  readonly trials: readonly Trial[];
  /** A folder for the files of this trial alone: `plan` and a tick may run at the same time. */
  readonly scratch: string;
};
