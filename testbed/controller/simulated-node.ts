/** A node that does what rcm-node does: takes up what it was approved for, fails, vanishes, comes back, and says so. */
import { selects } from '../../protocol/node-selector.ts';
import { goneRevision } from '../../protocol/node-annotations.ts';
import { ofShim, parseApproval } from '../../protocol/node-labels.ts';
import { leftOf, seeApprovals, type SeenApprovals } from '../../daemon/model/rollout-wait.ts';
import { claimedPrefix, nodeKeys } from '../../controller/model/keys.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';

type Installed = { readonly shim: string; readonly revision: string };

export type SimulatedNode = {
  readonly name: string;
  uid: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  ready: boolean;
  cordoned: boolean;
  /** Its rcm-node runs. */
  agent: boolean;
  /** Its kubelet lists handlers. */
  lists: boolean;
  /** What its clock is ahead of ours, in milliseconds. */
  skew: number;
  /** What it has seen of its approvals. */
  seen: SeenApprovals;
  installed: Map<string, Installed>;
  /** By Shim, the revision that failed here. */
  bad: Map<string, string>;
  /** Handlers that Pods use here. */
  used: Set<string>;
  /** Which revisions of which Shims fail on it. */
  fails: (shim: string, revision: string) => boolean;
  /** Restarts of its runtime, each with what it was for. */
  restarts: string[];
};

/** What a node reads of its cluster. */
type Asking = {
  readonly now: number;
  readonly shims: ReadonlyMap<
    string,
    {
      readonly name: string;
      readonly created: number;
      readonly deleting: boolean;
      readonly spec: NonNullable<ShimObject['spec']>;
    }
  >;
  revision(shim: string): string;
};

/** What a node writes of itself, true or not. */
export const say = (
  { annotations }: SimulatedNode,
  shims: object,
  state = 'Ready',
  more: object = {},
): void => {
  annotations[nodeKeys.state] = state;
  annotations[nodeKeys.status] = JSON.stringify({
    v: 1,
    agent: '0.2.0',
    runtime: 'containerd/2.1',
    identity: 'kubelet',
    since: '2027-01-15T08:00:00Z',
    ...more,
    shims,
  });
};

/** One tick of one node: the check for approval, at most one restart, and its report. */
export const tick = (node: SimulatedNode, cluster: Asking): void => {
  if (!node.agent || !node.ready) return;
  const clock = cluster.now + node.skew;
  node.seen = seeApprovals(node.seen, node.labels, clock, node.skew);
  const isApproved = (shim: string, revision: string): boolean => {
    const own = ofShim(node.seen, shim);
    return own !== undefined && leftOf(own, clock) > 0 && parseApproval(own.value)?.revision === revision;
  };
  const asked = new Map<string, { shim: string; revision: string }>();
  for (const shim of [...cluster.shims.values()].sort((a, b) => a.created - b.created)) {
    const handler = shim.spec.runtimeClass?.handler ?? shim.name;
    if (shim.deleting || asked.has(handler) || !selects(shim.spec.nodeSelector, node.labels)) continue;
    asked.set(handler, { shim: shim.name, revision: cluster.revision(shim.name) });
  }
  const revisionHere = (shim: string): string =>
    [...asked.values()].find((one) => one.shim === shim)?.revision ?? goneRevision;
  const entries: Record<string, Record<string, string>> = {};
  const taken: (() => void)[] = [];
  const why: string[] = [];
  const bad: [string, string][] = [];
  for (const [handler, { shim, revision }] of asked) {
    const has = node.installed.get(handler);
    if (has?.shim === shim && has.revision === revision) continue;
    if (node.bad.get(shim) === revision || !isApproved(shim, revision)) continue;
    why.push(`${shim}=${revision}`);
    if (node.fails(shim, revision)) bad.push([shim, revision]);
    else taken.push(() => node.installed.set(handler, { shim, revision }));
  }
  for (const [handler, has] of node.installed) {
    if (asked.has(handler) || !isApproved(has.shim, revisionHere(has.shim)) || node.used.has(handler))
      continue;
    const revision = revisionHere(has.shim);
    why.push(`${has.shim}=${revision}`);
    if (node.fails(has.shim, revision)) bad.push([has.shim, revision]);
    else taken.push(() => node.installed.delete(handler));
  }
  if (why.length > 0) node.restarts.push(why.join(' '));
  let state = 'Ready';
  if (bad.length > 0) {
    // All that was in the undone change failed.
    for (const one of why) {
      const [shim = '', revision = ''] = one.split('=');
      node.bad.set(shim, revision);
    }
    state = 'RolledBack';
  } else for (const take of taken) take();
  for (const [handler, { shim, revision }] of asked) {
    const has = node.installed.get(handler);
    const own = has?.shim === shim;
    const isBad = node.bad.get(shim) === revision;
    const isDone = own && has.revision === revision;
    const waits = !isDone && !isBad && !isApproved(shim, revision);
    entries[handler] = {
      s: isDone ? 'served' : isBad ? 'failed' : 'pending',
      n: shim,
      a: revision,
      ...(own ? { r: has.revision } : {}),
      ...(waits ? { w: revision, p: 'rollout-pending' } : isBad ? { p: 'known-bad' } : {}),
    };
    if (isBad && state === 'Ready') state = 'Degraded';
  }
  for (const [handler, has] of node.installed) {
    if (asked.has(handler)) continue;
    const revision = revisionHere(has.shim);
    const waits = !isApproved(has.shim, revision);
    entries[handler] = {
      s: 'removing',
      n: has.shim,
      r: has.revision,
      ...(node.bad.get(has.shim) === revision
        ? { p: 'known-bad' }
        : {
            ...(waits ? { w: revision, p: 'rollout-pending' } : {}),
            ...(node.used.has(handler) ? { p: 'handler-in-use' } : {}),
          }),
    };
  }
  say(node, entries, state);
  for (const key of Object.keys(node.labels)) if (key.startsWith(claimedPrefix)) delete node.labels[key];
  for (const [handler, entry] of Object.entries(entries))
    if (entry.s === 'served') node.labels[`${claimedPrefix}${handler}`] = 'served';
};
