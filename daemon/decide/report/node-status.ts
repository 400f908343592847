/**
 * The status on the Node object: annotations for people and controllers, a label for each served handler for schedulers.
 * Pure: from a report and the present Node to a patch, or to none if nothing changed.
 */
import { fields, parseJson } from '../../../protocol/json.ts';
import type { Handler } from '../../model/desired.ts';
import type { Report } from '../../model/outcome.ts';
import { hintLead, hintOf, printProblem } from '../../../protocol/problem/problem.ts';
import { annotations, servedPrefix } from '../../../protocol/node-annotations.ts';
import { detail, type StatusInput } from './node-detail.ts';
import { canonical, digestOf } from '../../../protocol/digest.ts';
import type { Labels, Metadata } from '../../../protocol/shim-object.ts';
import { headline, troubles } from './summary.ts';

/** Values of the labels of runtime-class-manager. It leaves `uninstall` where its removal Job failed; rcm-node never sets that. */
const legacyValues = ['provisioned', 'pending', 'failed', 'uninstall'] as const;

/** The limit of Kubernetes for all annotations of an object together is 256 KiB. */
const reasonBytes = 512;

export type NodeStatus = {
  readonly annotations: Labels;
  readonly labels: Labels;
};

/** No status: what an uninstall leaves. */
export const noStatus: NodeStatus = { annotations: {}, labels: {} };

/** 16 hex digits of the meaning of a set of handlers, whatever their source and order, and whatever this node requires of them. */
export const hashOf = (handlers: readonly Handler[]): string =>
  digestOf(
    canonical(
      [...handlers]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ where: _where, order: _order, artifact: { signed: _signed, ...artifact }, ...meaning }) => ({
          ...meaning,
          artifact,
        })),
    ),
  ).slice(0, 16);

export const stateOf = (report: Report): string => {
  const { outcome } = report;
  switch (outcome.kind) {
    case 'converged':
      return 'Ready';
    case 'waiting':
      return 'Waiting';
    case 'degraded':
      return 'Degraded';
    case 'failed':
      return outcome.undone ? 'RolledBack' : 'Failed';
    case 'refused':
      return 'Refused';
  }
};

/** Without the state of the cluster session: on the Node it would be out of date when it is read. */
export const onNode = (report: Report): string => headline({ ...report, cluster: null });

/** For an Event, which has room for what to do about the first problem. */
export const eventText = (report: Report): string => {
  const [first] = troubles(report.outcome);
  return first ? `${onNode(report)}; ${hintLead}${hintOf(first)}` : onNode(report);
};

/** As Kubernetes writes reasons. */
export const camel = (code: string): string =>
  code.replace(/(?:^|-)([a-z])/g, (_all, letter: string) => letter.toUpperCase());

const reasonOf = (report: Report): string => {
  const [first] = troubles(report.outcome);
  const text = first ? `${camel(first.code)}: ${printProblem(first)}` : `Converged: ${onNode(report)}`;
  return cut(text, reasonBytes);
};

/** Whole characters only: the API rejects invalid UTF-8. */
const cut = (text: string, bytes: number): string => {
  if (Buffer.byteLength(text) <= bytes) return text;
  return `${new TextDecoder().decode(Buffer.from(text).subarray(0, bytes - 6)).replace(/\ufffd+$/, '')}…`;
};

const isServed = (given: StatusInput, name: string): boolean => {
  const state = given.report.handlers.find((one) => one.name === name)?.state;
  // A handler that is being removed must attract no new Pods.
  if (state === undefined || state === 'removing') return false;
  if (given.serves === 'unknown') return state === 'served';
  return name in given.installed && given.serves.includes(name);
};

export const statusOf = (given: StatusInput, since: string): NodeStatus => {
  const { report, desired, installed } = given;
  const served = report.handlers.map((one) => one.name).filter((name) => isServed(given, name));
  const applied = report.handlers.flatMap(({ name, state }) =>
    state === 'served' && installed[name] ? [installed[name].handler] : [],
  );
  const legacy = given.legacyLabels ? legacyLabels(report, desired) : {};
  const names = Object.keys(legacy).sort();
  return {
    annotations: {
      [annotations.state]: stateOf(report),
      [annotations.reason]: reasonOf(report),
      [annotations.desired]: hashOf(desired),
      [annotations.applied]: hashOf(applied),
      [annotations.agent]: report.agent,
      [annotations.status]: detail(given, since),
      ...(names.length > 0 ? { [annotations.legacy]: names.join(',') } : {}),
    },
    labels: { ...legacy, ...Object.fromEntries(served.map((name) => [`${servedPrefix}${name}`, 'served'])) },
  };
};

