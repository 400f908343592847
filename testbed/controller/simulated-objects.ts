/** The objects of a cluster in memory, and what the controller's parsers read of them. */
import { classFacts } from '../../controller/model/class-facts.ts';
import { heldBy } from '../../controller/model/class-holders.ts';
import { type ClassSettings, together } from '../../controller/model/class-settings.ts';
import type { ClassUse, View } from '../../controller/model/fleet.ts';
import { fieldManager } from '../../controller/model/keys.ts';
import { nodeFacts } from '../../controller/model/node-facts.ts';
import { shimFacts } from '../../controller/model/shim-facts.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import type { SimulatedNode } from './simulated-node.ts';

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

export type SimulatedClass = {
  readonly name: string;
  readonly uid: string;
  readonly handler: string;
  labels: Record<string, string>;
  nodeSelector: Record<string, string>;
  owners: { kind: string; name: string; uid: string }[];
  /** What the controller applied for the Shim. */
  asked?: ClassSettings | undefined;
  /** What others set; no field of `asked`. */
  theirs?: ClassSettings | undefined;
};

/** As an API server keeps who applied what. */
const managedFieldsOf = (asked: ClassSettings | undefined): readonly object[] => {
  const { labels, amounts, tolerations } = heldBy(asked);
  const named = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [`f:${key}`, {}]));
  const fieldsV1 = {
    'f:metadata': { 'f:labels': named(labels) },
    ...(amounts.length === 0 ? {} : { 'f:overhead': { 'f:podFixed': named(amounts) } }),
    'f:scheduling': { 'f:nodeSelector': {}, ...(tolerations ? { 'f:tolerations': {} } : {}) },
  };
  return [{ manager: fieldManager, operation: 'Apply', fieldsV1 }];
};

const classObject = (one: SimulatedClass): object => {
  const { name, uid, handler, owners, nodeSelector } = one;
  const { labels, overhead, tolerations } = together(one.asked, one.theirs);
  return {
    metadata: {
      ...{ name, uid, resourceVersion: '1' },
      labels: { ...labels, ...one.labels },
      ownerReferences: owners,
      managedFields: managedFieldsOf(one.asked),
    },
    ...{ handler, overhead },
    scheduling: { nodeSelector, tolerations },
  };
};

export type SimulatedObjects = {
  readonly now: number;
  readonly nodes: ReadonlyMap<string, SimulatedNode>;
  readonly shims: ReadonlyMap<string, SimulatedShim>;
  readonly classes: ReadonlyMap<string, SimulatedClass>;
  readonly counted: ReadonlyMap<string, ClassUse>;
};

export const viewOf = ({ now, nodes, shims, classes, counted }: SimulatedObjects): View => ({
  now,
  nodes: [...nodes.values()].map((node) =>
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
  shims: [...shims.values()].map((shim) =>
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
  classes: [...classes.values()].map((one) => classFacts(classObject(one))),
  use: counted,
});
