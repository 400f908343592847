/**
 * A cluster in memory, as API objects, with nodes that do what rcm-node does: take up what they were approved for, fail,
 * vanish, come back. What is decided is written into it; what is read out of it is read by the real parsers.
 */
import { selects } from '../../protocol/node-selector.ts';
import { goneRevision } from '../../protocol/node-annotations.ts';
import { revisionOf } from '../../daemon/shims/revision.ts';
import { ofShim, parseApproval } from '../../protocol/node-labels.ts';
import { leftOf, seeApprovals, type SeenApprovals } from '../../daemon/model/rollout-wait.ts';
import { classFacts } from '../../controller/model/class-facts.ts';
import type { ClassUse, Decision, View } from '../../controller/model/fleet.ts';
import { claimedPrefix, nodeKeys, shimKey, waitKey } from '../../controller/model/keys.ts';
import { nodeFacts } from '../../controller/model/node-facts.ts';
import { shimFacts } from '../../controller/model/shim-facts.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { selectorOf } from '../../controller/decide/shims/class-content.ts';

/** Numbers that look like chance and are the same in every run: mulberry32. */
export const chance = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
};

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

export type ShimSpec = NonNullable<ShimObject['spec']> & { readonly [other: string]: unknown };

export type SimulatedShim = {
  readonly name: string;
  readonly uid: string;
  generation: number;
  created: number;
  deleting: boolean;
  finalizers: string[];
  annotations: Record<string, string>;
  spec: ShimSpec;
  status: unknown;
};

type SimulatedClass = {
  readonly name: string;
  readonly uid: string;
  readonly handler: string;
  labels: Record<string, string>;
  nodeSelector: Record<string, string>;
  owners: { kind: string; name: string; uid: string }[];
};

export class SimulatedCluster {
  now = Date.parse('2027-01-15T08:00:00Z');
  nodes = new Map<string, SimulatedNode>();
  shims = new Map<string, SimulatedShim>();
  classes = new Map<string, SimulatedClass>();
  /** Pods by RuntimeClass. */
  pods = new Map<string, number>();
  counted = new Map<string, ClassUse>();
  #serial = 0;

