/** What the report says about the node's cluster. */
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
  /** The Shims were read, or the reason why not is known: from then on ticks are reported. */
  heard: boolean;
  /** The `elapsed` since which the own Node cannot be read, for a reason that a person has to remove. */
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
