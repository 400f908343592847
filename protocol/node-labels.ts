/**
 * The labels by which the controller approves a revision for a node and keeps the result. They are below a domain
 * that NodeRestriction keeps from kubelets, so no node can approve itself, extend an approval, or remove a failure:
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
 */
import { digestOf } from './digest.ts';
import { presentCode } from './problem/former-codes.ts';
import type { Labels } from './shim-object.ts';
import { goneRevision } from './node-annotations.ts';

/** `<prefix><Shim>=<revision>.<epoch seconds of its end>`. */
export const approvedPrefix = 'approved.spinkube.node-restriction.kubernetes.io/';

/** `<prefix><Shim>=<revision>.<outcome>`: a former approval of this node. It allows nothing. */
export const triedPrefix = 'tried.spinkube.node-restriction.kubernetes.io/';

/** The lifetime of an approval: a restart of the runtime takes seconds, its proof and a rollback at most four minutes. */
export const approvalMs = 15 * 60_000;

/** The most that clocks of two machines of a cluster differ. */
export const slackMs = 60_000;

/** The revision that this node may install with a restart of its runtime, until an end in epoch milliseconds. */
export type Approval = { readonly revision: string; readonly until: number };

/** An approval that ended; `outcome` is the code of a problem, or one that the controller gives (controller/decide/rollout/node-standing.ts). */
export type Tried = { readonly revision: string; readonly outcome: string };

/** By the name in the label's key, which `labelNameOf` gives for a Shim. */
export type RolloutLabels = {
  readonly approved: Readonly<Record<string, Approval>>;
  readonly tried: Readonly<Record<string, Tried>>;
};

/** What the name in a label's key and a label's value may be long. */
const longest = 63;

/** A Shim's name may be longer than a label's may: then a digest stands for it. No Shim's name has an underscore. */
export const labelNameOf = (shim: string): string =>
  shim.length <= longest ? shim : `sha256_${digestOf(shim).slice(0, 40)}`;

/** A label's value cannot begin with the sign that stands for "no revision" elsewhere. */
const goneWord = 'gone';
const wordOf = (revision: string): string => (revision === goneRevision ? goneWord : revision);
const revisionIn = (word: string): string => (word === goneWord ? goneRevision : word);

export const printApproval = ({ revision, until }: Approval): string =>
  `${wordOf(revision)}.${Math.floor(until / 1000)}`;

export const printTried = ({ revision, outcome }: Tried): string =>
  `${wordOf(revision)}.${outcome}`.slice(0, longest).replace(/[^A-Za-z0-9]+$/, '');

/** Undefined for what is damaged: it approves nothing. */
export const parseApproval = (text: string | undefined): Approval | undefined => {
  const [, word, seconds] = /^([0-9a-z]{1,32})\.([0-9]{1,11})$/.exec(text ?? '') ?? [];
  if (word === undefined) return undefined;
  return { revision: revisionIn(word), until: Number(seconds) * 1000 };
};

export const parseTried = (text: string | undefined): Tried | undefined => {
  const [, word, outcome] = /^([0-9a-z]{1,32})\.([A-Za-z][A-Za-z0-9-]*)$/.exec(text ?? '') ?? [];
  return word === undefined || outcome === undefined
    ? undefined
    : { revision: revisionIn(word), outcome: presentCode(outcome) };
};

const none: RolloutLabels = { approved: {}, tried: {} };

/** Whether it is a label of one of these two kinds. */
export const isRolloutLabel = (key: string): boolean =>
  key.startsWith(approvedPrefix) || key.startsWith(triedPrefix);

/** All of one Node; what is damaged is left out. */
export const parseRolloutLabels = (labels: Labels): RolloutLabels => {
  // Fast path: almost all nodes, almost always.
  const keys = Object.keys(labels).filter(isRolloutLabel);
  if (keys.length === 0) return none;
  const read = <T>(prefix: string, parse: (text: string | undefined) => T | undefined): Record<string, T> =>
    Object.fromEntries(
      keys.flatMap((key) => {
        const value = key.startsWith(prefix) ? parse(labels[key]) : undefined;
        return value === undefined ? [] : [[key.slice(prefix.length), value] as const];
      }),
    );
  return { approved: read(approvedPrefix, parseApproval), tried: read(triedPrefix, parseTried) };
};

/** What one of these records says of a Shim. */
export const ofShim = <T>(all: Readonly<Record<string, T>>, shim: string): T | undefined => {
  const name = labelNameOf(shim);
  return Object.hasOwn(all, name) ? all[name] : undefined;
};
