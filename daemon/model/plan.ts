/**
 * A plan is data: printed as sentences, shown as JSON and as a diff, kept in the journal, compared in tests.
 * Every step carries what it needs to be undone, so undo is the inverse step and not a closure.
 */
import type { Handler } from './desired.ts';
import type { Ledger } from './ledger.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { SignatureProof } from './signatures.ts';
import type { Start } from './start.ts';
import type { FileState } from '../../host/facts.ts';
import type { HandlerState } from '../../protocol/node-annotations.ts';
import type { Remnant } from './takeover.ts';
import type { NeededApproval } from './rollout-wait.ts';

export type Step =
  /** Download to the incoming folder and check the digest; nothing of it is interpreted before. */
  | { readonly kind: 'fetch'; readonly handler: Handler }
  /** Take the named files out, check and test-run them, and move them into the store as one folder. */
  | { readonly kind: 'place'; readonly handler: Handler }
  /** Wait until no container is being created, for at most so many seconds. */
  | { readonly kind: 'quiet'; readonly seconds: number }
  | { readonly kind: 'folder'; readonly path: string }
  /** Remove a folder that we made, if it is empty. */
  | { readonly kind: 'unfolder'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly before: FileState; readonly after: FileState }
  /** Point a symbolic link elsewhere, in one rename; `null` is no link. */
  | {
      readonly kind: 'link';
      readonly path: string;
      readonly before: string | null;
      readonly after: string | null;
    }
  /** `started`: by its own first start, which already loaded what the steps before would write; there is no restart. */
  | { readonly kind: 'activate'; readonly unit: string; readonly started?: true }
  /**
   * The proof: everything in `serve` is served, everything in `keep` is still served, and the runtime is stable. `former`:
   * the handlers that were served before, with ours; all of them must be served again after an undo.
   */
  | {
      readonly kind: 'prove';
      readonly unit: string;
      readonly serve: readonly string[];
      readonly keep: readonly string[];
      readonly former: readonly string[];
      /**
       * New or changed handlers with which a sandbox is started, if the node can, each with its identity. In a plan without
       * a restart this is the whole proof.
       */
      readonly start?: Readonly<Record<string, string>>;
    }
  /** Put the program into the store that prepared handlers have where a runtime leaves out one without a program. */
  | { readonly kind: 'stand-in' }
  /** Remove a folder of the store that nothing uses any more. */
  | { readonly kind: 'discard'; readonly key: string }
  /** Remove what a predecessor left, if it still is what was found. */
  | { readonly kind: 'clear'; readonly remnant: Remnant }
  | { readonly kind: 'record'; readonly ledger: Ledger };

export type StepKind = Step['kind'];

/** Files with their new content, for the runtime's own parser to check before anything is written. */
export type Staged = { readonly path: string; readonly text: string | null };

export type Plan =
  | { readonly kind: 'settled' }
  /** The decision needs the output of the runtime's own parser for these files. */
  | {
      readonly kind: 'trial';
      readonly id: string;
      /** Without us, as on a host without rcm-node; the main file first. */
      readonly before: readonly Staged[];
      readonly after: readonly Staged[];
      /** Artifacts that the change needs, whatever the trial says. */
      readonly artifacts?: readonly Step[];
      /** The arguments with which the runtime's binary prints the meaning of these files. */
      readonly words: { readonly before: readonly string[]; readonly after: readonly string[] };
    }
  | {
      readonly kind: 'steps';
      /** Identifies the configuration after this plan; a revision that failed its proof is recorded by it. */
      readonly revision: string;
      readonly steps: readonly Step[];
      readonly because: readonly string[];
      /** Whether the runtime is restarted. */
      readonly disrupts: boolean;
    }
  | { readonly kind: 'refused'; readonly problem: Problem };

/** The report about one handler, whether or not there is work. */
export type HandlerReport = {
  readonly name: string;
  readonly state: HandlerState;
  readonly sha256?: string;
  /** What was proven of the signature, where a policy requires one; `prefix`: of that policy. */
  readonly signature?: SignatureProof & { readonly prefix: string };
  readonly source: string;
  /** Of what is served. */
  readonly start?: Start;
  readonly problem?: Problem;
  /** Its change needs this approval. */
  readonly approval?: NeededApproval;
};

export type Decision = {
  readonly plan: Plan;
  readonly handlers: readonly HandlerReport[];
  /** Problems of the node, not of one handler, that do not stop the rest. */
  readonly notes: readonly Problem[];
};
