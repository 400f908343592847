/** What is known of a cluster that a node follows, as its report has it. */
import type { Reflector } from '../../kube/reflector.ts';
import type { Problem } from '../../protocol/problem/problem.ts';
import type { NodeObject, ShimObject } from '../../protocol/shim-object.ts';
import type { ClusterFacts } from '../model/outcome.ts';
import type { Identity } from './identity.ts';
import type { NodeWriter } from './node-writer.ts';
import type { View } from './shim-cache.ts';

export type Session = {
  readonly identity: Identity;
  readonly view: View;
  readonly nodes: Reflector<NodeObject>;
  readonly shims: Reflector<ShimObject>;
  readonly report: NodeWriter;
  /** What the cluster asks for was heard, or why it cannot be: from then on a tick is worth telling. */
  heard: boolean;
  /** `elapsed` since when the own Node cannot be seen for a reason that does not pass by itself. */
  denied: number | undefined;
};

export const factsOf = (
  identity: ClusterFacts['identity'],
  session: Session | undefined,
  trouble: Problem | undefined,
  controller: ClusterFacts['controller'],
): ClusterFacts => {
  const confirmed = session?.shims.current().confirmed;
  return {
    identity,
    node: session?.view.node ?? null,
    server: session?.view.api.server ?? null,
    state: trouble ? 'stale' : confirmed === undefined ? 'connecting' : 'synced',
    confirmed: confirmed === undefined ? null : new Date(confirmed).toISOString(),
    ...(trouble ? { problem: trouble } : {}),
    ...(controller === undefined ? {} : { controller }),
  };
};