  #next(what: string): string {
    this.#serial++;
    return `${what}-${this.#serial}`;
  }

  addNode(name: string, over: Partial<SimulatedNode> = {}): SimulatedNode {
    const node: SimulatedNode = {
      name,
      uid: this.#next('node'),
      labels: {},
      annotations: {},
      ready: true,
      cordoned: false,
      agent: true,
      lists: true,
      skew: 0,
      seen: {},
      installed: new Map(),
      bad: new Map(),
      used: new Set(),
      fails: () => false,
      restarts: [],
      ...over,
    };
    this.nodes.set(name, node);
    return node;
  }

  addShim(name: string, spec: Partial<ShimSpec> = {}, waits = false): SimulatedShim {
    const shim: SimulatedShim = {
      name,
      uid: this.#next('shim'),
      generation: 1,
      created: this.now,
      deleting: false,
      finalizers: [],
      annotations: waits ? { [waitKey]: 'true' } : {},
      spec: { runtimeClass: { name: `class-${name}`, handler: name }, version: 1, ...spec },
      status: undefined,
    };
    this.shims.set(name, shim);
    return shim;
  }

  addClass(name: string, over: Partial<SimulatedClass> = {}): SimulatedClass {
    const one: SimulatedClass = {
      name,
      uid: this.#next('class'),
      handler: 'other',
      labels: {},
      nodeSelector: {},
      owners: [],
      ...over,
    };
    this.classes.set(name, one);
    return one;
  }

  changeShim(name: string, spec: Partial<ShimSpec>): void {
    const shim = this.shims.get(name)!;
    shim.spec = { ...shim.spec, ...spec };
    shim.generation++;
  }

  /** As the API server does: gone at once where nothing holds it. */
  deleteShim(name: string): void {
    const shim = this.shims.get(name);
    if (!shim) return;
    shim.deleting = true;
    this.#collect();
  }

  revision(name: string): string {
    const { spec } = this.shims.get(name)!;
    return revisionOf({ metadata: { name }, spec });
  }

  view(): View {
    return {
      now: this.now,
      nodes: [...this.nodes.values()].map((node) =>
        nodeFacts({
          metadata: {
            name: node.name,
            uid: node.uid,
            resourceVersion: '1',
            labels: { ...node.labels },
            annotations: { ...node.annotations },
          },
          spec: node.cordoned ? { unschedulable: true } : {},
          status: {
            conditions: [{ type: 'Ready', status: node.ready ? 'True' : 'Unknown' }],
            ...(node.lists
              ? { runtimeHandlers: [{ name: '' }, ...[...node.installed.keys()].map((name) => ({ name }))] }
              : {}),
          },
        }),
      ),
      shims: [...this.shims.values()].map((shim) =>
        shimFacts({
          metadata: {
            name: shim.name,
            uid: shim.uid,
            resourceVersion: '1',
            generation: shim.generation,
            creationTimestamp: new Date(shim.created).toISOString(),
            ...(shim.deleting ? { deletionTimestamp: '2027-01-15T09:00:00Z' } : {}),
            finalizers: shim.finalizers,
            annotations: shim.annotations,
          },
          spec: shim.spec,
          ...(shim.status === undefined ? {} : { status: structuredClone(shim.status) }),
        }),
      ),
      classes: [...this.classes.values()].map((one) =>
        classFacts({
          metadata: {
            name: one.name,
            uid: one.uid,
            resourceVersion: '1',
            labels: one.labels,
            ownerReferences: one.owners,
          },
          handler: one.handler,
          scheduling: { nodeSelector: one.nodeSelector },
        }),
      ),
      use: this.counted,
    };
  }

  /** Writes as the controller does; with `survives`, it is killed before the first write for which that says no. */
  carryOut(decision: Decision, survives: () => boolean = () => true): void {
    const writes: (() => void)[] = [
      ...decision.finalizers.filter(({ shim }) => !shim.deleting).map((one) => () => this.#finalize(one)),
      ...decision.classes.map((one) => () => this.#writeClass(one)),
      ...decision.nodes.map((one) => () => this.#patch(one)),
      ...decision.statuses.map(({ shim, status }) => () => {
        const own = this.shims.get(shim.name);
        if (own) own.status = structuredClone(status);
      }),
      ...decision.finalizers.filter(({ shim }) => shim.deleting).map((one) => () => this.#finalize(one)),
    ];
    for (const write of writes) {
      if (!survives()) return;
      write();
    }
    this.#collect();
    for (const name of decision.count)
      this.counted.set(name, { at: this.now, pods: this.pods.get(name) ?? 0, examples: [] });
  }

  #finalize({ shim, finalizers }: Decision['finalizers'][number]): void {
    const own = this.shims.get(shim.name);
    if (own) own.finalizers = [...finalizers];
    this.#collect();
  }

  #writeClass(change: Decision['classes'][number]): void {
    if (change.kind === 'delete') {
      const present = this.classes.get(change.class.name);
      if (present?.uid === change.class.uid) this.classes.delete(change.class.name);
      return;
    }
    const { name, shim } = change;
    const present = this.classes.get(name);
    if (present && present.handler !== shim.handler)
      throw new Error('the handler of a RuntimeClass is immutable');
    this.classes.set(name, {
      name,
      uid: present?.uid ?? this.#next('class'),
      handler: shim.handler,
      labels: { ...present?.labels, 'app.kubernetes.io/managed-by': 'rcm-node', [shimKey]: shim.name },
      nodeSelector: { ...selectorOf(shim) },
      owners: [{ kind: 'Shim', name: shim.name, uid: shim.uid }],
    });
  }

  #patch({ node, labels }: Decision['nodes'][number]): void {
    const own = this.nodes.get(node);
    if (!own) return;
    for (const [key, value] of Object.entries(labels))
      if (value === null) delete own.labels[key];
      else own.labels[key] = value;
  }

  #collect(): void {
    for (const shim of [...this.shims.values()])
      if (shim.deleting && shim.finalizers.length === 0) this.shims.delete(shim.name);
    const uids = new Set([...this.shims.values()].map(({ uid }) => uid));
    for (const one of [...this.classes.values()])
      if (one.owners.length > 0 && !one.owners.some(({ uid }) => uids.has(uid)))
        this.classes.delete(one.name);
  }

  /** What a node writes of itself, true or not. */
  say({ annotations }: SimulatedNode, shims: object, state = 'Ready', more: object = {}): void {
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
  }

  /** One tick of one node: the check for approval, at most one restart, and its report. */
  tick(node: SimulatedNode): void {
    if (!node.agent || !node.ready) return;
    const clock = this.now + node.skew;
    node.seen = seeApprovals(node.seen, node.labels, clock, node.skew);
    const isApproved = (shim: string, revision: string): boolean => {
      const own = ofShim(node.seen, shim);
      return own !== undefined && leftOf(own, clock) > 0 && parseApproval(own.value)?.revision === revision;
    };
    const asked = new Map<string, { shim: string; revision: string }>();
    for (const shim of [...this.shims.values()].sort((a, b) => a.created - b.created)) {
      const handler = shim.spec.runtimeClass?.handler ?? shim.name;
      if (shim.deleting || asked.has(handler) || !selects(shim.spec.nodeSelector, node.labels)) continue;
      asked.set(handler, { shim: shim.name, revision: this.revision(shim.name) });
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
    this.say(node, entries, state);
    for (const key of Object.keys(node.labels)) if (key.startsWith(claimedPrefix)) delete node.labels[key];
    for (const [handler, entry] of Object.entries(entries))
      if (entry.s === 'served') node.labels[`${claimedPrefix}${handler}`] = 'served';
  }
}
