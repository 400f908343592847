import t from 'tap';
import {
  approvedPrefix,
  labelNameOf,
  ofShim,
  parseApproval,
  parseTried,
  parseRolloutLabels,
  printApproval,
  printTried,
  triedPrefix,
} from '../../protocol/node-labels.ts';

const until = Date.parse('2027-01-15T08:00:00Z');
const revision = '0123456789abcdef';
const isLabelValue = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

t.test('an approval is read as it was printed, and is a label’s value', async (t) => {
  for (const one of [revision, '-']) {
    const text = printApproval({ revision: one, until });
    t.match(text, isLabelValue);
    t.same(parseApproval(text), { revision: one, until });
  }
  t.equal(printApproval({ revision: 'r1', until: until + 999 }), `r1.${until / 1000}`, 'in whole seconds');
});

t.test('a damaged approval approves nothing', async (t) => {
  for (const text of [
    undefined,
    '',
    'served',
    '{}',
    'r1',
    'r1.',
    '.1',
    'r1.x',
    'r1.1.1',
    'R1.1',
    `r1.${'9'.repeat(20)}`,
  ])
    t.equal(parseApproval(text), undefined, `${text}`);
});

t.test('the result of an approval fits in the value of a label, however long its code is', async (t) => {
  for (const outcome of [
    'approval-expired',
    'RolledBack',
    'x'.repeat(64),
    `${'x'.repeat(44)}-${'y'.repeat(10)}`,
  ]) {
    const text = printTried({ revision, outcome });
    t.match(text, isLabelValue, outcome);
    t.equal(parseTried(text)?.revision, revision);
    t.equal(printTried(parseTried(text)!), text, 'and stays the same');
  }
  t.same(parseTried('gone.done'), { revision: '-', outcome: 'done' });
  t.equal(parseTried('served'), undefined);
});

t.test(
  'a Shim is found by its name, and one with a long name by a digest that no other Shim has',
  async (t) => {
    const long = `${'a'.repeat(100)}.${'b'.repeat(100)}`;
    t.equal(labelNameOf('spin-v2'), 'spin-v2');
    t.match(labelNameOf(long), /^sha256_[0-9a-f]{40}$/);
    t.not(labelNameOf(long), labelNameOf(`${long}c`));
    const { approved, tried } = parseRolloutLabels({
      pool: 'a',
      'spinkube.node-restriction.kubernetes.io/spin': 'served',
      [`${approvedPrefix}${labelNameOf(long)}`]: 'r1.1800000000',
      [`${approvedPrefix}odd`]: 'served',
      [`${triedPrefix}spin`]: 'r2.approval-expired',
    });
    t.same(ofShim(approved, long), { revision: 'r1', until: 1_800_000_000_000 });
    t.equal(ofShim(approved, 'odd'), undefined);
    t.same(ofShim(tried, 'spin'), { revision: 'r2', outcome: 'approval-expired' });
    t.equal(ofShim(tried, 'toString'), undefined);
  },
);

t.test('an outcome of an older controller is read by its present name', async (t) => {
  t.same(parseTried('r2.turn-ran-out'), { revision: 'r2', outcome: 'approval-expired' });
  t.same(parseTried('r2.taken-back'), { revision: 'r2', outcome: 'approval-withdrawn' });
});
