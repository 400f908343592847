/** Values of the controller's view with as little said of them as a test needs. */
import type { ClassFacts, NodeFacts, ShimFacts } from '../../controller/model/fleet.ts';
import { shimKey } from '../../controller/model/keys.ts';
import { selectorOf } from '../../controller/decide/shims/class-content.ts';
import type { HandlerDetail } from '../../protocol/node-annotations.ts';
import {
  approvedPrefix,
  parseRolloutLabels,
  printApproval,
  printTried,
  triedPrefix,
} from '../../protocol/node-labels.ts';

export const now = Date.parse('2027-01-15T08:00:00Z');
export const later = new Date(now + 600_000).toISOString();
export const before = new Date(now - 1000).toISOString();

/** Approvals that end at `until`, by Shim the revision; and past approvals, by Shim the revision and its result. */
export type Given = {
  readonly until?: string;
  readonly shims?: Readonly<Record<string, string>>;
  readonly tried?: Readonly<Record<string, { readonly revision: string; readonly outcome: string }>>;
};

export const rolloutLabels = ({
  until = later,
  shims = {},
  tried = {},
}: Given = {}): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(
    Object.entries(shims).map(([shim, revision]) => [
      `${approvedPrefix}${shim}`,
      printApproval({ revision, until: Date.parse(until) }),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(tried).map(([shim, one]) => [`${triedPrefix}${shim}`, printTried(one)]),
  ),
});

export const aNode = (
  name: string,
  shims: Readonly<Record<string, HandlerDetail>> = {},
  over: Partial<NodeFacts> & { readonly given?: Given } = {},
): NodeFacts => {
  const { given, labels: own = {}, ...rest } = over;
  const labels = { ...own, ...rolloutLabels(given) };
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: '1',
    labels,
    rollout: parseRolloutLabels(labels),
    ready: true,
    unreadySince: undefined,
    cordoned: false,
    kubeletSees: undefined,
    machine: 'same',
    state: 'Ready',
    detail: { shims },
    ...rest,
  };
};

export const aShim = (name: string, over: Partial<ShimFacts> = {}): ShimFacts => ({
  name,
  uid: `uid-${name}`,
  resourceVersion: '1',
  generation: 3,
  created: now - 1_000_000,
  deleting: false,
  finalizers: over.deleting ? ['rcm.spinkube.dev/finalizer'] : [],
  annotations: {},
  revision: 'r2',
  handler: name,
  runtimeClass: `class-${name}`,
  classSettings: undefined,
  nodeSelector: undefined,
  strategy: {},
  status: undefined,
  ...over,
});

export const aClass = (shim: ShimFacts, over: Partial<ClassFacts> = {}): ClassFacts => ({
  name: shim.runtimeClass,
  uid: `uid-class-${shim.name}`,
  resourceVersion: '1',
  deleting: false,
  handler: shim.handler,
  labels: { 'app.kubernetes.io/managed-by': 'rcm-node', [shimKey]: shim.name },
  nodeSelector: selectorOf(shim),
  owners: [{ kind: 'Shim', name: shim.name, uid: shim.uid }],
  settings: undefined,
  applied: shim.classSettings,
  holdsSettings: false,
  overwrittenBy: undefined,
  setBy: [],
  ...over,
});
