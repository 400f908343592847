/** The counts that decide whether a run was good: fed with events as tap writes them. */

import t from 'tap';
import { collector } from './tally.ts';

/** Feeds events inside one file `f.test.ts` that ends as `ok` says. */
function run(events: readonly unknown[], ok = true) {
  const { line, tally } = collector();
  const shown = [
    ['start', { name: 'TAP Tests', level: 0 }],
    ['start', { name: 'f.test.ts', level: 1 }],
    ...events,
    [
      'end',
      {
        name: 'f.test.ts',
        fullname: 'f.test.ts',
        level: 1,
        ok,
        time: 5,
        diag: { exitCode: ok ? undefined : 1 },
      },
    ],
    ['end', { name: 'TAP Tests', level: 0 }],
  ].map((event) => line(JSON.stringify(event)));
  return { ...tally(), shown: shown.filter((one) => one !== undefined) };
}

const test = (name: string, inside: readonly unknown[], ok = true, more: object = {}): readonly unknown[] => [
  ['start', { name, level: 2 }],
  ...inside,
  ['end', { name, fullname: `f.test.ts > ${name}`, level: 2, ok, ...more }],
];

const pass = ['pass', { ok: true, name: 'x' }];
const fail = ['fail', { ok: false, name: 'x', fullname: 'f.test.ts > a > x', diag: { found: 1, wanted: 2 } }];

t.test('tests are counted, not assertions', async (t) => {
  const { passed, failures, skips, complete, shown } = run([
    ...test('a', [pass, pass, pass]),
    ...test('b', [pass]),
  ]);
  t.match({ passed, failures, skips, complete }, { passed: 2, failures: [], skips: [], complete: true });
  t.same(shown, ['ok   f.test.ts: 2 passed (5 ms)']);
});

t.test(
  'two failed assertions are one failed test that shows both, and its parents are not counted again',
  async (t) => {
    const { passed, failures } = run(test('a', [pass, fail, fail], false), false);
    t.equal(passed, 0);
    t.equal(failures.length, 1);
    t.match(failures[0], { name: 'f.test.ts > a', detail: /found 1, wanted 2[\s\S]*found 1, wanted 2/ });
  },
);

t.test('a file that crashes before its first test is a failure', async (t) => {
  const { passed, failures } = run([], false);
  t.equal(passed, 0);
  t.match(failures, [{ name: 'f.test.ts', detail: /exit code 1/ }]);
});

t.test('a file that crashes after its tests passed is a failure beside them', async (t) => {
  const { passed, failures } = run(test('a', [pass]), false);
  t.equal(passed, 1);
  t.equal(failures.length, 1);
});

t.test('a skipped, planned or empty test has not passed, and has a reason, or has failed', async (t) => {
  const { passed, skips, failures } = run([
    ['skip', { ok: true, name: 'a', fullname: 'f.test.ts > a', skip: 'no systemd' }],
    ['todo', { ok: true, name: 'b', fullname: 'f.test.ts > b', todo: true }],
    ...test('c', [['skip', { ok: true, name: 'inner', skip: true }]]),
    ...test('d', [], true, { plan: { skipAll: true, skipReason: 'no tests found' } }),
  ]);
  t.equal(passed, 0);
  t.same(
    skips.map(({ reason }) => reason),
    ['no systemd', 'no tests found'],
  );
  t.match(failures, [
    { name: 'f.test.ts > b', detail: /without a reason/ },
    { name: 'inner', detail: /without a reason/ },
  ]);
});

t.test('a report that breaks off is not complete, and says where it did', async (t) => {
  const { line, tally } = collector();
  for (const [level, name] of ['TAP Tests', 'f.test.ts', 'a'].entries())
    line(JSON.stringify(['start', { name, level }]));
  t.match(tally(), { complete: false, underWay: 'f.test.ts > a' });
});

t.test('a line that is not an event is shown as it is', async (t) => {
  const { line } = collector();
  t.equal(line('hello'), 'hello');
  t.equal(line('["half'), '["half');
});

t.test('a file that was run in place of another has the name of that one', async (t) => {
  const { line, tally } = collector((file) => (file === 'first-00-a.test.ts' ? 'a.test.ts' : file));
  const shown = [
    ['start', { name: 'TAP Tests', level: 0 }],
    ['start', { name: 'first-00-a.test.ts', fullname: 'first-00-a.test.ts', level: 1 }],
    ['start', { name: 'b', level: 2 }],
    ['fail', { ok: false, name: 'x', level: 2, fullname: 'first-00-a.test.ts > b > x' }],
    ['end', { name: 'b', fullname: 'first-00-a.test.ts > b', level: 2, ok: false }],
    ['end', { name: 'first-00-a.test.ts', fullname: 'first-00-a.test.ts', level: 1, ok: false, time: 5 }],
  ].map((event) => line(JSON.stringify(event)));
  t.same(shown.at(-1), 'FAIL a.test.ts: 0 passed, 1 FAILED (5 ms)');
  t.match(tally().failures, [{ name: 'a.test.ts > b' }]);
});
