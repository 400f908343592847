/**
 * A cluster in memory, as API objects, with nodes that do what rcm-node does. What is decided is written into it; what is
 * read out of it is read by the real parsers.
 */
import { heldBy, partOf } from '../../controller/model/class-holders.ts';
import type { ClassUse, Decision, View } from '../../controller/model/fleet.ts';
import { shimKey, waitKey } from '../../controller/model/keys.ts';
import { selectorOf } from '../../controller/decide/shims/class-content.ts';
import { revisionOf } from '../../daemon/shims/revision.ts';
import { say, type SimulatedNode, tick } from './simulated-node.ts';
import { type ShimSpec, type SimulatedClass, type SimulatedShim, viewOf } from './simulated-objects.ts';

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
    return viewOf(this);
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
    const { name, shim, settings } = change;
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
      asked: shim.classSettings,
      theirs: partOf((present ? present.theirs : settings) ?? {}, heldBy(shim.classSettings), 'rest'),
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
  readonly say = say;

  tick(node: SimulatedNode): void {
    tick(node, this);
  }
}
