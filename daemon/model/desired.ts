/**
 * What a node is asked to serve: one `Handler` for each shim, already validated, and its source.
 */
import type { Problem, Where } from '../../protocol/problem/problem.ts';
import { canonical, digestOf } from '../../protocol/digest.ts';
import type { Scope } from '../../protocol/shim-object.ts';
import type { OptionValue } from '../toml/options.ts';
import type { ApprovalFacts } from './rollout-wait.ts';

/**
 * `shim`: a program that the runtime starts for each Pod, named in the configuration by its absolute path.
 * `oci`: a program with the command line of runc, started by the runtime as runc is, with libraries for this program alone.
 */
export type RuntimeKind =
  | { readonly type: 'shim' }
  | { readonly type: 'oci'; readonly binary: string; readonly libraries: readonly string[] };

export type Artifact = {
  readonly url: string;
  /**
   * 64 lower-case hex digits: of the file at `url`, or of the manifest or index that an `oci:` one names; absent only where the
   * node's policy allows it.
   */
  readonly sha256?: string;
  /** It must be signed: proven by one of these policies (`Signer.id`), which are of this prefix. */
  readonly signed?: { readonly prefix: string; readonly any: readonly string[] };
  /** Where the program is in an image; absent: it is found by its name. */
  readonly path?: string;
  /** Of the file that an `oci:` url leads to, checked in addition. */
  readonly fileSha256?: string;
};

/** The Shim of a handler and its revision: they decide when a change may be made, and are no part of the handler's meaning. */
export type ShimRevision = {
  readonly shim: string;
  readonly revision: string;
  readonly scope: Scope;
};

export type Handler = {
  /** The name that a RuntimeClass uses and that the runtime's configuration carries. */
  readonly name: string;
  /** The name of the shim; its binary is `containerd-shim-<shim>`. */
  readonly shim: string;
  readonly artifact: Artifact;
  readonly runtime: RuntimeKind;
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly podAnnotations: readonly string[];
  readonly containerAnnotations: readonly string[];
  readonly where: Where;
  /** Absent for a handler of a local file, which never waits for approval. */
  readonly order?: ShimRevision;
};

/**
 * A handler that is in the configuration before a shim asks for it: what its table is made of, without an artifact. Its stable path
 * leads nowhere, until a link of it serves a shim that asks for an equal table.
 */
export type Prepared = Omit<Handler, 'artifact' | 'order'>;

/** One answer of one source. A lost source keeps the handlers of its last answer: empty is not delete. */
export type Desired = {
  readonly handlers: readonly Handler[];
  /** What is wrong with the desired state; each concerns one file or one handler. */
  readonly problems: readonly Problem[];
  /** Hints about a possible mistake of a person. They are printed, and change no exit code. */
  readonly notes?: readonly Problem[];
  /** Paths whose last known handlers stay in force because they cannot be read or understood now. */
  readonly lost: readonly string[];
  /** The desired state of the cluster is unknown. If the ledger is lost too, so is what was done for it. */
  readonly unheard?: true;
  /** The line of each local handler's artifact, for a problem with that artifact. */
  readonly places?: Readonly<Record<string, Where>>;
  /** Absent without a cluster: no change waits for approval then. */
  readonly approvals?: ApprovalFacts;
  /** What the settings prepare. Absent: nothing may stay, as with an uninstall. */
  readonly prepare?: readonly Prepared[];
};

/** Nothing is wanted, and that is certain (uninstall). */
export const nothing: Desired = { handlers: [], problems: [], lost: [] };

/** What is fetched and how it is unpacked; equal selections of one artifact share one folder of the store. */
export const binaryName = (handler: Pick<Handler, 'shim' | 'runtime'>): string =>
  handler.runtime.type === 'oci' ? handler.runtime.binary : `containerd-shim-${handler.shim}`;

/**
 * The name of a handler's folder in the store: the digest of its artifact's digest and of what is taken out of it, since
 * one archive may hold several programs; undefined until the artifact's digest is known. A digest of a manifest is no digest of a
 * file, so that of a registry has its fields apart.
 */
export const storeKey = (handler: Handler, sha256 = handler.artifact.sha256): string | undefined => {
  if (sha256 === undefined) return undefined;
  const libraries = handler.runtime.type === 'oci' ? handler.runtime.libraries : [];
  const { url, path, fileSha256 } = handler.artifact;
  const inRegistry = url.startsWith('oci:') ? [{ path, fileSha256 }] : [];
  return digestOf(canonical([sha256, binaryName(handler), libraries, ...inRegistry]));
};
