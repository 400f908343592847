/**
 * Controller and nodes of two releases: the decisions of this tree on what the builds of testbed/releases/table.ts write to a Node
 * and a Shim (testbed/releases/reports.ts), and on what a release one minor version newer could write there.
 */
import t from 'tap';
import { decideFleet } from '../../controller/decide/decide.ts';
import { nodeFacts } from '../../controller/model/node-facts.ts';
import { shimFacts } from '../../controller/model/shim-facts.ts';
import type { Decision } from '../../controller/model/fleet.ts';
import { parseClusterCache } from '../../daemon/model/cluster-cache.ts';
import { seeApprovals } from '../../daemon/model/rollout-wait.ts';
import { revisionOf } from '../../daemon/shims/revision.ts';
import { annotations, parseDetail, provenPrefix } from '../../protocol/node-annotations.ts';
import { approvalMs, approvedPrefix, parseApproval } from '../../protocol/node-labels.ts';
import { isHalted, type Labels, type ShimObject } from '../../protocol/shim-object.ts';
import {
  approval,
  approvedUntil,
  clusterFiles,
  type Moment,
  moments,
  revision,
} from '../../testbed/releases/reports.ts';

const nodeOf = ({ annotations: given, labels }: Pick<Moment, 'annotations' | 'labels'>): object => {
  const { machine, boot } = parseDetail(given[annotations.status]) ?? {};
  return {
    metadata: { name: 'node-a', uid: 'u', resourceVersion: '1', annotations: given, labels },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: { machineID: machine, bootID: boot },
    },
  };
};

/** What the controller of this tree does with one Node and its Shim. */
const decided = (moment: Moment, now: number): Decision =>
  decideFleet({
    now,
    nodes: [nodeFacts(nodeOf(moment), '0.1.0')],
    shims: [shimFacts(moment.shim)],
    classes: [],
    use: new Map(),
  });

const unpaused = (shim: ShimObject): ShimObject => {
  const { spec, status, ...rest } = shim;
  const rollout = { ...spec?.rolloutStrategy, paused: false };
  return { ...rest, spec: { ...spec, rolloutStrategy: rollout }, status: { conditions: status?.conditions } };
};

const now = approvedUntil - approvalMs + 1000;

const labelsOf = (decision: Decision): Readonly<Record<string, string | null>> =>
  Object.assign({}, ...decision.nodes.map(({ labels }) => labels));

/** The report of a node whose release is one minor version newer. */
const grown = (given: Labels): Labels => {
  const status = JSON.parse(given[annotations.status] ?? '') as { readonly shims: Record<string, object> };
  const shims = Object.entries(status.shims).map(([name, one]) => [name, { ...one, q: ['new', { at: 1 }] }]);
  const other = { s: 'half-served', n: 'of-a-newer-kind', p: 'of-a-newer-release', q: 1 };
  const text = JSON.stringify({
    ...{ ...status, agent: '0.2.0', capabilities: { prepared: 3 } },
    shims: { ...Object.fromEntries(shims), another: other },
  });
  return {
    ...given,
    [annotations.status]: text,
    [annotations.agent]: '0.2.0',
    [annotations.state]:
      given[annotations.state] === 'Ready' ? 'ReadyAndMore' : (given[annotations.state] ?? ''),
    'rcm.spinkube.dev/of-a-newer-release': 'x',
  };
};

const { waiting, approved, served } = moments;
const key = `${approvedPrefix}spin-v2`;

t.test('the revision of a Shim is the one that former builds computed', async (t) => {
  t.equal(revisionOf(served.shim), revision);
});

for (const [whose, reportOf] of [
  ['of its own release', (given: Labels) => given],
  ['of nodes that are one minor version newer', grown],
] as const)
  t.test(`this controller with reports ${whose}`, async (t) => {
    const at = (moment: Moment, shim = moment.shim) => ({
      annotations: reportOf(moment.annotations),
      labels: moment.labels,
      shim,
    });
    const first = decided(at(waiting, unpaused(waiting.shim)), now);
    t.equal(parseApproval(labelsOf(first)[key] ?? undefined)?.revision, revision, 'it approves what waits');
    t.equal(labelsOf(decided(at(waiting), now))[key], undefined, 'but not while it is paused');
    t.notOk(key in labelsOf(decided(at(approved), now)), 'an approval of the former controller stays');
    const last = decided(at(served), now);
    t.notOk(`${provenPrefix}spin-v2` in labelsOf(last), 'the proof stays');
    t.equal(last.statuses[0]?.status.nodesUpdated, 1);
    t.equal(last.statuses[0]?.status.rollout?.phase, 'Complete');
  });

t.test('a report of a later format is not approved, and does not lose its proof', async (t) => {
  const later = (moment: Moment): Moment => ({
    ...moment,
    annotations: { ...moment.annotations, [annotations.status]: '{"v":2,"shims":[]}' },
  });
  const first = decided({ ...later(waiting), shim: unpaused(waiting.shim) }, now);
  t.notOk(key in labelsOf(first));
  const progress = first.statuses[0]?.status.conditions.find(({ type }) => type === 'Progressing');
  t.match(progress?.message, /too new for this controller, and not done: node-a/);
  t.notOk(`${provenPrefix}spin-v2` in labelsOf(decided(later(served), now)));
});

t.test('a node takes the approval of a former controller, from the Node and from the file', async (t) => {
  const seen = seeApprovals({}, approved.labels, now, 0);
  t.equal(parseApproval(seen['spin-v2']?.value)?.revision, revision);
  t.ok(Date.parse(seen['spin-v2']?.until ?? '') > now);
  for (const file of clusterFiles)
    t.equal(parseClusterCache(file, '/c').approvals?.approved?.['spin-v2']?.value, approval);
  const more = { [`${approvedPrefix}other`]: `${revision}.1900000000.new`, [key]: approval };
  t.same(Object.keys(seeApprovals({}, more, now, 0)), ['spin-v2'], 'another form approves nothing');
});

t.test('a node reads a Shim with the status and the fields of a newer controller', async (t) => {
  const { shim } = served;
  const rollout = { ...shim.status?.rollout, phase: 'Verifying', waves: [1] };
  const newer = {
    ...shim,
    spec: { ...shim.spec, sandbox: { kind: 'x' } },
    status: { ...shim.status, rollout },
  };
  t.notOk(isHalted(newer as unknown as ShimObject));
  t.equal(
    revisionOf(newer as unknown as ShimObject),
    revision,
    'what it does not know changes nothing for it',
  );
});
