import t from 'tap';
import { leaseBody, parseLease } from '../../../controller/model/lease.ts';

const body = (holder: string, former?: ReturnType<typeof parseLease>) =>
  leaseBody({
    ...{ name: 'l', namespace: 'ns', holder, former },
    durationMs: 15_000,
    now: Date.parse('2026-01-02T03:04:05.678Z'),
  }) as { readonly metadata: object; readonly spec: object };

t.test('a new Lease belongs to its first holder', async (t) => {
  t.same(body('me'), {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l', namespace: 'ns' },
    spec: {
      holderIdentity: 'me',
      leaseDurationSeconds: 15,
      renewTime: '2026-01-02T03:04:05.678000Z',
      acquireTime: '2026-01-02T03:04:05.678000Z',
      leaseTransitions: 1,
    },
  });
});

t.test('a renewal keeps its acquire time, a takeover is counted, a release has no holder', async (t) => {
  const former = parseLease({
    metadata: { resourceVersion: '7' },
    spec: {
      holderIdentity: 'me',
      leaseDurationSeconds: 15,
      renewTime: 'r',
      acquireTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: 4,
    },
  });
  t.match(former, { holder: 'me', durationMs: 15_000, renewed: 'r', transitions: 4, resourceVersion: '7' });
  t.match(body('me', former), {
    metadata: { resourceVersion: '7' },
    spec: { acquireTime: '2026-01-01T00:00:00.000000Z', leaseTransitions: 4 },
  });
  t.match(body('other', former), {
    spec: { holderIdentity: 'other', acquireTime: '2026-01-02T03:04:05.678000Z', leaseTransitions: 5 },
  });
  t.match(body('', former), { spec: { leaseDurationSeconds: 1, leaseTransitions: 4 } });
});

t.test('a Lease with invalid fields has no holder and no duration', async (t) => {
  for (const odd of [
    undefined,
    [],
    { spec: { holderIdentity: 1, leaseDurationSeconds: 'x', leaseTransitions: -1 } },
  ])
    t.match(parseLease(odd), { holder: '', durationMs: 0, transitions: 0, resourceVersion: '' });
});

t.test('no Lease is waited for longer than a minute', async (t) => {
  const of = (leaseDurationSeconds: number) => parseLease({ spec: { leaseDurationSeconds } }).durationMs;
  t.same([of(15), of(2_147_483_647)], [15_000, 60_000]);
});
