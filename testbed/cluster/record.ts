/**
 * Every version of every Node from a moment on, in the order in which the API server had them: what happened in between two
 * looks of a test is in it too.
 */
import { parseDetail } from '../../protocol/node-annotations.ts';
import { ofShim, parseRolloutLabels } from '../../protocol/node-labels.ts';
import type { Cluster } from './cluster.ts';

type Version = {
  readonly type: string;
  readonly object: {
    readonly metadata: {
      readonly name: string;
      readonly resourceVersion: string;
      readonly annotations?: Readonly<Record<string, string>>;
      readonly labels?: Readonly<Record<string, string>>;
    };
  };
};

/** What one Node says of one Shim at one moment. */
export type RecordedApproval = {
  readonly node: string;
  /** The revision that it may take up. */
  readonly approved: string | undefined;
  /** The revision that it serves. */
  readonly serves: string | undefined;
  readonly failed: boolean;
};

/** The Nodes that were at work at one moment. */
export type Moment = {
  readonly inFlight: readonly string[];
  readonly approvals: ReadonlyMap<string, RecordedApproval>;
};

export type NodeRecord = {
  /** What became of one Shim, moment by moment. */
  of(shim: string): readonly Moment[];
  /** The same since this was called last for it. */
  sinceLast(shim: string): readonly Moment[];
};

const approvalOf = ({ object }: Version, shim: string): RecordedApproval => {
  const annotations = object.metadata.annotations ?? {};
  const detail = parseDetail(annotations['rcm.spinkube.dev/status']);
  const handler = Object.values(detail?.shims ?? {}).find(({ n }) => n === shim);
  return {
    node: object.metadata.name,
    approved: ofShim(parseRolloutLabels(object.metadata.labels ?? {}).approved, shim)?.revision,
    serves: handler?.r,
    failed:
      handler?.s === 'failed' ||
      ['RolledBack', 'Failed', 'Refused'].includes(annotations['rcm.spinkube.dev/state'] ?? ''),
  };
};

const isAtWork = ({ approved, serves, failed }: RecordedApproval): boolean =>
  approved !== undefined && approved !== serves && !failed;

/** Uses kubectl, so that the record does not depend on the code under test. */
export const recordNodes = async (cluster: Cluster): Promise<NodeRecord> => {
  const watch = cluster.program({
    name: 'record',
    argv: [
      ...[cluster.binary('kubectl'), '--kubeconfig', cluster.kubeconfig],
      ...['get', 'nodes', '--watch', '--output-watch-events', '-o', 'json'],
    ],
    isReady: async () => versions().length >= cluster.nodes.length,
  });
  /** One line each. */
  const versions = (): readonly Version[] =>
    watch
      .log()
      .split('\n')
      .filter((line) => line.endsWith('}')) // the last one may be half written
      .map((line) => JSON.parse(line) as Version);
  await watch.start();
  const seen = new Map<string, number>();
  const of: NodeRecord['of'] = (shim) => {
    const approvals = new Map<string, RecordedApproval>();
    return versions().map((version) => {
      const approval = approvalOf(version, shim);
      if (version.type === 'DELETED') approvals.delete(approval.node);
      else approvals.set(approval.node, approval);
      const inFlight = [...approvals.values()].filter(isAtWork).map(({ node }) => node);
      return { inFlight, approvals: new Map(approvals) };
    });
  };
  return {
    of,
    sinceLast: (shim) => {
      const all = of(shim);
      const part = all.slice(seen.get(shim) ?? 0);
      seen.set(shim, all.length);
      return part;
    },
  };
};

/** How many were at work at the same time at most. */
export const mostInFlight = (moments: readonly Moment[]): number =>
  Math.max(0, ...moments.map(({ inFlight }) => inFlight.length));

/** The Nodes in the order in which they went to work. */
export const orderOf = (moments: readonly Moment[]): readonly string[] => [
  ...new Set(moments.flatMap(({ inFlight }) => inFlight)),
];
