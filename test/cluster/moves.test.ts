import t from 'tap';
import { deniedSince, movesOf, type Standing } from '../../daemon/cluster/moves.ts';
import type { ClusterSettings } from '../../daemon/model/settings.ts';

const settings = { identity: 'kubelet' } as ClusterSettings;
const none = { identity: 'none' } as ClusterSettings;
const alone: Standing = {
  settings: undefined,
  hasSession: false,
  denied: undefined,
  isJoining: false,
  isClosed: false,
};
const joined: Standing = { ...alone, settings, hasSession: true };

t.test('a node joins once, and watches its cluster from then on', async (t) => {
  t.same(movesOf(alone, settings, 0), ['leave', 'adopt', 'join']);
  t.same(movesOf({ ...alone, settings, isJoining: true }, settings, 0), []);
  t.same(movesOf({ ...alone, settings }, settings, 0), ['join'], 'a join that failed is tried again');
  t.same(movesOf(joined, settings, 0), ['look']);
  t.same(movesOf(joined, { ...settings }, 0), ['look'], 'an equal object is no change');
});

t.test('unreadable settings change nothing', async (t) => {
  t.same(movesOf(alone, undefined, 0), []);
  t.same(movesOf(joined, undefined, 0), ['look']);
  t.same(movesOf({ ...alone, settings }, undefined, 0), ['join']);
});

t.test(
  'changed settings end the session first; without a cluster our annotations and labels are removed',
  async (t) => {
    const other = { ...settings, server: 'https://other' } as ClusterSettings;
    t.same(movesOf(joined, other, 0), ['leave', 'adopt', 'join']);
    t.same(movesOf(joined, none, 0), ['leave', 'withdraw', 'adopt']);
    t.same(movesOf({ ...alone, settings }, none, 0), ['leave', 'adopt'], 'no marks were written');
    t.same(movesOf({ ...joined, isJoining: true }, other, 0), ['leave', 'adopt']);
    t.same(movesOf({ ...alone, isClosed: true }, settings, 0), ['leave', 'adopt']);
  },
);

t.test('five minutes without permission, and the identity is determined again', async (t) => {
  const since = deniedSince(undefined, 'api-unauthorized', 1_000);
  t.equal(since, 1_000);
  t.equal(deniedSince(since, 'api-unauthorized', 200_000), 1_000);
  t.equal(deniedSince(since, 'api-unreachable', 200_000), undefined);
  t.equal(deniedSince(since, undefined, 200_000), undefined);
  t.same(movesOf({ ...joined, denied: since }, settings, 300_999), ['look']);
  t.same(movesOf({ ...joined, denied: since }, settings, 301_000), ['drop', 'join']);
});