/** A label key must be valid for the API; an invalid one was never a label of runtime-class-manager. */
const legacyLabels = (report: Report, desired: readonly Handler[]): Labels => {
  const words = {
    served: 'provisioned',
    prepared: 'pending',
    written: 'pending',
    unknown: 'pending',
    pending: 'pending',
    removing: 'pending',
    failed: 'failed',
    refused: 'failed',
  } as const;
  return Object.fromEntries(
    desired.flatMap((handler) => {
      const state = report.handlers.find((one) => one.name === handler.name)?.state;
      return state && isLabelName(handler.shim) ? [[handler.shim, words[state]] as const] : [];
    }),
  );
};

const isLabelName = (name: string): boolean => /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/.test(name);

/** The time of the last transition: while the state is the same, the time on the Node, so that nothing is written. */
export const sinceOf = (metadata: Metadata, report: Report): string => {
  if (metadata.annotations?.[annotations.state] === stateOf(report)) {
    // Another writer may have changed it, or it was never written: write it again.
    const { since } = fields(parseJson(metadata.annotations[annotations.status] ?? ''));
    if (typeof since === 'string') return since;
  }
  return report.at;
};

type Patch = {
  readonly metadata: {
    readonly annotations?: Readonly<Record<string, string | null>>;
    readonly labels?: Readonly<Record<string, string | null>>;
  };
};

/**
 * A merge patch of our own keys, or undefined if they are up to date. `everywhere`: this identity may also change labels
 * without our prefix; otherwise such labels stay, with their annotation, for an identity that may.
 */
export const patchOf = (metadata: Metadata, wanted: NodeStatus, everywhere = true): Patch | undefined => {
  const present = metadata.annotations ?? {};
  const set = changes(
    present,
    keepReason(present, wanted.annotations),
    Object.values(annotations).filter((key) => key in present && (everywhere || key !== annotations.legacy)),
  );
  const labels = metadata.labels ?? {};
  const isLegacy = (key: string): boolean =>
    everywhere && (legacyValues as readonly (string | undefined)[]).includes(labels[key]);
  // A Shim may have the name of a label that another program uses.
  const may = Object.entries(wanted.labels).filter(
    ([key]) => key.startsWith(servedPrefix) || (everywhere && !(key in labels)) || isLegacy(key),
  );
  const legacy = (present[annotations.legacy] ?? '').split(',').filter(isLegacy);
  const mark = changes(labels, Object.fromEntries(may), [
    ...Object.keys(labels).filter((key) => key.startsWith(servedPrefix)),
    ...legacy,
  ]);
  if (!set && !mark) return undefined;
  return { metadata: { ...(set ? { annotations: set } : {}), ...(mark ? { labels: mark } : {}) } };
};

const changes = (
  present: Labels,
  wanted: Labels,
  ours: readonly string[],
): Readonly<Record<string, string | null>> | undefined => {
  const set = Object.entries(wanted).filter(([key, value]) => present[key] !== value);
  const gone = ours.filter((key) => !(key in wanted)).map((key) => [key, null] as const);
  return set.length + gone.length === 0 ? undefined : Object.fromEntries([...set, ...gone]);
};

/**
 * The text after a reason may have a count or a time. If nothing else changed, it is no transition: fifteen thousand nodes that
 * write each attempt would load the API server.
 */
const keepReason = (present: Labels, wanted: Labels): Labels => {
  const head = (labels: Labels): string => (labels[annotations.reason] ?? '').split(':', 1)[0] ?? '';
  const same = Object.values(annotations).every(
    (key) => key === annotations.reason || present[key] === wanted[key],
  );
  const reason = present[annotations.reason];
  return same && reason !== undefined && head(present) === head(wanted)
    ? { ...wanted, [annotations.reason]: reason }
    : wanted;
};
