/** Values of the controller's view with as little said of them as a test needs. */
import type { ClassFacts, NodeFacts, ShimFacts } from '../../../controller/model/fleet.ts';
import { shimKey } from '../../../controller/model/marks.ts';
import { provenLabel } from '../../../controller/decide/proof.ts';
import { type Approval, type HandlerDetail, printApproval } from '../../../daemon/model/turn.ts';

export const now = Date.parse('2027-01-15T08:00:00Z');
export const later = new Date(now + 600_000).toISOString();
export const before = new Date(now - 1000).toISOString();

export const aNode = (
  name: string,
  shims: Readonly<Record<string, HandlerDetail>> = {},
  over: Partial<NodeFacts> & { readonly given?: Approval } = {},
): NodeFacts => {
  const { given, ...rest } = over;
  return {
    name,
    uid: `uid-${name}`,
    resourceVersion: '1',
    labels: {},
    ready: true,
    cordoned: false,
    kubeletSees: undefined,
    state: 'Ready',
    reason: 'Converged: it is',
    detail: { v: 1, agent: '1', runtime: null, identity: 'kubelet', since: before, shims },
    approvedText: given && printApproval(given),
    approval: given,
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
  finalizers: ['rcm.spinkube.dev/finalizer'],
  annotations: {},
  revision: 'r2',
  handler: name,
  runtimeClass: `class-${name}`,
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
  nodeSelector: { [provenLabel(shim.handler)]: 'served' },
  owners: [{ kind: 'Shim', name: shim.name, uid: shim.uid }],
  ...over,
});
