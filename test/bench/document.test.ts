import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { recordingNow, withSection } from '../../bench/document.ts';

const path = join(import.meta.dirname, '..', '..', 'docs', 'benchmarks.md');
const rows = [{ what: 'ticks', value: 1, unit: 'count', limit: 1, how: 'counted' }] as const;
const recording = { date: '2030-01-02', commit: 'abc1234', machine: '2 cores' };

t.test(
  'each part that the bench measures has its place in the document, and only that changes',
  async (t) => {
    const document = readFileSync(path, 'utf8');
    for (const part of ['node', 'cluster', 'rollout', 'fleet']) {
      const changed = withSection(document, part, rows, recording);
      t.match(changed, 'Recorded on 2030-01-02 with commit abc1234, on 2 cores.\n\n| what |');
      t.equal(withSection(changed, part, rows, recording), changed, 'written again, it is the same');
      const others = (text: string) => text.split(/<!-- (?:node|cluster|rollout|fleet): /).length;
      t.equal(others(changed), others(document));
      t.equal(changed.split('\n## ').length, document.split('\n## ').length, 'no heading is lost');
    }
  },
);

t.test('a document without the place is refused', async (t) => {
  t.throws(() => withSection('# Benchmarks\n', 'node', rows, recording), /has no lines "<!-- node: /);
});

t.test('a recording names the day, the commit and the machine', async (t) => {
  const { date, commit, machine } = recordingNow(new Date('2030-01-02T03:04:05Z'));
  t.equal(date, '2030-01-02');
  t.match(commit, /^[0-9a-f]{7,40}( with changes)?$/);
  t.match(machine, /^\d+ cores \(.+\), \d+ GiB, Linux /);
});
