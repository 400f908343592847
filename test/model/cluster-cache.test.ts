import t from 'tap';
import { parseClusterCache, printClusterCache, trimShim } from '../../daemon/model/cluster-cache.ts';
import type { ShimObject } from '../../protocol/shim-object.ts';
import { problemOf } from '../../protocol/problem/problem.ts';

const file = '/var/lib/rcm-node/cluster.json';
const answer = {
  version: 1,
  node: 'n',
  shims: [{ metadata: { name: 'spin' }, spec: { nodeSelector: { a: 'b' } } }],
} as const;

t.test('an answer survives the disk', async (t) => {
  const approvals = {
    approved: { spin: { value: 'r.1', until: '2027-01-15T08:00:00.000Z' } },
    alone: { spin: { revision: 'r', at: '2027-01-15T08:00:00.000Z' } },
  };
  for (const one of [answer, { ...answer, away: true } as const, { ...answer, approvals }])
    t.same(parseClusterCache(printClusterCache(one), file), one);
  const former = JSON.stringify({ ...answer, turns: approvals });
  t.same(parseClusterCache(former, file), { ...answer, approvals }, 'as an earlier release wrote them');
});

t.test('damaged approvals count as unknown, and the Shims stay', async (t) => {
  const text = JSON.stringify({ ...answer, approvals: { approved: 1, controller: 'x' } });
  t.same(parseClusterCache(text, file), answer);
});

t.test('a partial cache, or one of a newer version, counts as none', async (t) => {
  const code = (text: string) => {
    try {
      parseClusterCache(text, file);
    } catch (error) {
      const { code, where } = problemOf(error);
      return [code, where?.file];
    }
    return 'no error';
  };
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"version":1}',
    '{"version":1,"node":"n","shims":[{}]}',
    '{"version":1,"node":1,"shims":[]}',
  ])
    t.same(code(text), ['state-damaged', file], text);
  t.same(code('{"version":2,"node":"n","shims":[]}'), ['state-newer', file]);
});

t.test('changes of status and of foreign fields do not write the cache again', async (t) => {
  const given = {
    metadata: {
      name: 'spin',
      uid: 'u',
      resourceVersion: '7',
      creationTimestamp: '2027-01-01T00:00:00Z',
      annotations: { a: 'b' },
      managedFields: [],
    },
    spec: {},
    status: { nodes: 3 },
  };
  t.same(trimShim(given), {
    metadata: { name: 'spin', uid: 'u', creationTimestamp: '2027-01-01T00:00:00Z' },
    spec: {},
  });
});

t.test(
  'how far a rollout is concerns no node; that it is stopped does, also without a controller',
  async (t) => {
    const of = (phase: string) => ({
      metadata: { name: 'spin' },
      status: { nodes: 3, rollout: { revision: 'r', phase, since: 's', stoppedBy: ['a'] } },
    });
    for (const phase of ['Rolling', 'Paused', 'Complete'])
      t.same(trimShim(of(phase) as ShimObject), { metadata: { name: 'spin' } });
    for (const phase of ['Stopped', 'Refused'])
      t.same(trimShim(of(phase) as ShimObject), {
        metadata: { name: 'spin' },
        status: { rollout: { revision: 'r', phase, since: 's' } },
      });
  },
);

t.test('the slot of a Shim that asks for one is kept', async (t) => {
  const metadata = { name: 'spin' };
  const spec = { rolloutStrategy: { scope: 'no-restart' as const } };
  const status = { slot: 'slot-1', nodes: 3 };
  t.same(trimShim({ metadata, spec, status }), { metadata, spec, status: { slot: 'slot-1' } });
  t.same(trimShim({ metadata, spec: {}, status }), { metadata, spec: {} });
  t.same(trimShim({ metadata, spec, status: { slot: 'runc' } }), { metadata, spec });
});
