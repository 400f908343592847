/** The end of the log of `.ci/run`, from logs as run.ts and other programs write them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { failuresOf } from './failures.ts';

const root = join(import.meta.dirname, '..', '..');

const tests = `ok   test/a.test.ts: 3 passed (12 ms)
FAIL test/b.test.ts: 1 passed, 2 FAILED (15 ms)

FAILED test/b.test.ts > what it does
    should be equal
    at test/b.test.ts:12
    --- expected

FAILED test/b.test.ts > what else it does
    did not end as planned

skipped test/a.test.ts > x: needs root

4 passed, 2 failed, 1 skipped
`;

t.test('each failed test is a line, with its message and place', async (t) => {
  t.same(failuresOf([{ part: 'test', text: tests }]), [
    'FAILED test/b.test.ts > what it does: should be equal (at test/b.test.ts:12)',
    'FAILED test/b.test.ts > what else it does: did not end as planned',
  ]);
});

t.test('a part that failed without a failed test is its last line', async (t) => {
  t.same(
    failuresOf([
      { part: 'build', text: 'compiling\nError: no space left\n\n' },
      { part: 'check', text: '' },
    ]),
    ['FAILED build: Error: no space left', 'FAILED check: '],
  );
});

t.test('what fails beside tests is told, too', async (t) => {
  t.same(
    failuresOf([
      { part: 'test', text: '\nFAILED coverage is under its floor\n\n3 passed, 1 failed, 0 skipped' },
    ]),
    ['FAILED coverage is under its floor'],
  );
});

t.test('no more lines than the end of a log has room for, and none without an end', async (t) => {
  const text = Array.from({ length: 50 }, (_, at) => `FAILED f > ${at}\n    ${'x'.repeat(900)}`).join('\n');
  const lines = failuresOf([{ part: 'test', text }]);
  t.equal(lines.length, 41);
  t.equal(lines.at(-1), 'and 10 more');
  t.ok(lines.every((line) => line.length <= 300));
});

t.test('.ci/run shows them last, before its times and counts', async (t) => {
  // Its functions and its end, around two parts that fail and one that passes: the parts themselves take an hour.
  const text = readFileSync(join(root, '.ci', 'run'), 'utf8');
  const functions = text.slice(text.indexOf('passed=0'), text.indexOf('# as_nobody'));
  const end = text.slice(text.lastIndexOf('\necho\n'));
  const failed = (log: string): string => `bash -c 'printf %s "$1"; exit 1' log ${quoted(log)}`;
  const script = `set -euo pipefail
${functions}
part test ${failed(tests)}
part fine echo "2 passed, 0 failed, 0 skipped"
part build ${failed('Error: no space left\n')}
${end}`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: root, encoding: 'utf8' });
  t.equal(status, 1, stderr);
  const lines = stdout.trimEnd().split('\n');
  t.same(
    lines.slice(lines.indexOf('== build FAILED with 1') + 1).map((line) => line.replace(/\d+ s$/, 'N s')),
    [
      '',
      'FAILED test/b.test.ts > what it does: should be equal (at test/b.test.ts:12)',
      'FAILED test/b.test.ts > what else it does: did not end as planned',
      'FAILED build: Error: no space left',
      'took: test N s',
      'took: fine N s',
      'took: build N s',
      'took: all of it N s',
      '6 passed, 3 failed, 1 skipped',
    ],
  );
});

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
