import t from 'tap';
import type { Account } from '../../bench/cluster/account.ts';
import { clusterRows, type Phase } from '../../bench/cluster/cluster-rows.ts';
import { isMissed } from '../../bench/row.ts';

const nothing: Account = {
  seconds: 60,
  asked: {},
  total: 0,
  requests: [],
  refused: {},
  peak: 0,
  last: 0,
  wire: { read: 0, written: 0 },
  watched: { nodes: 1 },
  events: { nodes: 1 },
  cpu: { apiserver: 1.2, etcd: 0, fleet: 0 },
  residentMb: 300,
};

const calm: Record<Phase, Account> = {
  baseline: nothing,
  beatsAlone: nothing,
  start: nothing,
  idle: nothing,
  beats: nothing,
  change: nothing,
  relabel: { ...nothing, total: 20 },
  deletion: nothing,
  restart: nothing,
};

const rowsOf = (changed: Partial<Record<Phase, Partial<Account>>>) => {
  const accounts = { ...calm };
  for (const [phase, part] of Object.entries(changed) as [Phase, Partial<Account>][])
    accounts[phase] = { ...accounts[phase], ...part };
  return clusterRows({ accounts, nodes: 100, relabelled: 10, processes: 2 });
};
const missed = (changed: Partial<Record<Phase, Partial<Account>>>): readonly string[] =>
  rowsOf(changed)
    .filter(isMissed)
    .map(({ what }) => what);

t.test('nodes that ask for nothing keep every limit', async (t) => {
  t.same(missed({}), []);
});

t.test('a single write to a Node in steady state is one too many', async (t) => {
  const asked = { 'PATCH nodes': 1, 'WATCH nodes': 3 };
  t.same(missed({ beats: { asked } }), ['writes of 100 nodes in step']);
});

t.test('what is asked is shared among the nodes, and over the time that it took', async (t) => {
  const row = (what: RegExp, changed: Parameters<typeof rowsOf>[0]) =>
    rowsOf(changed).find((one) => what.test(one.what))?.value;
  t.equal(row(/requests of a node in step/, { idle: { total: 100, seconds: 120 } }), 0.5);
  t.equal(row(/requests of a node that starts/, { start: { total: 700 } }), 7);
  t.equal(row(/bytes of a node for a change/, { change: { wire: { read: 4e5, written: 1e5 } } }), 5);
});

t.test('what the server needs without any node is not counted as theirs', async (t) => {
  const cpu = { apiserver: 3, etcd: 0, fleet: 9 };
  const [row] = rowsOf({ change: { cpu } }).filter(({ what }) =>
    what.startsWith('requests of a node for a change'),
  );
  t.match(row?.how, /18\.0 ms of the API server's processor time for each node/, '3 s with, 1.2 s without');
});

t.test('a server that refused nodes is named, unless it was restarting', async (t) => {
  const refused = { '429': 3 };
  t.same(missed({ restart: { refused } }), []);
  const [row] = rowsOf({ change: { refused }, start: { refused: { '503': 1 } } }).filter(isMissed);
  t.equal(row?.value, 4);
  t.match(row?.how, /3 429, 1 503/);
});
