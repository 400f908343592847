/**
 * The protocol between nodes and the controller on the Node object: the node writes annotations with the revision of each Shim
 * that it serves, and the one that waits for approval; the controller approves in labels that no kubelet may set
 * (node-labels.ts).
 */
import { fields, isFields, parseJson } from './json.ts';
import { presentCode } from './problem/former-codes.ts';

const prefix = 'rcm.spinkube.dev/';

/** The node's own; other keys of the prefix belong to controllers and people. */
export const annotations = {
  state: `${prefix}state`,
  reason: `${prefix}reason`,
  desired: `${prefix}desired-hash`,
  applied: `${prefix}applied-hash`,
  agent: `${prefix}agent`,
  status: `${prefix}status`,
  /** The labels in runtime-class-manager's manner that we set: the evidence to remove them by. */
  legacy: `${prefix}legacy-labels`,
} as const;

/** A label that a node sets on itself for each handler that it serves, `<prefix><handler>`: a claim, not a proof. */
export const servedPrefix = 'shim.rcm.spinkube.dev/';

/** Of the Lease, which nodes look at; also of the Deployment and the ServiceAccount. */
export const controllerName = 'rcm-node-controller';

/** Where the manifests put it all, unless a kustomization says otherwise. */
export const usualNamespace = 'rcm-node';

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names */
export const isNamespace = (text: string): boolean => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text);

/**
 * Label that the controller sets on a Node that is proven to serve a handler, `<prefix><handler>=served`. A kubelet may not
 * set labels of this domain, so that a node cannot attract Pods by claiming what it does not serve.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
 */
export const provenPrefix = 'spinkube.node-restriction.kubernetes.io/';

/** In place of a revision: the Shim must no longer be served on this node. */
export const goneRevision = '-';

export const handlerStates = [
  'served',
  /** It is in the configuration, and the runtime lists it, but no shim is there for it: a Pod cannot use it yet. */
  'prepared',
  /** It is in the configuration, which no runtime has loaded: an image, another root, files alone. */
  'written',
  /** It was installed, but the runtime, which alone knows whether it serves the handler, does not answer. */
  'unknown',
  'pending',
  'removing',
  'failed',
  'refused',
] as const;

export type HandlerState = (typeof handlerStates)[number];

/** One handler in the node's status annotation. */
export type HandlerDetail = {
  readonly s: HandlerState;
  /** The Shim that asks for it; absent for a handler of a local file. */
  readonly n?: string;
  /** The revision of that Shim that the runtime serves now, whatever else is asked for. */
  readonly r?: string;
  /** The revision that waits for approval: it needs a restart of the runtime, or its `scope` is `all`. */
  readonly w?: string;
  /** The revision that is asked for here: what a failure is about, which may be older than the Shim is by now. */
  readonly a?: string;
  /** The first digits of the artifact's digest. */
  readonly d?: string;
  /** Who signed the artifact, where the node's policy requires a signature. */
  readonly g?: string;
  /** The first digits of the policy that this was proven by. */
  readonly y?: string;
  /** Of a prepared slot: the digest of its options, annotations and kind. Absent: it has none, and is for a shim. */
  readonly t?: string;
  /** The code of what is wrong. */
  readonly p?: string;
};

/**
 * `machineID` and `bootID` of the Node's `status.nodeInfo`, as the agent read them itself. Absent where it could not, and
 * from agents of earlier versions.
 */
export type MachineIds = { readonly machine?: string; readonly boot?: string };

/** The node's status annotation. */
export type NodeDetail = MachineIds & {
  readonly v: 1;
  readonly agent: string;
  readonly runtime: string | null;
  readonly identity: string;
  /** ISO 8601: since when the node is in this state. */
  readonly since: string;
  /** Handlers are missing here, because there are too many. */
  readonly trunc?: true;
  /** By handler. */
  readonly shims: Readonly<Record<string, HandlerDetail>>;
};

/** More than a node ever writes (`statusBytes` in daemon/decide/report/node-detail.ts): what is longer is not its work. */
const longestStatus = 16_384;
const mostHandlers = 128;
const longestText = 256;

/**
 * Each node writes its own, and the owner of a node can write anything: what is read there ends up in messages of the
 * controller, which the API refuses when they are too long. So only what is plainly a name is one.
 */
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value);

/** Of a problem; or the name of a node's state, which has capitals. */
export const isCode = (value: unknown): value is string =>
  typeof value === 'string' && /^[A-Za-z][A-Za-z0-9-]{0,63}$/.test(value);

const isRevision = (value: unknown): value is string =>
  typeof value === 'string' && /^(-|[0-9a-z]{1,64})$/.test(value);

/** Of a signer: a fingerprint, or an identity and its issuer. */
const isSigner = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= longestText && /^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(value);

const isDigits = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{1,64}$/.test(value);

const states: readonly unknown[] = handlerStates;

/** A state that a newer release has: nothing is known of the handler then, and nothing is proven or failed by it. */
const stateOf = (value: unknown): HandlerState | undefined => {
  if (states.includes(value)) return value as HandlerState;
  return typeof value === 'string' && /^[a-z][a-z-]{0,31}$/.test(value) ? 'unknown' : undefined;
};

/** The version of the status annotation that this release writes and reads. */
const statusVersion = 1;

/** Whether the status annotation has a later version, of which nothing can be read here. */
export const isLaterStatus = (text: string | undefined): boolean => {
  if (text === undefined || text.length > longestStatus) return false;
  const { v } = fields(parseJson(text));
  return typeof v === 'number' && Number.isInteger(v) && v > statusVersion;
};

/**
 * Undefined for what is absent, damaged, longer than any node writes, or of a version that this one does not know. Only
 * known fields are copied: what else is there may be nested so deeply that comparing or printing it overflows the stack.
 */
export const parseDetail = (text: string | undefined): NodeDetail | undefined => {
  if (text === undefined || text.length > longestStatus) return undefined;
  const value = fields(parseJson(text));
  if (value.v !== statusVersion || !isFields(value.shims)) return undefined;
  const all = Object.entries(value.shims);
  if (all.length > mostHandlers) return undefined;
  const shims: Record<string, HandlerDetail> = {};
  for (const [handler, one] of all) {
    if (!isName(handler)) continue;
    const entry = entryOf(one);
    if (entry === undefined) return undefined;
    shims[handler] = entry;
  }
  const [machine, boot] = [textOf(value.machine), textOf(value.boot)];
  return {
    v: statusVersion,
    agent: textOf(value.agent) ?? '',
    runtime: textOf(value.runtime) ?? null,
    identity: textOf(value.identity) ?? '',
    since: textOf(value.since) ?? '',
    ...(machine === undefined ? {} : { machine }),
    ...(boot === undefined ? {} : { boot }),
    ...(value.trunc === true ? { trunc: true } : {}),
    shims,
  };
};

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= longestText ? value : undefined;

const fieldsOfEntry = {
  n: isName,
  r: isRevision,
  w: isRevision,
  a: isRevision,
  d: isDigits,
  g: isSigner,
  y: isDigits,
  t: isDigits,
  p: isCode,
};

const entryOf = (value: unknown): HandlerDetail | undefined => {
  const state = isFields(value) ? stateOf(value.s) : undefined;
  if (!isFields(value) || state === undefined) return undefined;
  const entry: Record<string, unknown> = { s: state };
  for (const [key, fits] of Object.entries(fieldsOfEntry)) {
    const given = value[key];
    if (fits(given)) entry[key] = key === 'p' ? presentCode(given) : given;
    else if (value[key] !== undefined) return undefined;
  }
  return entry as HandlerDetail;
};
