import t from 'tap';
import { recordOf } from '../../bench/rollout/rollout-record.ts';
import { annotations } from '../../protocol/node-annotations.ts';
import type { NodeObject } from '../../protocol/shim-object.ts';
import { approvedPrefix, printApproval } from '../../protocol/node-labels.ts';

const revision = '0123456789abcdef';
const rollout = { shim: 'spin', handler: 'spin-v2', revision };

const node = (
  name: string,
  given: {
    readonly approved?: string;
    readonly forMs?: number;
    readonly serves?: string;
    readonly zone?: string;
    readonly state?: string;
    readonly proven?: true;
  },
): NodeObject => {
  const { approved, forMs = 60_000, serves, zone = 'a', state = 'Ready', proven } = given;
  const until = Date.now() + forMs;
  const entry = { s: 'served', n: 'spin', ...(serves ? { r: serves } : {}) };
  return {
    metadata: {
      name,
      labels: {
        'topology.kubernetes.io/zone': zone,
        ...(approved ? { [`${approvedPrefix}spin`]: printApproval({ until, revision: approved }) } : {}),
        ...(proven ? { 'spinkube.node-restriction.kubernetes.io/spin-v2': 'served' } : {}),
      },
      annotations: {
        [annotations.state]: state,
        [annotations.status]: JSON.stringify({ v: 1, shims: { 'spin-v2': entry } }),
      },
    },
  };
};

t.test('nodes count as in flight from the approval until they serve', async (t) => {
  const record = recordOf(rollout);
  record.see(node('one', { approved: revision }));
  record.see(node('one', { approved: revision, serves: revision }));
  record.see(node('two', { approved: revision }));
  record.see(node('three', { approved: revision, zone: 'b' }));
  record.see(node('two', { serves: revision, proven: true }));
  t.match(record.verdict(), {
    ...{ atOnce: 2, beforeFirst: 1, zonesAtOnce: 2, unapproved: 0 },
    ...{ approved: 3, serving: 2, proven: 1, failed: 0 },
  });
});

t.test('an approval before the first node has finished is reported', async (t) => {
  const record = recordOf(rollout);
  record.see(node('one', { approved: revision }));
  record.see(node('two', { approved: revision }));
  t.equal(record.verdict().beforeFirst, 2);
});

t.test('an expired approval, or one of another revision, does not count', async (t) => {
  const record = recordOf(rollout);
  record.see(node('one', { approved: revision, forMs: -1 }));
  record.see(node('two', { approved: 'fedcba9876543210' }));
  t.match(record.verdict(), { atOnce: 0, approved: 0 });
});

t.test('a node that changes without an approval is reported', async (t) => {
  const record = recordOf(rollout);
  record.see(node('one', { serves: revision }));
  t.equal(record.verdict().unapproved, 1);
});

t.test('a failed node is no longer in flight', async (t) => {
  const record = recordOf(rollout);
  record.see(node('one', { approved: revision, state: 'RolledBack' }));
  t.match(record.verdict(), { atOnce: 0, failed: 1 });
});
